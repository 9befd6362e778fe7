"""What a row is: its id in the table of faults, what it needs of the machine, and a coroutine that
gives the figure, or raises `Fault`. The rows of a subject are in rows_SUBJECT.py."""

import dataclasses
import functools
import glob
import os
import pathlib
import shutil
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
    """Registers a coroutine as the row of this id. `needs` are keys of `lacks`."""

    def register(run):
        ALL.append(Row(identity, title, tuple(needs), full_only, run))
        return run

    return register


@functools.cache
def lacks(need):
    """Why there is not what a row needs; None when there is."""
    if need == "root":
        return None if os.geteuid() == 0 else "not root"
    if need == "strace":
        works = shutil.which("strace") and succeeds("strace", "-o", "/dev/null", "true")
        return None if works else "strace is missing or may not trace"
    if need == "namespaces":
        works = succeeds("unshare", "--net", "--mount", "--pid", "--fork", "true")
        return None if works else "may not make namespaces"
    if need == "faketime":
        return None if faketime() else "libfaketime is missing"
    return None if shutil.which(need) else f"{need} is missing"


def succeeds(*command):
    try:
        return subprocess.run(command, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def faketime():
    """The library that fakes the wall clock."""
    return next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)


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
