"""Runs the rows: chooses them, prints one line for each, and exits 1 when one has failed.

    tests/system/run                    quick: all rows, three at a time, about a minute and a half
    tests/system/run --full             the numbers of the faults' table, one row after the other
    tests/system/run F01 F15            only these
"""

import argparse
import asyncio
import concurrent.futures
import contextlib
import errno
import itertools
import multiprocessing
import pathlib
import resource
import sys
import tempfile
import time
import traceback

import needs
import rows
import rows_accept  # noqa: F401  (each of these puts its rows into rows.ALL)
import rows_disk  # noqa: F401
import rows_history  # noqa: F401
import rows_life  # noqa: F401
import rows_loop  # noqa: F401
import rows_memory  # noqa: F401
import rows_network  # noqa: F401
import rows_packages  # noqa: F401
import rows_tls  # noqa: F401
import rows_unharmed  # noqa: F401
import rows_units  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Most rows wait for most of their time: for a peer to be given up, a watchdog, a service manager. With
# --full they stand alone, as there they are held to the times of the table.
QUICK_AT_ONCE = 3
# What a machine says that forbids what a row does, or has too little; chatd cannot cause them here.
FORBIDDEN = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EADDRNOTAVAIL,
             errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


def options():
    parser = argparse.ArgumentParser(
        prog="tests/system/run", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="ids of rows; all of them without any")
    parser.add_argument("--full", action="store_true", help="full numbers; takes half an hour")
    parser.add_argument("--list", action="store_true", help="lists the rows and ends")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/chatd",
                        help="another chatd than that of this build")
    return parser.parse_args()


def run(row, setting):
    """Runs one row; gives `passed`, `failed` or `skipped`, and the words to it."""
    if row.full_only and not setting.full:
        return "skipped", "only with --full"
    lacking = [reason for need in row.needs if (reason := needs.lacks(need))]
    if lacking:
        return "skipped", ", ".join(lacking)
    try:
        with tempfile.TemporaryDirectory(prefix="chatd-system-") as scratch:
            setting.scratch = pathlib.Path(scratch)
            return "passed", asyncio.run(row.run(setting))
    except rows.Skip as skip:
        return "skipped", str(skip)
    except rows.Fault as fault:
        return "failed", str(fault)
    except OSError as error:
        if error.errno in FORBIDDEN:
            return "skipped", f"this machine cannot: {error}"
        return "failed", traceback.format_exc()
    except Exception:
        return "failed", traceback.format_exc()


def run_twice(number, setting):
    """Runs the row of this number in `rows.ALL`; gives its outcome, and its lines for the terminal."""
    row = rows.ALL[number]
    begin = time.monotonic()
    lines = []
    outcome, words = run(row, setting)
    if outcome == "failed" and not setting.full:
        # A quick run shares its machine with anything; what is wrong with chatd is so twice.
        lines.append(f"{row.id:9} again    {row.title}: {words}")
        outcome, words = run(row, setting)
    lines.append(f"{row.id:9} {outcome:8} {row.title}: {words} [{time.monotonic() - begin:.1f} s]")
    return outcome, lines


@contextlib.contextmanager
def runner(full):
    """What maps a function over rows: in this process one by one, or in several, in the rows' order."""
    if full:
        yield map
        return
    fork = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(QUICK_AT_ONCE, mp_context=fork) as pool:
        yield pool.map


def main():
    chosen = options()
    wanted = {name.upper() for name in chosen.rows}
    unknown = wanted - {row.id.upper() for row in rows.ALL}
    if unknown:
        print(f"there is no row {', '.join(sorted(unknown))}; --list shows them", file=sys.stderr)
        return 2
    numbers = [number for number, row in enumerate(rows.ALL)
               if not wanted or row.id.upper() in wanted]
    if chosen.list:
        for number in numbers:
            print(f"{rows.ALL[number].id:9} {rows.ALL[number].title}")
        return 0
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    setting = rows.Setting(binary=chosen.binary.absolute(), full=chosen.full)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with runner(chosen.full) as each:
        for outcome, lines in each(run_twice, numbers, itertools.repeat(setting)):
            counts[outcome] += 1
            print(*lines, sep="\n", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
