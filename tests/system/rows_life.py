"""Rows about ends and beginnings of the process: killed, stopped, started again by hand.
Those under a service manager are in rows_units.py."""

import asyncio
import errno
import os
import pathlib
import signal
import subprocess
import time

from chat import check, connect, join, until
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
        # A second one in the same instant would not count.
        await asyncio.sleep(0.2)
        check(daemon.process.poll() is None, "it did not wait for the one who is stalled")
        daemon.signal(signal.SIGTERM)
        begin = time.monotonic()
        code = await daemon.ended()
        took = time.monotonic() - begin
    check(took < setting.most(1), f"it ended after {took:.1f} s")
    return f"exit {code} after {took * 1000:.0f} ms"


@row("BOARD", "the board on a disk that is full for a while", ["root", "unshare"])
async def board(setting):
    disk = setting.scratch / "disk"
    disk.mkdir()
    script = f"mount -t tmpfs -o size=256k tmpfs {disk}; head -c 200K /dev/zero >{disk}/fill; " \
             f'exec "$@" >>{disk}/board'
    around = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
    with setting.daemon("--board", "--rate", "0", "--history", "0", around=around) as daemon:
        await daemon.listening()
        seen = pathlib.Path(f"/proc/{daemon.pid}/root{disk}")
        ann = await join(daemon.address, "ann")
        count = 400
        for number in range(count):
            ann.say(f"{number} {'b' * 4000}")
        await ann.pong()
        await daemon.logged("standard output takes nothing")
        (seen / "fill").unlink()
        subprocess.run(["nsenter", "-t", str(daemon.pid), "--mount", "mount", "-o",
                        "remount,size=64m", str(disk)], check=True)
        begin = time.monotonic()
        await daemon.logged("standard output takes lines again")
        took = time.monotonic() - begin
        ann.say("and on")
        await until("the board to go on", lambda: "<ann> and on" in (seen / "board").read_text())
        lines = (seen / "board").read_text().splitlines()
    said = [line for line in lines if " lobby <ann> " in line]
    lost = sum(int(line.split()[1]) for line in lines if line.startswith("… "))
    check(len(said) - 1 + lost == count, f"{len(said) - 1} are there and {lost} counted, of {count}")
    check(len(said) > 100, f"only {len(said)} are there")
    return f"goes on {took:.1f} s after there is room; {len(said) - 1} lines are there, {lost} counted as lost"
