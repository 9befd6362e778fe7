"""Rows about memory, about readers who do not read, and about crowds that want one thing."""

import asyncio
import collections
import signal
import time

from chat import GATHERED, WENT, check, connect, join, news, until
from rows import row
from rows_unharmed import need_descriptors

KIB, MIB = 1 << 10, 1 << 20
TOTAL_SLACK_BYTES = 64 * MIB  # above --outbox-total-max (F32)
LEFT_BYTES = 32 * MIB  # above what it began with, when all is over (F32)
ENDLESS_BYTES_MAX = 64 * KIB  # what a line without end may cost (F36)
IDLE_BYTES_MAX = 2 * KIB  # each (F41)
IDLE_WITHIN = 60.0  # seconds (F41)
LINE = "x" * 3900


async def stalled(daemon, name, room=None):
    """A member whose small buffer is soon full."""
    member = await join(daemon.address, name, room, receive_bytes=4096)
    member.stall()
    return member


@row("F19", "cuts that cause cuts, all at once")
async def f19(setting):
    count = setting.pick(200, 1000)
    need_descriptors(count)
    views, left, wrong = collections.defaultdict(list), collections.Counter(), []

    def hear(member, line):
        if told := news(line):
            views[member.name].append(line)
            left[member.name] += told[1]
            if told[0] or (WENT.match(line) and not GATHERED.match(line)
                           and not line.endswith(": too slow")):
                wrong.append(line)
        elif line.startswith("!"):
            wrong.append(line)

    flags = ["--rate", "0", "--history", "0", "--stall-timeout", "60", "--roster-max", "5000",
             "--outbox-max", "64K"]
    with setting.daemon(*flags) as daemon:
        await daemon.listening()
        staying = [await join(daemon.address, f"stays{n}") for n in range(5)]
        talker = await join(daemon.address, "talker")
        crowd = [await join(daemon.address, f"s{n}", receive_bytes=4096) for n in range(count)]
        # Those that were gathered are told within a second, and to all at once.
        while not any((told := news(line)) and told[2] == count + 6
                      for line in await staying[0].pong()):
            await asyncio.sleep(0.05)
        for member in [*crowd, *staying]:
            await member.pong()
        for member in crowd:
            member.stall()
        for member in staying:
            member.listen(hear)
        begin = time.monotonic()
        said = 0
        while left["stays0"] < count:
            check(said < 100_000, f"only {left['stays0']} were cut")
            talker.say(*[LINE] * 4)
            said += 4
            await talker.pong()
            await asyncio.sleep(0.001)
        for member in staying:
            await member.pong_heard()
        took = time.monotonic() - begin
    for member in staying:
        here, named = count + len(staying) + 1, []
        for line in views[member.name]:
            here -= news(line)[1]
            check(news(line)[2] == here, f"{here} are left, then {line!r}")
            if not GATHERED.match(line):
                named.append(line.split()[1])
        check(left[member.name] == count, f"{left[member.name]} leaves were told")
        check(len(named) == len(set(named)) and set(named) <= {f"s{n}" for n in range(count)},
              f"a leave is told twice: {sorted(named)}")
    check(all(views[member.name] == views["stays0"] for member in staying), "two orders")
    check(not wrong, f"told {wrong[:3]}")
    return f"{count} cut after {said} lines within {took:.2f} s, " \
           f"each leave told or counted once and in one order to the {len(staying)} who stay"


@row("F32", "thousands of stalled readers")
async def f32(setting):
    rooms, each = setting.pick(30, 300), 10
    total = setting.pick(8, 64) * MIB
    need_descriptors(rooms * (each + 1))
    flags = ["--rate", "0", "--history", "0", "--stall-timeout", "600", "--outbox-max", "4M",
             "--outbox-total-max", str(total)]
    most = 0
    with setting.daemon(*flags) as daemon:
        await daemon.listening()
        watcher = await join(daemon.address, "watcher")
        readers = [await stalled(daemon, f"s{room}-{number}", f"room{room}")
                   for room in range(rooms) for number in range(each)]
        for room in range(rooms):
            talker = await join(daemon.address, f"talker{room}", f"room{room}")
            for _ in range(20):
                talker.say(*[LINE] * 10)
                await talker.pong()
            talker.close()
            most = max(most, daemon.memory_peak())
        occupied = []
        for room in range(rooms):
            watcher.say(f"/who room{room}")
            answer = await watcher.find(("= ", "! no-such-room"))
            occupied.append(answer.startswith("= "))
        daemon.signal(signal.SIGUSR1)
        line = await daemon.logged("slow consumers cut")
    check(most <= total + TOTAL_SLACK_BYTES, f"{most >> 20} MiB for {total >> 20} MiB of outboxes")
    check(0 < sum(occupied) < rooms, f"{sum(occupied)} of {rooms} rooms have somebody: {line}")
    check(occupied == sorted(occupied), f"not the furthest behind were cut: {occupied}")
    return f"{len(readers)} readers in {rooms} rooms, {most / MIB:.1f} MiB at most in all for an " \
           f"--outbox-total-max of {total >> 20} MiB; those of the {occupied.count(False)} rooms " \
           f"that were behind for longest were cut"


@row("F32b", "members who say their burst and read nothing")
async def f32b(setting):
    count, total = setting.pick(2000, 9000), setting.pick(16, 256) * MIB
    need_descriptors(count)
    flags = ["--max-rooms", str(count), "--outbox-total-max", str(total), "--stall-timeout", "10"]
    with setting.daemon(*flags) as daemon:
        await daemon.listening()
        idle = daemon.memory()
        members = [await stalled(daemon, f"m{number}", f"room{number // 2}")
                   for number in range(count)]
        for member in members:
            member.say(*[LINE] * 100)
        begin = time.monotonic()
        # Then the last of them is cut for its time.
        await asyncio.sleep(15)
        most = daemon.memory_peak()
        for member in members:
            member.close()
        await until("its memory", lambda: daemon.memory() <= idle + LEFT_BYTES, IDLE_WITHIN)
        took = time.monotonic() - begin - 15
        daemon.signal(signal.SIGUSR1)
        line = await daemon.logged("slow consumers cut")
    check(most <= total + TOTAL_SLACK_BYTES, f"{most >> 20} MiB for {total >> 20} MiB of outboxes")
    turn = line.split("longest turn ")[1].split(",")[0]
    return f"{count} members, {most / MIB:.1f} MiB at most in all for an --outbox-total-max of " \
           f"{total >> 20} MiB; {took:.1f} s after they went it was back; longest turn {turn}"


@row("F33", "a reader that takes a byte a second")
async def f33(setting):
    timeout = setting.pick(2, 10)
    flags = ["--rate", "0", "--history", "0", "--outbox-max", "64M", "--stall-timeout",
             str(timeout)]
    with setting.daemon(*flags) as daemon:
        await daemon.listening()
        talker = await join(daemon.address, "talker")
        sipper = await stalled(daemon, "sipper")
        for _ in range(20):
            talker.say(*[LINE] * 10)
            await talker.pong()
        begin, taken = time.monotonic(), 0
        leave = asyncio.create_task(talker.find("* sipper left", timeout + 30))
        while not leave.done():
            try:
                taken += len(sipper.sip())
            except BlockingIOError:
                pass
            await asyncio.wait([leave], timeout=1)
        took = time.monotonic() - begin
        said = await leave
    check(said.endswith(": too slow"), said)
    check(timeout - 1 <= took <= timeout + setting.most(1.5), f"cut after {took:.1f} s")
    return f"cut after {took:.1f} s (--stall-timeout {timeout}) and {taken} bytes taken"


@row("F36", "a gigabyte without a newline")
async def f36(setting):
    megabytes, megabyte = setting.pick(128, 1024), b"x" * MIB
    with setting.daemon("--rate", "0") as daemon:
        await daemon.listening()
        endless = await join(daemon.address, "endless")
        endless.send(megabyte)
        await endless.find("! line-too-long ")
        memory, grown = daemon.memory_own(), 0
        begin = time.monotonic()
        for _ in range(megabytes):
            endless.send(megabyte)
            await until("the server to take it",
                        lambda: endless.transport.get_write_buffer_size() < MIB, pause=0.0005)
            grown = max(grown, daemon.memory_own() - memory)
        took = time.monotonic() - begin
        endless.say("")
        heard = await endless.pong()
        grown = max(grown, daemon.memory_own() - memory)
    check(not heard, f"told {heard}")
    check(grown < ENDLESS_BYTES_MAX, f"memory grew by {grown} bytes")
    return f"{megabytes} MiB in {took:.1f} s, memory {grown / KIB:+.0f} KiB at most, told once"


@row("F41", "idle again after a burst")
async def f41(setting):
    count = setting.pick(1000, 2000)
    need_descriptors(count)
    with setting.daemon("--rate", "0", "--history", "0") as daemon:
        await daemon.listening()
        first = [await join(daemon.address, f"first{n}") for n in range(20)]
        for member in first:
            member.close()
        empty = daemon.memory_own()
        crowd = [await join(daemon.address, f"m{n}") for n in range(count)]
        for member in crowd:
            member.stall()  # what is said now has to be held for them
        for member in crowd[:20]:
            member.say(*[LINE] * 10)
        await asyncio.sleep(0.5)
        most = (daemon.memory_own() - empty) / count
        for member in crowd:
            member.transport.resume_reading()
        for member in crowd:
            await member.pong(120)
        begin = time.monotonic()
        await until("idle connections to be small",
                    lambda: daemon.memory_own() - empty < count * IDLE_BYTES_MAX, IDLE_WITHIN)
        took = time.monotonic() - begin
        each = (daemon.memory_own() - empty) / count
    return f"{each:.0f} bytes for each of {count} after {took:.1f} s, {most:.0f} in the burst"


@row("F54", "1,000 connections ask for one name at once")
async def f54(setting):
    count, rounds = setting.pick(300, 1000), setting.pick(3, 20)
    need_descriptors(count)
    with setting.daemon("--rate", "0", "--name-timeout", "600") as daemon:
        await daemon.listening()
        watcher = await join(daemon.address, "watcher")
        crowd = [await connect(daemon.address) for _ in range(count)]
        for number in range(rounds):
            daemon.signal(signal.SIGSTOP)
            for place, member in enumerate(crowd):
                member.say(("ann", "ANN", "\uff21nn")[place % 3])
            await asyncio.sleep(0.1)
            daemon.signal(signal.SIGCONT)
            answers = await asyncio.gather(
                *(member.find(("* welcome", "! name-in-use")) for member in crowd))
            winners = [place for place, line in enumerate(answers) if line.startswith("*")]
            check(len(winners) == 1, f"{len(winners)} became ann")
            owner = crowd.pop(winners[0])
            (owner.reset if number % 2 else owner.close)()
            await gone(watcher)
    return f"{rounds} times one of {count}, and the name was free at its end"


async def gone(watcher):
    """Reads on to where somebody has left."""
    while not ((told := news(await watcher.line())) and told[1]):
        pass


@row("F14", "the address is in use; a bad socket is handed in")
async def f14(setting):
    with setting.daemon() as owner:
        await owner.listening()
        taken = f"{owner.address[0]}:{owner.address[1]}"
        handed = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3</dev/null']
        times = []
        for flags, around in ((["--listen", taken], ()), ([], handed)):
            begin = time.monotonic()
            # So few that no limit of this machine is worth a line.
            with setting.daemon("--max-clients", "16", *flags, around=around) as daemon:
                code = await daemon.ended()
                times.append(time.monotonic() - begin)
                said = daemon.log_text()
            check(code == 69 and said.count("\n") == 1, f"exit {code}: {said}")
    check(max(times) < setting.most(1), f"it took {max(times):.2f} s")
    return f"exit 69 with one line within {max(times) * 1000:.0f} ms"
