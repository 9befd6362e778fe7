"""What the rows about history (rows_history.py, rows_disk.py) start from: `Kept`, a folder with a
chatd on it that may be killed and started again; `Program`, a connection that speaks JSON and keeps
what it was shown; `Ledger`, what anybody was shown, held against what is served later. It knows the
outside of the server only: flags, lines, files and log."""

import asyncio
import collections
import contextlib
import itertools
import json
import mmap
import os
import pathlib
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

from chat import PATIENCE, PROMPT, Fault, Member, check, connect

MEMORY = pathlib.Path("/dev/shm")  # a tmpfs, for journals and images
ROOMS = ("lobby", "ops")
WINDOW = 16  # lines a talker has on their way
PAGE_MESSAGES = 1000
TAKES_AGAIN = "the disk takes what is said again"
REFUSES = "the disk does not take what is said"

ASK = """
import contextlib, json, sqlite3, sys
with contextlib.closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=rw", timeout=20, uri=True)) as it:
    print(json.dumps(it.execute(sys.argv[2]).fetchall()))
"""

Shown = collections.namedtuple("Shown", "room id text at")  # `at`: time.monotonic() of the reader


def order(identity):
    """Ids are not to be read; rows do, to see that none comes twice or too early."""
    return tuple(int(part) for part in identity.split("-"))


def rises(ids):
    return all(one < other for one, other in zip(ids, ids[1:]))


class Program(Member):
    """A connection that speaks JSON. What it was shown live is in `shown`, the oldest first."""

    def __init__(self, on_line=None):
        super().__init__(on_line)
        self.shown = []
        self.refused = []
        self.ended = asyncio.Event()
        self._answers = {}
        self._references = itertools.count()
        self._numbers = itertools.count()
        self._talks = None  # what all its lines begin with, while it talks

    @classmethod
    async def enter(cls, address, name):
        program = await connect(address, kind=cls)
        program.name = name
        program.tell(do="enter", name=name, rooms=list(ROOMS))
        await program.ask(do="ping")
        return program

    def tell(self, **wish):
        if not self.transport.is_closing():
            self.send(json.dumps(wish).encode() + b"\n")

    async def ask(self, **wish):
        """Gives the answer to this."""
        reference = str(next(self._references))
        answer = self._answers[reference] = asyncio.get_running_loop().create_future()
        self.tell(**wish, ref=reference)
        try:
            return await asyncio.wait_for(answer, PATIENCE)
        except asyncio.CancelledError:
            check(not self.ended.is_set(), f"{self.name} was closed before the answer to {wish}")
            raise

    def talk(self, prefix, padding=0, pause=0):
        """From now on it talks as fast as it hears itself, or `pause` seconds after that, and says
        nothing twice."""
        self._talks, self._padding = f"{prefix}.{self.name}", padding * "z"
        self._pause = pause
        for _ in range(WINDOW):
            self._say_next()

    def rest(self):
        """It says nothing more of itself."""
        self._talks = None

    def say_in(self, room, text):
        self.tell(do="say", room=room, text=text)

    def _say_next(self):
        if self._talks:
            number = next(self._numbers)
            words = f"{self._talks}.{number} {self._padding}"
            self.say_in(ROOMS[number % len(ROOMS)], words)

    def _arrive(self, line):
        if line == PROMPT:
            return  # who is slow to say what it speaks is greeted as a person
        event = json.loads(line)
        if answer := self._answers.pop(event.get("ref"), None):
            answer.cancelled() or answer.set_result(event)
        elif event["is"] == "said" and not event.get("past"):
            self.shown.append(Shown(event["room"], event["id"], event["text"], time.monotonic()))
            if self._talks and event["from"] == self.name:
                asyncio.get_running_loop().call_later(self._pause, self._say_next)
        elif event["is"] == "refused" and event["code"] != "shutting-down":
            self.refused.append(line)

    def connection_lost(self, error):
        super().connection_lost(error)
        self.ended.set()
        for answer in self._answers.values():
            answer.cancel()

    async def pages(self, room, after="0-0"):
        """All that is served of a room behind this id: (id, text), the oldest first."""
        served, more = [], True
        while more:
            page = await self.ask(do="history", room=room, after=after, limit=PAGE_MESSAGES)
            check(page["is"] == "page", f"asked for a page and told {page}")
            served += [(message["id"], message["text"]) for message in page["messages"]]
            more = page["more"]
            check(not more or served, f"a page with nothing, and there is more: {page}")
            after = served[-1][0] if served else after
        return served


class Ledger:
    """What anybody was shown of one history, in all its runs."""

    def __init__(self):
        self.shown = {}  # id: Shown
        self.served = {room: "0-0" for room in ROOMS}  # the last that was served of each
        self.last = (0, 0)  # the newest id of all runs before

    def add(self, programs):
        """A run is over: what they were shown in it."""
        newest = self.last
        for program in programs:
            check(not program.refused, f"{program.name} was told {program.refused[:3]}")
            for room in ROOMS:
                ids = [order(shown.id) for shown in program.shown if shown.room == room]
                check(rises(ids), f"{program.name} was shown ids out of order")
                check(not ids or ids[0] > self.last, f"{ids[:1]} was given, and {self.last} before")
                newest = max([newest, *ids[-1:]])
            for shown in program.shown:
                known = self.shown.setdefault(shown.id, shown)
                check(known[:3] == shown[:3], f"one id, two messages: {known}, {shown}")
        self.last = newest

    def hold(self, room, served, may_lack=lambda shown: False):
        """What is served of a room, behind what was before, must be what was shown; but for what may
        lack. Gives what does."""
        ids = [order(identity) for identity, _ in served]
        check(rises(ids), f"{room}: served out of order")
        texts = dict(served)
        check(len(set(texts.values())) == len(served), f"{room}: something is served twice")
        for identity, text in served:
            shown = self.shown.get(identity)
            check(shown is None or (shown.room, shown.text) == (room, text),
                  f"{room}: served {identity} {text}, and shown was {shown}")
        begin = order(self.served[room])
        lacking = [shown for shown in self.shown.values()
                   if shown.room == room and order(shown.id) > begin and shown.id not in texts]
        wrong = [shown for shown in lacking if not may_lack(shown)]
        check(not wrong, wrong and f"{room}: {len(wrong)} of {len(lacking)} were shown and are gone, "
                         f"as {wrong[0].id} {wrong[0].text[:50]}, shown at {wrong[0].at:.3f}; served "
                         f"to {served[-1:]}")
        for shown in lacking:
            del self.shown[shown.id]
        self.served[room] = served[-1][0] if served else self.served[room]
        return lacking

    async def hold_new(self, program, may_lack=lambda shown: False):
        """As `hold`, of all rooms, by what this program is served now."""
        lacking = []
        for room in ROOMS:
            served = await program.pages(room, self.served[room])
            lacking += self.hold(room, served, may_lack)
        return lacking

    async def hold_all(self, program):
        """As `hold_new`, from the very beginning: how many are served."""
        count = 0
        for room in ROOMS:
            self.served[room] = "0-0"
            served = await program.pages(room)
            self.hold(room, served)
            count += len(served)
        return count


class Control:
    """What the shim does with calls of the disk: `struct control` of disk_faults.c."""

    FIELDS = ("write_error", "sync_error", "syncs_to_go", "kill_at", "calls")

    def __init__(self, path):
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 0)

    def __getitem__(self, field):
        return struct.unpack_from("=I", self._page, 4 * self.FIELDS.index(field))[0]

    def set(self, **fields):
        for field, value in fields.items():
            struct.pack_into("=I", self._page, 4 * self.FIELDS.index(field), value)

    def clear(self):
        self.set(**dict.fromkeys(self.FIELDS, 0))


class Kept:
    """A folder for a history, another for its journal, and the chatd that is started on them."""

    FLAGS = ("--rate", "0", "--tls", "off", "--web", "off")

    def __init__(self, setting, image=None, shim=None):
        """`image` is a disk of its own for it (image.py), `shim` is disk_faults.c."""
        self._setting = setting
        self._around = image.enter_command if image else ()
        self._root = pathlib.Path(tempfile.mkdtemp(dir=setting.scratch, prefix="history-"))
        self.data = image.root / "data" if image else self._root / "data"
        self._data_inside = image.inside / "data" if image else self.data
        self.data.mkdir()
        memory = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else setting.scratch
        self._journal = pathlib.Path(tempfile.mkdtemp(dir=memory, prefix="chatd-journal-"))
        self.environment = {"XDG_RUNTIME_DIR": str(self._journal), "RUNTIME_DIRECTORY": "",
                            "STATE_DIRECTORY": ""}
        if shim:
            self.control = Control(self._root / "control")
            self.record = self._root / "record"
            self.environment |= {"LD_PRELOAD": shim, "DISK_CONTROL": str(self._root / "control")}

    @property
    def database(self):
        return self.data / "history.db"

    def daemon(self, *flags, **environment):
        """A chatd that has not said yet that it listens."""
        return self._setting.daemon("--data", str(self._data_inside), *self.FLAGS, *flags,
                                    environment=self.environment | environment,
                                    around=self._around)

    def lose_journal(self):
        """As the end of the machine does to a tmpfs: what was in it."""
        held = b""
        for file in self._journal.iterdir():
            held += file.read_bytes()
            file.unlink()
        return held

    def ask(self, sql):
        """The rows that `sqlite3` would give, whether chatd runs or not."""
        # Where the folder is mounted: SQLite follows what /proc has to where it is not.
        words = [*self._around, sys.executable, "-B", "-c", ASK,
                 str(self._data_inside / "history.db"), sql]
        done = subprocess.run(words, capture_output=True, text=True, timeout=2 * PATIENCE)
        check(done.returncode == 0, f"{sql}: {done.stderr[-300:]}")
        return [tuple(row) for row in json.loads(done.stdout)]

    def has(self, condition="TRUE", least=1):
        """Whether there are so many messages of this kind in the database, if it is there by now."""
        try:
            return self.ask(f"SELECT count(*) FROM message WHERE {condition}")[0][0] >= least
        except Fault:
            return False

    def ask_copy(self, *sqls):
        """As `ask`, of a copy: who closes a database last changes its files."""
        with tempfile.TemporaryDirectory(dir=self._root) as folder:
            for file in self.data.glob("history.db*"):
                shutil.copy(file, folder)
            with contextlib.closing(sqlite3.connect(f"{folder}/{self.database.name}")) as database:
                return [database.execute(sql).fetchall() for sql in sqls]

    def broken(self):
        """Databases that were put aside."""
        found = self.data.glob("history.db.broken-2*")
        return sorted(file for file in found if not file.name.endswith(("-wal", "-shm")))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self._journal, ignore_errors=True)


async def talkers(daemon, count, prefix, **manner):
    """So many who talk from now on."""
    programs = [await Program.enter(daemon.address, f"talker{number}") for number in range(count)]
    for program in programs:
        program.talk(prefix, **manner)
    return programs


async def killed(daemon, programs):
    """Kills it, and reads what is still on its way."""
    if daemon.process.poll() is None:
        daemon.signal(signal.SIGKILL)
    await daemon.ended()
    for program in programs:
        await asyncio.wait_for(program.ended.wait(), PATIENCE)
