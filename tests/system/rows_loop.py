"""Rows about the loop: system calls that do less than asked, or fail for no reason; a wall clock
that jumps; signals."""

import asyncio
import signal
import subprocess
import time

from chat import check, connect, join
from conversation import talk
from needs import CALLS, faketime
from rows import Trace, row


@row("F15", "short reads and writes, interruptions, busy sockets", ["shim"])
async def f15(setting):
    shim = setting.scratch / "short_io.so"
    source = __file__.replace("rows_loop.py", "short_io.c")
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", shim,
                    source, "-ldl"], check=True)
    heard, faults = 0, 0
    for seed in range(1, setting.pick(3, 40) + 1):
        for percent in (20, 70):
            report = setting.scratch / "report"
            environment = {"LD_PRELOAD": str(shim), "SHORT_IO_SEED": str(seed),
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
