"""Rows about what was said and is kept: kills at any moment, kills at each call that changes a file,
power cuts. Whatever anybody was shown before must be served afterwards, in order, once; of a power
cut, what was synced (see history.py)."""

import asyncio
import errno
import math
import os
import random
import re
import signal
import statistics
import time

from chat import PATIENCE, Fault, check
from history import REFUSES, TAKES_AGAIN, Kept, Ledger, Program, killed, order, talkers
from power_cut import PowerCut
from rows import row
from rows_loop import preloaded

LOST_SECONDS = 1.0  # a power cut takes so much at most
BEHIND_SECONDS = 2.0  # and what waits meanwhile: the row itself leaves the writer little of a busy machine
# With errors much is moved from the log into the database, and little waits for the disk.
LONG_LINES = {"padding": 1500, "pause": 0.06}
BEFORE_LISTENING = 0.15  # share of the kills
TOLD = re.compile(rb"(?:True|False)\.talker\d+\.\d+ ")  # what they say, but for the first number


async def at_once(count, width, act):
    """Does it so many times, `width` at a time; gives the results."""
    numbers, results = iter(range(count)), []

    async def some():
        for number in numbers:
            results.append(await act(number))

    await asyncio.gather(*(some() for _ in range(min(width, count))))
    return results


@row("H01", "kills under load", ["sqlite3"])
async def h01(setting):
    chains, rounds, programs = setting.pick((2, 5, 3), (4, 250, 4))
    results = await at_once(
        chains, chains, lambda chain: kills(setting, chain, rounds, programs))
    shown, served = (sum(counts) for counts in zip(*results))
    return f"{chains * rounds} kills, {shown} messages shown before them and served after, in " \
           f"order, once, and {served - shown} more that nobody was shown"


async def kills(setting, chain, rounds, count):
    """So many kills of one history: how many messages were shown, and how many are served."""
    chance, ledger = random.Random(), Ledger()
    with Kept(setting) as kept:
        for number in range(rounds):
            if chance.random() < BEFORE_LISTENING:
                with kept.daemon() as daemon:
                    await asyncio.sleep(chance.uniform(0, 0.06))
                    await killed(daemon, [])
            with kept.daemon() as daemon:
                await daemon.listening()
                await ledger.hold_new(await Program.enter(daemon.address, "reader"))
                programs = await talkers(daemon, count, f"{chain}.{number}")
                await asyncio.sleep(chance.uniform(0.01, 0.4))
                await killed(daemon, programs)
            ledger.add(programs)
        with kept.daemon() as daemon:
            await daemon.listening()
            reader = await Program.enter(daemon.address, "reader")
            served = await ledger.hold_all(reader)
        check(not kept.broken(), f"put aside: {kept.broken()}")
        check(kept.ask("PRAGMA quick_check") == [("ok",)], "the database is not in order")
    return len(ledger.shown), served


@row("H02", "a kill at each call that changes a file of the history", ["shim", "sqlite3"])
async def h02(setting):
    shim, seconds = preloaded(setting, "disk_faults"), setting.pick(0.3, 1.3)
    with Kept(setting, shim=shim) as kept:
        await one_run(kept, Ledger(), 0, seconds)
        calls = kept.control["calls"]
    places = list(range(1, calls + 1))
    if not setting.full:
        places = sorted(random.sample(places, 16))
    runs = await at_once(len(places), setting.pick(4, 6), lambda number: killed_at(
        setting, shim, places[number], seconds))
    reached = sum(runs)
    check(reached >= len(places) // 2, f"only {reached} of {len(places)} places were reached")
    return f"killed at {reached} of {calls} writes, truncations and syncs, from the first start to " \
           f"the end, and at as many of the start that came after"


async def one_run(kept, ledger, number, seconds):
    """Starts it, talks, and ends it, unless it is killed meanwhile: whether it was."""
    with kept.daemon() as daemon:
        programs = []
        try:
            await daemon.listening()
            programs = [await Program.enter(daemon.address, f"talker{name}") for name in range(2)]
            await ledger.hold_new(programs[0])
            begin, said = time.monotonic(), 0
            while time.monotonic() < begin + seconds and daemon.process.poll() is None:
                # Not as fast as it can: most of the calls would be the journal's.
                programs[said % 2].say_in("lobby", f"{number}.{said}")
                said += 1
                await asyncio.sleep(0.05)
            daemon.signal(signal.SIGTERM)
        except (Fault, OSError):
            # Killed at that moment, and else a fault.
            if daemon.process.poll() is None:
                await asyncio.sleep(0.2)
            if daemon.process.poll() != -signal.SIGKILL:
                raise
        code = await daemon.ended()
        for program in programs:
            await asyncio.wait_for(program.ended.wait(), PATIENCE)
        check(code in (0, -signal.SIGKILL), f"exit {code}: {daemon.log_text()[-500:]}")
        ledger.add(programs)
        return code != 0


async def killed_at(setting, shim, place, seconds):
    """Killed there in the first run and in the second, which finds what the first has left; then all
    must be there. Whether the first was killed."""
    ledger = Ledger()
    with Kept(setting, shim=shim) as kept:
        kept.control.set(kill_at=place)
        was_killed = await one_run(kept, ledger, 0, seconds)
        kept.control.set(calls=0)
        await one_run(kept, ledger, 1, seconds)
        kept.control.clear()
        check(not await one_run(kept, ledger, 2, 0), "it was not to be killed")
        check(not kept.broken(), f"put aside: {kept.broken()}")
        check(kept.ask("PRAGMA quick_check") == [("ok",)], "the database is not in order")
    return was_killed


@row("H03", "power cuts", ["shim", "sqlite3"])
async def h03(setting):
    shim = preloaded(setting, "disk_faults")
    chains, cuts = setting.pick((3, 2), (60, 6))
    # With POWER_CUT_SEED the same choices are made again, if not at the same moments.
    seed = int(os.environ.get("POWER_CUT_SEED", random.randrange(1 << 32)))
    results = await at_once(chains, setting.pick(3, 4), lambda chain: cut_often(
        setting, shim, seed + chain * cuts, cuts, with_errors=chain % 3 == 2))
    shown, lost, seconds, changes = zip(*(cut for chain in results for cut in chain))
    late = sum(each > LOST_SECONDS for each in seconds)
    return f"{len(shown)} cuts (seeds {seed} to {seed + chains * cuts - 1}) that had a choice of " \
           f"{sum(changes)} changes: of {sum(shown)} messages {sum(lost)} lost, the last " \
           f"{statistics.median(seconds):.2f} s, {max(seconds):.2f} s at most, {late} times more " \
           f"than {LOST_SECONDS:.0f} s; no id twice, the database in order"


async def cut_often(setting, shim, seed, cuts, with_errors):
    """Cuts the power of one history so often: of each (shown, lost, seconds lost, changes)."""
    results, ledger, chance = [], Ledger(), random.Random(seed)
    with Kept(setting, shim=shim) as kept:
        for number in range(cuts):
            kept.control.clear()
            kept.record.unlink(missing_ok=True)
            cut = PowerCut(kept.database, seed + number)
            # With errors the machine goes on after a kill, once in a while.
            kills = [True, False] if with_errors and chance.random() < 0.4 else [False]
            for is_killed in kills:
                with kept.daemon(DISK_RECORD=str(kept.record)) as daemon:
                    await daemon.listening()
                    if is_killed != kills[0]:
                        await ledger.hold_new(await Program.enter(daemon.address, "reader"))
                    programs = await talkers(daemon, 2, f"{number}.{is_killed}",
                                             **(LONG_LINES if with_errors else {}))
                    if is_killed or with_errors and len(kills) == 1:
                        await refuse_a_sync(kept, daemon, chance, waits=not is_killed)
                    await asyncio.sleep(chance.uniform(0.05, setting.pick(1.2, 2.6)))
                    if chance.random() < 0.3:
                        await one_more(programs, f"{number}.{is_killed}", chance)
                    await killed(daemon, programs)
                    ended = time.monotonic()
                kept.control.clear()
                ledger.add(programs)
            journal = kept.lose_journal()
            cut.apply(kept.record.read_bytes())
            # What waits while the disk fails, the status says.
            most = math.inf if with_errors else LOST_SECONDS + BEHIND_SECONDS
            try:
                results.append(await after_cut(kept, ledger, cut, journal, ended, most))
            except Fault as fault:
                raise Fault(f"seed {cut.seed}, {cut.manner}: {fault}; again: {cut.keep()}") from None
    return results


async def one_more(programs, prefix, chance):
    """They come to rest, and one says one thing more: what is safe by then leaves the journal."""
    for program in programs:
        program.rest()
    await asyncio.sleep(chance.uniform(0.2, 1.6))
    programs[0].say_in("lobby", f"{prefix}.talker9.{chance.randrange(1 << 32)} ")
    await programs[0].ask(do="ping")


async def refuse_a_sync(kept, daemon, chance, waits):
    """One of the next syncs fails, and what was written before it is lost whatever comes later."""
    kept.control.set(sync_error=errno.EIO, syncs_to_go=chance.randint(0, 3))
    await daemon.logged(REFUSES)
    kept.control.set(sync_error=0)
    if waits:
        await daemon.logged(TAKES_AGAIN)


async def after_cut(kept, ledger, cut, journal, ended, most):
    """What is served after a cut is a beginning of what was shown, and lacks `most` seconds at most.
    All that was synced is there; and what is not was in the journal, from which nothing goes before
    it is synced."""
    order_of_it, [(newest,)] = kept.ask_copy(
        "PRAGMA quick_check", "SELECT coalesce(max(id), 0) FROM message")
    check(order_of_it == [("ok",)], f"the database is not in order: {order_of_it}")
    gone = cut.synced_ids() - cut.ids()
    check(not gone, f"{len(gone)} were synced and are gone, as {sorted(gone)[:3]}")
    in_journal = {told.split(b" ")[0].decode() for told in TOLD.findall(journal)}

    def may_lack(shown):
        milliseconds, number = order(shown.id)
        check((milliseconds << 20 | number) > newest, f"{shown.id} is gone from amid others")
        told = shown.text.split(" ")[0].split(".", 1)[1]
        check(told in in_journal, f"{shown.id} {told} was taken for synced: it left the journal")
        return True

    before = len(ledger.shown)
    with kept.daemon() as daemon:
        await daemon.listening()
        reader = await Program.enter(daemon.address, "reader")
        lacking = await ledger.hold_new(reader, may_lack)
        log = daemon.log_text()
    check("is damaged" not in log and not kept.broken(), log)
    seconds = max((ended - shown.at for shown in lacking), default=0)
    check(seconds <= most, f"{seconds:.2f} s were lost")
    return before, len(lacking), seconds if most < math.inf else 0, cut.changes
