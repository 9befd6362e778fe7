"""Rows about ends and beginnings of the process: killed, stopped, started again by hand.
Those under a service manager are in rows_units.py."""

import asyncio
import errno
import os
import signal
import time

from chat import check, connect, join
from rows import Skip, row

ROOMS = 20


async def enter(address, name, deadline):
    """A member, however often the connecting must be tried; waits a little more each time."""
    pause = 0.02
    while True:
        try:
            member = await connect(address)
            member.say(name)
            if (await member.line()) is not None:
                member.name = name
                return member
        except OSError as error:
            if error.errno not in (errno.ECONNREFUSED, errno.ECONNRESET):
                raise
        check(time.monotonic() < deadline, f"{name} could not come back")
        await asyncio.sleep(pause)
        pause = min(2 * pause, 0.5)


@row("F60", "kill -9 under load, all come back at once")
async def f60(setting):
    count = setting.pick(2000, 5000)
    if os.sysconf("SC_OPEN_MAX") < count + 100:
        raise Skip(f"fewer than {count + 100} descriptors allowed")
    flags = ["--rate", "0"]
    with setting.daemon(*flags) as first:
        await first.listening()
        address = first.address
        crowd = await asyncio.gather(*(join(address, f"c{n}") for n in range(count)))
        talking = [asyncio.create_task(keep_talking(member)) for member in crowd[:20]]
        await asyncio.sleep(0.5)
        first.signal(signal.SIGKILL)
        killed = time.monotonic()
        await first.ended()
    with setting.daemon(*flags, "--listen", f"{address[0]}:{address[1]}") as second:
        async def come_back(number):
            await crowd[number].rest()
            crowd[number].close()
            return await enter(address, f"c{number}", killed + 60)

        returning = asyncio.gather(*(come_back(number) for number in range(count)))
        await second.listening()
        listening = time.monotonic() - killed
        crowd = await returning
        took = time.monotonic() - killed
        heard = await crowd[0].pong()
        await asyncio.gather(*talking, return_exceptions=True)
    check(listening < setting.most(1), f"it listens again after {listening:.1f} s")
    check(took < setting.most(10), f"{count} were back after {took:.1f} s")
    check(not any(line.startswith("!") for line in heard), f"told {heard[:2]}")
    return f"listens after {listening:.2f} s, {count} named again after {took:.1f} s"


async def keep_talking(member):
    while not member.closed:
        member.say("talking on")
        member.lines.clear()
        await asyncio.sleep(0.05)


@row("F63", "SIGTERM while a tenth of the clients read nothing")
async def f63(setting):
    healthy, stalled = setting.pick((260, 29), (900, 100))
    with setting.daemon("--rate", "0", "--outbox-max", "8M", "--stall-timeout", "60") as daemon:
        await daemon.listening()
        loud = [await join(daemon.address, f"stalled{n}", "loud", receive_bytes=4096)
                for n in range(stalled)]
        for member in loud:
            member.stall()
        talker = await join(daemon.address, "talker", "loud")
        crowd = await asyncio.gather(*(join(daemon.address, f"c{n}", f"room{n % ROOMS}")
                                       for n in range(healthy)))
        # More than their sockets take, so that their outboxes hold something at the end.
        for _ in range(60):
            talker.say(*["z" * 4000] * 20)
            await talker.pong()
        await asyncio.gather(*(member.pong() for member in crowd))
        for number, member in enumerate(crowd):
            member.say(f"0.{number} last words")
        # What the kernel has by now must be told before the end.
        daemon.signal(signal.SIGTERM)
        begin = time.monotonic()
        endings = await asyncio.gather(*(member.rest() for member in [*crowd, talker]))
        told = time.monotonic() - begin
        code = await daemon.ended()
        took = time.monotonic() - begin
    others = healthy // ROOMS - 1
    deaf = sum(sum("last words" in line for line in lines) != others for lines in endings[:-1])
    check(deaf == 0, f"{deaf} have not got every last word")
    silent = sum(not lines or not lines[-1].startswith("! shutting-down") for lines in endings)
    check(silent == 0, f"{silent} were not told")
    check(code == 0 and took < 5 + setting.most(1), f"exit {code} after {took:.1f} s, drain-timeout is 5 s")
    check(took > 4, f"it ended after {took:.1f} s: nobody was owed anything")
    return f"{healthy} had every line and were told within {told:.2f} s, exit 0 after " \
           f"{took:.2f} s for the sake of {stalled} stalled"


@row("F63b", "a second SIGTERM while draining")
async def f63b(setting):
    with setting.daemon("--rate", "0", "--outbox-max", "8M") as daemon:
        await daemon.listening()
        stalled = await join(daemon.address, "stalled", "loud", receive_bytes=4096)
        stalled.stall()
        talker = await join(daemon.address, "talker", "loud")
        for _ in range(60):
            talker.say(*["z" * 4000] * 20)
            await talker.pong()
        daemon.signal(signal.SIGTERM)
        await talker.find("! shutting-down")
        check(daemon.process.poll() is None, "it did not wait for the one who is stalled")
        daemon.signal(signal.SIGTERM)
        begin = time.monotonic()
        code = await daemon.ended()
        took = time.monotonic() - begin
    check(took < setting.most(1), f"it ended after {took:.1f} s")
    return f"exit {code} after {took * 1000:.0f} ms"
