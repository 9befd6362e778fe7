"""Runs the rows: chooses them, prints one line for each, and exits 1 when one has failed.

    tests/system/run                    quick: all rows, about four minutes
    tests/system/run --full             the numbers of the faults' table
    tests/system/run F01 F15            only these
"""

import argparse
import asyncio
import errno
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
import rows_tls  # noqa: F401
import rows_unharmed  # noqa: F401
import rows_units  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[2]
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


def main():
    chosen = options()
    wanted = {name.upper() for name in chosen.rows}
    unknown = wanted - {row.id.upper() for row in rows.ALL}
    if unknown:
        print(f"there is no row {', '.join(sorted(unknown))}; --list shows them", file=sys.stderr)
        return 2
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    setting = rows.Setting(binary=chosen.binary.absolute(), full=chosen.full)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for row in rows.ALL:
        if wanted and row.id.upper() not in wanted:
            continue
        if chosen.list:
            print(f"{row.id:9} {row.title}")
            continue
        begin = time.monotonic()
        outcome, words = run(row, setting)
        if outcome == "failed" and not chosen.full:
            # A quick run shares its machine with anything; what is wrong with chatd is so twice.
            print(f"{row.id:9} again    {row.title}: {words}", flush=True)
            outcome, words = run(row, setting)
        counts[outcome] += 1
        print(f"{row.id:9} {outcome:8} {row.title}: {words} [{time.monotonic() - begin:.1f} s]",
              flush=True)
    if not chosen.list:
        print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
