"""What a row is: its id in the table of faults, what it needs of the machine, and a coroutine that
gives the figure, or raises `Fault`. The rows of a subject are in rows_SUBJECT.py.

What a row needs is found out by trying it (`needs.py`): a container may have a program and not
allow it anything."""

import dataclasses
import os
import pathlib
import subprocess

from chat import Daemon, Fault, check  # noqa: F401  (for the rows)

ALL = []


class Skip(Exception):
    """The row cannot be run here, for this reason."""


@dataclasses.dataclass
class Setting:
    """What a row is told."""

    binary: pathlib.Path
    full: bool
    scratch: pathlib.Path = None

    def pick(self, quick, full):
        return full if self.full else quick

    def most(self, seconds):
        """The time something may take: that of the table with --full. A quick run may share its
        machine with anything, so it has ten times that, and two seconds at least."""
        return seconds if self.full else max(2.0, 10 * seconds)

    def daemon(self, *flags, **how):
        return Daemon(self.binary, flags, **how)


@dataclasses.dataclass
class Row:
    id: str
    title: str
    needs: tuple
    full_only: bool
    run: object


def row(identity, title, needs=(), full_only=False):
    """Registers a coroutine as the row of this id. `needs` are those of `needs.lacks`."""

    def register(run):
        ALL.append(Row(identity, title, tuple(needs), full_only, run))
        return run

    return register


class Trace:
    """strace on a running process; what it saw is in `lines`."""

    def __init__(self, setting, pid, *expressions):
        self._file = setting.scratch / f"trace-{pid}"
        self._file.touch()
        self._process = subprocess.Popen(
            ["strace", "-p", str(pid), "-o", str(self._file),
             *(word for expression in expressions for word in ("-e", expression))],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        said = self._process.stderr.readline().decode()
        if "attached" not in said:
            self._process.kill()
            self._process.wait()
            raise Fault(f"strace: {said.strip()}")

    @property
    def lines(self):
        return self._file.read_text(errors="replace").splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._process.stderr.close()
