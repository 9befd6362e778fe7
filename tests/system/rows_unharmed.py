"""Rows in which some do harm and others must not notice: who is in the lobby and behaves goes on
hearing everything, in one order, and hardly later (see healthy.py)."""

import asyncio
import collections
import re
import resource
import signal
import socket
import time

from chat import check, connect, join, linger_zero, news, until
from crowd import crowd
from healthy import Healthy
from rows import Skip, row

SERVED_WITHIN = 0.1  # seconds, another address (F09)
OWN_LINE_WITHIN = 0.02  # seconds at p99 (F34)
STOPPED_BYTES_MAX = 16 << 20  # what 20 readers that stop may cost (F31)


def need_descriptors(count):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < count + 200:
        raise Skip(f"fewer than {count + 200} descriptors allowed")


async def told(address, code, count, source=None):
    """So many connect, and each is told this and closed."""
    crowd = [await connect(address, source=source) for _ in range(count)]
    for member in crowd:
        lines = await member.rest()
        check(len(lines) == 1 and lines[0].startswith(f"! {code} "), f"told {lines}")
        member.close()


@row("F05", "more clients than there may be")
async def f05(setting):
    seconds, at_once = setting.pick(2, 10), 20
    need_descriptors(at_once)
    with setting.daemon("--max-clients", "40") as daemon:
        await daemon.listening()
        async with Healthy(setting, daemon) as healthy:
            inside = [await join(daemon.address, f"in{n}") for n in range(30)]
            await healthy.before(seconds)
            times = await healthy.during(
                seconds, lambda: told(daemon.address, "server-full", at_once))
            for member in inside:
                await member.pong()
            words = await healthy.end()
    return f"{times * at_once} were told and closed; {words}"


@row("F08", "5,000 connects in a second while 100 talk")
async def f08(setting):
    count, seconds = 5000, setting.pick(1, 5)
    need_descriptors(count)
    took = []

    def connects(address):
        """Connects at an even pace, then resets all."""
        begin, made = time.monotonic(), []
        for number in range(count):
            made.append(socket.create_connection(address))
            if number % 50 == 49:
                time.sleep(max(0, begin + (number + 1) / count - time.monotonic()))
        took.append(time.monotonic() - begin)
        for sock in made:
            linger_zero(sock)
            sock.close()

    with setting.daemon() as daemon:
        await daemon.listening()
        async with Healthy(setting, daemon, members=100, pause=1.0) as healthy:
            await healthy.before(max(seconds, 3))
            times = await healthy.during(
                seconds, lambda: asyncio.to_thread(connects, daemon.address))
            words = await healthy.end()
    if setting.full:
        check(max(took) < 1.1, f"this machine took {max(took):.1f} s for {count} connects")
    return f"{times} times {count} in {max(took):.2f} s; {words}"


@row("F09", "one address opens all it can")
async def f09(setting):
    seconds, at_once = setting.pick(2, 10), 500
    need_descriptors(at_once)
    served = []
    with setting.daemon("--max-per-address", "20") as daemon:
        await daemon.listening()

        async def other():
            begin = time.monotonic()
            member = await join(daemon.address, f"other{len(served)}", source="127.0.0.3")
            served.append(time.monotonic() - begin)
            member.close()

        async with Healthy(setting, daemon, source="127.0.0.2") as healthy:
            own = [await join(daemon.address, f"own{n}") for n in range(20)]
            await healthy.before(seconds)
            times = await healthy.during(seconds, lambda: asyncio.gather(
                told(daemon.address, "too-many-from-your-address", at_once), other()))
            for member in own:
                await member.pong()
            words = await healthy.end()
    check(max(served) <= setting.most(SERVED_WITHIN), f"served after {max(served):.3f} s")
    return f"{times * at_once} were told and closed, another address served after " \
           f"{max(served) * 1000:.0f} ms at most; {words}"


@row("F11", "connections that never give a name")
async def f11(setting):
    timeout, count = setting.pick(2, 20), setting.pick(200, 500)
    need_descriptors(count)
    with setting.daemon("--name-timeout", str(timeout)) as daemon:
        await daemon.listening()

        async def silent(number):
            await asyncio.sleep(number * 0.004)
            begin = time.monotonic()
            member = await connect(daemon.address)
            lines = await member.rest(timeout + 30)
            # Who never spoke is closed without a word.
            check(lines == [], f"told {lines}")
            member.close()
            return time.monotonic() - begin

        async def all_silent():
            ages.extend(await asyncio.gather(*(silent(number) for number in range(count))))

        ages = []
        async with Healthy(setting, daemon) as healthy:
            await healthy.before(setting.pick(2, 10))
            await healthy.during(0, all_silent)
            words = await healthy.end()
    check(timeout - 1 <= min(ages) and max(ages) <= timeout + setting.most(1),
          f"cut after {min(ages):.2f} to {max(ages):.2f} s")
    return f"{count} cut after {min(ages):.2f} to {max(ages):.2f} s of {timeout}; {words}"


@row("F17", "one client pipes 10 MB and then waits")
async def f17(setting):
    seconds, data = setting.pick(1, 10), (b"x" * 99 + b"\n") * 100_000
    with setting.daemon("--rate", "0") as daemon:
        await daemon.listening()
        piper = await join(daemon.address, "piper", "pipe")

        async def pipe():
            piper.send(data)
            check(not await piper.pong(60), "the piper was told something")

        async with Healthy(setting, daemon) as healthy:
            await healthy.before(max(seconds, 2))
            begin = time.monotonic()
            times = await healthy.during(seconds, pipe)
            took = time.monotonic() - begin
            words = await healthy.end()
    return f"{times} times 10 MB in {took:.1f} s, each answered; {words}"


@row("F31", "readers are stopped while their room is busy")
async def f31(setting):
    count, seconds = 20, setting.pick(1, 5)
    # With what chatd does without flags the healthy must read 2 MB a second each, come what may.
    lines = ["x" * 3900] * setting.pick(2, 10)
    patient = setting.pick(["--outbox-max", "16M", "--stall-timeout", "5"], [])
    named, gone = [], 0

    def hear(member, said):
        nonlocal gone
        if said.endswith(": too slow"):
            named.append(said.split()[1])
        if told := news(said):
            gone += told[1]

    async def talk():
        while True:
            talker.say(*lines)
            await asyncio.sleep(0.02)

    with setting.daemon("--rate", "0", "--history", "0", *patient) as daemon:
        await daemon.listening()
        async with Healthy(setting, daemon, members=5) as healthy, \
                crowd("read", daemon.address, "stopped", count) as readers:
            talker = await join(daemon.address, "talker")
            talker.listen(hear)
            talking = asyncio.create_task(talk())
            await healthy.before(max(seconds, 2))
            memory = daemon.memory_peak()
            readers.send_signal(signal.SIGSTOP)
            begin = time.monotonic()
            await healthy.during(
                seconds, lambda: until("all to be cut", lambda: gone >= count, 60))
            took = time.monotonic() - begin
            grown = daemon.memory_peak() - memory
            talking.cancel()
            words = await healthy.end()
    # Of those that were gathered only the number is told.
    check(gone == count and set(named) <= {f"stopped{n}" for n in range(count)}
          and len(named) == len(set(named)), f"{gone} were cut, by name {sorted(named)}")
    check(grown < STOPPED_BYTES_MAX, f"memory grew by {grown >> 10} KiB")
    return f"{count} cut within {took:.1f} s, memory {grown / 2**20:+.2f} MiB at most; {words}"


@row("F34", "100 clients flood")
async def f34(setting):
    count, seconds, rate, burst = 100, setting.pick(3, 30), 10, 100
    heard = collections.defaultdict(list)
    wrong, gone = [], 0

    def hear(member, said):
        nonlocal gone
        if flood := re.match(r"<flood(\d+)> (\d+)\.$", said):
            heard[flood[1]].append(int(flood[2]))
        elif told := news(said):
            gone += told[1]
        elif said.startswith("!"):
            wrong.append(said)

    with setting.daemon("--rate", str(rate), "--burst", str(burst)) as daemon:
        await daemon.listening()
        async with Healthy(setting, daemon, members=4) as healthy:
            witness = await join(daemon.address, "witness")
            witness.listen(hear)
            await healthy.before(seconds)
            begin = time.monotonic()
            async with crowd("flood", daemon.address, "flood", count):
                # What they may say at once is said, and heard by programs slower than the server.
                await until("all to be held back", lambda: len(heard) == count and all(
                    len(lines) > burst + rate for lines in heard.values()), 60)
                await healthy.during(seconds)
                took = time.monotonic() - begin
                lines = {name: list(numbers) for name, numbers in heard.items()}
                check(not wrong and gone == 0, f"{gone} were cut, or told: {wrong[:3]}")
            await until("the floods to leave", lambda: gone == count)
            words = await healthy.end()
    most = burst + rate * took + rate
    for name, numbers in lines.items():
        check(numbers == list(range(len(numbers))), f"flood{name} lost a line")
        check(len(numbers) <= most, f"flood{name} said {len(numbers)} lines in {took:.1f} s")
        check(len(numbers) >= burst + rate * seconds * 0.8, f"flood{name} said {len(numbers)}")
    check(healthy.during_p99 <= setting.most(OWN_LINE_WITHIN),
          f"p99 of the quiet ones was {healthy.during_p99 * 1000:.1f} ms")
    return f"{min(map(len, lines.values()))} to {max(map(len, lines.values()))} lines of each in " \
           f"{took:.1f} s, none lost; {words}"
