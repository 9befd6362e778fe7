"""Rows about the disk on which history lies: full, failing, frozen, read-only, damaged; and what a
person finds in it. Whatever the disk does, chat goes on (healthy.py), and what was said is there
afterwards, or the history says that it is not (history.py)."""

import asyncio
import datetime
import errno
import os
import pathlib
import re
import shlex
import signal

from chat import PATIENCE, check, until
from healthy import Healthy
from history import REFUSES, TAKES_AGAIN, Kept, Ledger, Program, killed, order
from image import Image
from needs import faketime
from rows import Trace, row
from rows_loop import preloaded
from rows_unharmed import need_descriptors

MIB = 1 << 20
WARNING_SECONDS = 30  # in which a disk that refuses is a warning once
FROZEN_SECONDS = 3
CROWD_QUIET = 0.05  # seconds: the p99 of a crowd whose members are one program
TURN_MAX = 1.0  # seconds that the longest turn may take while the disk stands still
OPERATING = pathlib.Path(__file__).resolve().parents[2] / "docs/operating.md"
BEHIND = re.compile(r"behind ([\d.]+) s")
LONGEST_TURN = re.compile(r"longest turn ([\d.]+) (µs|us|ms|s)")


def warnings(log):
    return log.count(REFUSES)


async def statistics(daemon):
    """(longest turn since it was asked last, how far the disk is behind), in seconds."""
    before = daemon.log_text().count("statistics: ")
    daemon.signal(signal.SIGUSR1)
    await until("the statistics", lambda: daemon.log_text().count("statistics: ") > before)
    log = daemon.log_text()
    value, unit = LONGEST_TURN.findall(log)[-1]
    return float(value) * {"s": 1, "ms": 1e-3}.get(unit, 1e-6), float(BEHIND.findall(log)[-1])


async def hold_witness(daemon, witness, may_lack=lambda shown: False):
    """All that the witness was shown is served, but for what may lack: how much of each."""
    ledger = Ledger()
    ledger.add([witness])
    reader = await Program.enter(daemon.address, "reader")
    lacking = await ledger.hold_new(reader, may_lack)
    return len(ledger.shown), len(lacking)


@row("H04", "a full disk", ["image", "sqlite3"])
async def h04(setting):
    size = setting.pick(32, 256) * MIB
    seconds = setting.pick(4, WARNING_SECONDS + 3)
    with Image(setting.scratch, size) as image, \
            Kept(setting, image=image) as kept, kept.daemon() as daemon:
        await daemon.listening()
        witness = await Program.enter(daemon.address, "witness")
        async with Healthy(setting, daemon) as healthy:
            await healthy.before(setting.pick(1, 5))
            image.fill()
            witness.say_in("ops", "x" * 4000)
            await daemon.logged(REFUSES)
            await healthy.during(seconds)
            said = warnings(daemon.log_text())
            reader = await Program.enter(daemon.address, "asks")
            page = await reader.ask(do="history", room="lobby", limit=5)
            check(page["is"] == "page", f"nothing can be read: {page}")
            if setting.full:
                await overflow(daemon, witness)
            image.empty()
            await daemon.logged(TAKES_AGAIN, 60)
            words = await healthy.end()
        check(said == (2 if setting.full else 1), f"{said} warnings in {seconds} s")
        await witness.ask(do="ping")
        gaps = await until("the gaps", lambda: kept.ask(GAPS)) if setting.full else []

        def is_in_gap(shown):
            return any(shown.room == room and after < number_of(shown.id) < before
                       for room, after, before, _ in gaps)

        told = sum(count for *_, count in gaps)
        _, lacking = await hold_witness(daemon, witness, is_in_gap)
        check(lacking <= told, f"{lacking} are not there, and the gaps say {told}")
        daemon.signal(signal.SIGTERM)
        check(await daemon.ended() == 0, "it did not end well")
        # What it still had in memory is gone, too.
        with kept.daemon() as again:
            await again.listening()
            there, lacking = await hold_witness(again, witness, is_in_gap)
        check(told == lacking, f"{lacking} are not there, and the gaps say {told}")
        check(kept.ask("PRAGMA quick_check") == [("ok",)], "the database is not in order")
    return f"{there} messages there after {seconds} s without room, {lacking} that had no room told " \
           f"as missing, {said} warnings; {words}"


GAPS = "SELECT folded, after, before, count FROM gap JOIN room ON room.id = gap.room"


def number_of(identity):
    """As it lies in the database."""
    milliseconds, counter = order(identity)
    return milliseconds << 20 | counter


async def overflow(daemon, witness):
    """Says more than may wait for the disk."""
    for _ in range(90):
        for _ in range(250):
            witness.say_in("ops", "y" * 4000)
        await witness.ask(do="ping")
    await daemon.logged("there is no more room for what waits for the disk")


@row("H05", "a sync that fails", ["strace", "sqlite3"])
async def h05(setting):
    rounds = setting.pick(1, 10)
    with Kept(setting) as kept, kept.daemon() as daemon:
        await daemon.listening()
        witness = await Program.enter(daemon.address, "witness")
        writer = await until("the thread that writes", lambda: thread(daemon.pid, "history-write"))
        talking = asyncio.create_task(keep_talking(witness))
        await witness.ask(do="history", room="lobby", limit=500)
        again = 0
        for number in range(rounds):
            with Trace(setting, writer, "trace=fsync,fdatasync,open,openat,close",
                       "inject=fsync,fdatasync:error=EIO:when=1") as trace:
                await until("a sync that fails", lambda: any(
                    "INJECTED" in line for line in trace.lines))
                await until("it to work again",
                            lambda: daemon.log_text().count(TAKES_AGAIN) > number)
                await until("a good sync", lambda: synced_after(trace.lines), 5)
                again += hold_handles(trace.lines)
            # Who works on it as a person would, and ends, leaves the log where it is.
            log = kept.database.with_name("history.db-wal")
            before = log.stat().st_ino
            kept.ask("SELECT count(*) FROM message")
            check(log.exists() and log.stat().st_ino == before, "the log was taken away")
        talking.cancel()
        await witness.ask(do="ping")
        count, _ = await hold_witness(daemon, witness)
        check(warnings(daemon.log_text()) >= 1, "nothing was said of it")
    return f"{rounds} syncs failed: no handle of then was synced again, {again} later syncs were " \
           f"of new ones; {count} messages are there"


def thread(pid, name):
    """The id of a thread of this process, by what it is called."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    return None


async def keep_talking(witness, pause=0.02):
    number = 0
    while True:
        witness.say_in("lobby", f"line {number}")
        number += 1
        await asyncio.sleep(pause)


def after_failure(lines):
    """(call, descriptor, what it gave) of all calls since the one that failed."""
    place = next(n for n, line in enumerate(lines) if "INJECTED" in line)
    calls = (re.match(r"(\w+)\((?:AT_FDCWD|(\d+))?.*= (-?\d+)", line) for line in lines[place:])
    return [(call[1], int(call[2] or -1), int(call[3])) for call in calls if call]


def synced_after(lines):
    return any(call.endswith("sync") and gave == 0 for call, _, gave in after_failure(lines))


def hold_handles(lines):
    """No descriptor from before the failure is synced after it; gives how many syncs came later."""
    fresh, count = set(), 0
    for call, descriptor, gave in after_failure(lines):
        if call.startswith("open") and gave >= 0:
            fresh.add(gave)
        elif call == "close":
            fresh.discard(descriptor)
        elif gave == 0:
            check(descriptor in fresh, f"synced again on what failed: {lines}")
            count += 1
    return count


@row("H06", "the file system is frozen for 3 s", ["image", "fsfreeze"])
async def h06(setting):
    members, pause, rounds = setting.pick((60, 6, 1), (500, 20, 7))
    need_descriptors(members)
    with Image(setting.scratch, 64 * MIB) as image, \
            Kept(setting, image=image) as kept, kept.daemon() as daemon:
        await daemon.listening()
        witness = await Program.enter(daemon.address, "witness")

        figures = []

        async def freeze():
            await asyncio.to_thread(image.freeze)
            try:
                await asyncio.sleep(FROZEN_SECONDS)
                figures.append(await statistics(daemon))
            finally:
                image.thaw()  # or chatd could not even be killed

        turns = []
        async with Healthy(setting, daemon, members=members, pause=pause, quiet=CROWD_QUIET) as healthy:
            for _ in range(rounds):
                await asyncio.sleep(setting.pick(0, 1))  # the disk catches up
                await statistics(daemon)
                await healthy.before(setting.pick(2, 4))
                turns.append((await statistics(daemon))[0])
                await healthy.during(0, freeze)
                figures.append(await statistics(daemon))
            words = await healthy.end()
        before = max(turns)
        during, behind = (max(column) for column in zip(*figures))
        check(during < TURN_MAX, f"the longest turn took {during:.2f} s while the disk stood still")
        check(behind > FROZEN_SECONDS / 2, f"the disk was {behind:.1f} s behind: it did not stand still")
        await witness.ask(do="ping")
        count, _ = await hold_witness(daemon, witness)
    return f"frozen {rounds} times, the disk {behind:.1f} s behind, {count} messages are there, " \
           f"longest turn {before * 1000:.1f} ms " \
           f"before and {during * 1000:.1f} ms meanwhile; {words}"


@row("H07", "a file system that has become read-only", ["shim", "sqlite3"])
async def h07(setting):
    seconds = setting.pick(2, WARNING_SECONDS + 3)
    with Kept(setting, shim=preloaded(setting, "disk_faults")) as kept, kept.daemon() as daemon:
        await daemon.listening()
        witness = await Program.enter(daemon.address, "witness")
        async with Healthy(setting, daemon) as healthy:
            await healthy.before(1)
            await until("messages on the disk", kept.has)
            kept.control.set(write_error=errno.EROFS)
            await daemon.logged(REFUSES)
            reader = await Program.enter(daemon.address, "asks")
            page = await reader.ask(do="history", room="lobby", limit=5)
            check(page["is"] == "page" and page["messages"], f"nothing can be read: {page}")
            await healthy.during(seconds)
            said = warnings(daemon.log_text())
            kept.control.set(write_error=0)
            await daemon.logged(TAKES_AGAIN, 60)
            words = await healthy.end()
        check(said == (2 if setting.full else 1), f"{said} warnings in {seconds} s")
        await witness.ask(do="ping")
        count, _ = await hold_witness(daemon, witness)
    return f"{count} messages there after {seconds} s, {said} warnings, reads went on; {words}"


@row("H08", "a database that is damaged, before the start and while it serves", ["sqlite3"])
async def h08(setting):
    with Kept(setting) as kept:
        with kept.daemon() as daemon:
            await daemon.listening()
            witness = await Program.enter(daemon.address, "witness")
            await fill_pages(witness)
            daemon.signal(signal.SIGTERM)
            check(await daemon.ended() == 0, "it did not end well")
        with kept.database.open("r+b") as file:
            file.write(b"#" * 100)
        with kept.daemon() as daemon:
            await daemon.listening()
            await daemon.logged("is damaged")
            check(len(kept.broken()) == 1, f"put aside: {kept.broken()}")
            witness = await Program.enter(daemon.address, "witness")
            await fill_pages(witness)
            await until("messages on the disk", lambda: kept.has(least=300))
            kept.ask("PRAGMA wal_checkpoint(TRUNCATE)")
            with kept.database.open("r+b") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(4096)
                file.write(b"\xa5" * (size - 4096))
            await asyncio.wait_for(read_until_put_aside(kept, witness, 2), PATIENCE)
            after = await Program.enter(daemon.address, "after")
            after.say_in("lobby", "it goes on")
            await after.ask(do="ping")
            await until("it in the new one", lambda: kept.has("text='it goes on'"))
            log = daemon.log_text()
            await killed(daemon, [after])
        check(log.count("is damaged") == 2, log)
        with kept.daemon() as daemon:
            await daemon.listening()
            reader = await Program.enter(daemon.address, "reader")
            served = [text for _, text in await reader.pages("lobby")]
        check(served[-1:] == ["it goes on"], f"served {served[-3:]}")
    return "error 26 at the start and 11 while it served: both files are kept as `.broken-DATE`, " \
           "with a warning, and the chat went on"


async def read_until_put_aside(kept, witness, count):
    """Asks and talks until so many databases were put aside."""
    while len(kept.broken()) < count:
        witness.say_in("lobby", "is anybody there?")
        await witness.ask(do="history", room="lobby", limit=1000)
        await asyncio.sleep(0.1)


async def fill_pages(witness):
    for number in range(300):
        witness.say_in("lobby", f"{number} {'z' * 500}")
    await witness.ask(do="ping")


@row("H09", "what did ann say yesterday?", ["sqlite3", "faketime"])
async def h09(setting):
    question = next(line.strip() for line in OPERATING.read_text().splitlines()
                    if line.strip().startswith("sqlite3 history.db \"select"))
    answers = []
    with Kept(setting) as kept:
        for days in (2, 1, 0):
            with kept.daemon(LD_PRELOAD=faketime(), FAKETIME=f"-{days}d") as daemon:
                await daemon.listening()
                for name in ("ann", "ben"):
                    program = await Program.enter(daemon.address, name)
                    program.say_in("lobby", f"{name} {days} days ago")
                    await program.ask(do="ping")
                daemon.signal(signal.SIGTERM)
                await daemon.ended()
        with kept.daemon() as daemon:
            await daemon.listening()
            answers = ask_tool(question, kept)
    yesterday = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=1)
    check(len(answers) == 1, f"{question}: {answers}")
    at, room, text = answers[0]
    check(at.startswith(str(yesterday)) and (room, text) == ("lobby", "ann 1 days ago"), answers)
    return f"{'|'.join(answers[0])}"


def ask_tool(question, kept):
    """The question of the documentation, asked while chatd runs: the rows of the answer."""
    _, _, sql = shlex.split(question)
    return kept.ask(sql)
