"""Rows about the loop: system calls that do less than asked, or fail for no reason; a wall clock
that jumps; signals."""

import asyncio
import pathlib
import signal
import subprocess
import time

from chat import Member, check, connect, join
from conversation import talk
from doors import JsonMember, TlsMember, WebSocketMember
from needs import CALLS, faketime
from rows import Trace, row


def preloaded(setting, name):
    """What stands between chatd and libc, made of this source."""
    made = setting.scratch / f"{name}.so"
    source = pathlib.Path(__file__).with_name(f"{name}.c")
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", made, source,
                    "-ldl"], check=True)
    return str(made)


@row("F15", "short reads and writes, interruptions, busy sockets", ["shim"])
async def f15(setting):
    shim = preloaded(setting, "short_io")
    heard, faults = 0, 0
    for seed in range(1, setting.pick(3, 40) + 1):
        for percent in (20, 70):
            report = setting.scratch / "report"
            environment = {"LD_PRELOAD": shim, "SHORT_IO_SEED": str(seed),
                           "SHORT_IO_PERCENT": str(percent), "SHORT_IO_REPORT": str(report)}
            with setting.daemon("--rate", "0", environment=environment) as daemon:
                await daemon.listening()
                heard += await talk(daemon.address, lines=setting.pick(100, 300))
                daemon.signal(signal.SIGTERM)
                check(await daemon.ended() == 0, "chatd did not end well")
            counts = [int(line.split()[0]) for line in report.read_text().splitlines()]
            check(all(counts), f"not every kind of fault has happened: {report.read_text()}")
            faults += sum(counts)
    return f"{heard} lines heard, byte for byte, through {faults} faults"


@row("F16", "EINTR from every call of the loop", ["strace"])
async def f16(setting):
    with setting.daemon("--rate", "0") as daemon:
        await daemon.listening()
        # Each of the calls fails every third time.
        with Trace(setting, daemon.pid, f"trace={CALLS}",
                   f"inject={CALLS}:error=EINTR:when=1+3") as trace:
            heard = await talk(daemon.address, lines=setting.pick(100, 500), pause=0.002)
            injected = sum("INJECTED" in line for line in trace.lines)
            kinds = {line.split("(")[0] for line in trace.lines if "INJECTED" in line}
            await asyncio.sleep(0.5)
            before = len(trace.lines)
            await asyncio.sleep(2)
            idle = len(trace.lines) - before
    check(len(kinds) >= 3, f"only {kinds} were interrupted")
    check(idle < 20, f"{idle} calls in 2 s while nothing happens")
    return f"{heard} lines heard through {injected} interruptions of {', '.join(sorted(kinds))}; " \
           f"{idle} calls in 2 idle seconds"


@row("F88", "the kernel has no room for the last lines of sleepers", ["shim"])
async def f88(setting):
    count, lines = setting.pick(3, 30), 400
    environment = {"LD_PRELOAD": preloaded(setting, "small_buffers"), "SEND_BYTES_MAX": "8192"}
    flags = ["--rate", "0", "--stall-timeout", "2"]
    with setting.daemon(*flags, environment=environment) as daemon:
        await daemon.listening()
        talker = await join(daemon.address, "talker")
        sleepers = []
        for kind in (Member, JsonMember, WebSocketMember, TlsMember):
            for number in range(count):
                name = f"{kind.__name__}-{number}"
                sleeper = await join(daemon.address, name, kind=kind, receive_bytes=4096)
                sleeper.stall()
                sleepers.append(sleeper)
        talker.say(*(f"{number} {'z' * 1000}" for number in range(lines)))
        await talker.pong()
        # Cut after 2 s to 4 s; 5 s later nothing is left of their sessions.
        await asyncio.sleep(12)
        await talker.pong()
        read = [await woken(sleeper) for sleeper in sleepers]
        check(max(read) < lines, f"nobody was cut amid its lines: {read}")
    return f"{len(sleepers)} sleepers of 4 doors read {min(read)} to {max(read)} of {lines} " \
           "lines and then why they were cut"


async def woken(sleeper):
    """It reads what it has slept through, which ends with why it was cut. How many lines."""
    sleeper.transport.resume_reading()
    # What was lost since the buffer was full is sent again after pauses that double.
    lines = await sleeper.rest(60)
    last = lines.pop() if lines else None
    said = [line.split()[1] for line in lines if line.startswith("<talker> ")]
    check(said == [str(number) for number in range(len(said))], f"{sleeper.name} has read {said}")
    check(last and last.startswith("! too-slow ") and sleeper.lost is None,
          f"{sleeper.name} has read {len(said)} lines, then {last!r}, {sleeper.lost}")
    if isinstance(sleeper, WebSocketMember):
        check(sleeper.close_code == 1008, f"{sleeper.name} was closed with {sleeper.close_code}")
    return len(said)


@row("F27", "the wall clock jumps by hours", ["faketime"])
async def f27(setting):
    clock = setting.scratch / "clock"
    clock.write_text("+0")
    environment = {"LD_PRELOAD": faketime(), "FAKETIME_TIMESTAMP_FILE": str(clock),
                   "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                   "DONT_FAKE_MONOTONIC": "1"}
    flags = ["--name-timeout", "4", "--rate", "0"]
    with setting.daemon(*flags, environment=environment) as daemon:
        await daemon.listening()
        silent, begin = await connect(daemon.address), time.monotonic()
        idle = await join(daemon.address, "idle", "elsewhere")

        async def jump():
            for offset in ("+5h", "-7h", "+30d", "-30d"):
                await asyncio.sleep(0.4)
                clock.write_text(offset)

        _, heard = await asyncio.gather(
            jump(), talk(daemon.address, lines=200, pause=0.01))
        lines = await silent.rest()
        after = time.monotonic() - begin
        await idle.pong()
        log = daemon.log_text()
    days = {line[:10] for line in log.splitlines()}
    check(len(days) > 1, f"the clock of chatd did not jump: {days}")
    # Who never spoke is closed without a word.
    check(lines == [], f"the silent one was told {lines}")
    check(3 <= after <= 4 + setting.most(1), f"the name timeout of 4 s came after {after:.1f} s")
    return f"jumps of 5 hours to 30 days: {heard} lines heard in order, " \
           f"a deadline of 4 s came after {after:.2f} s"


@row("F65", "1,000 SIGHUPs under load")
async def f65(setting):
    sent = 0
    with setting.daemon("--rate", "0") as daemon:
        await daemon.listening()

        async def reload():
            nonlocal sent
            while sent < 1000:
                daemon.signal(signal.SIGHUP)
                sent += 1
                await asyncio.sleep(0.002)

        _, heard = await asyncio.gather(
            reload(), talk(daemon.address, lines=600, pause=0.005))
        check("reload" in daemon.log_text(), "SIGHUP was not heard")
    return f"{sent} signals, {heard} lines heard"
