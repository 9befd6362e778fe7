"""What a power cut could leave of a database, by the record of disk_faults.c: everything up to the
last sync of each file, and of what came later any choice, torn at 512 bytes. What was written before
a sync that failed is not written by a later one: Linux takes it for clean then.

    tests/system/power_cut.py FOLDER SEED

does a cut again whose row has failed, in the folder that it names, and says what is left."""

import contextlib
import pathlib
import random
import sqlite3
import struct
import sys
import tempfile

SECTOR = 512
WRITE, TRUNCATE, SYNC, SYNC_FAILED = range(4)
DATABASE, LOG = 1, 2
ENTRY = struct.Struct("=IIQQQ")  # `struct entry`
MANNERS = ("nothing", "everything", "the first", "any")


def entries(record):
    """(kind, file, offset, bytes, seconds) in their order; the last may not be whole."""
    place = 0
    while place + ENTRY.size <= len(record):
        kind, file, offset, length, at = ENTRY.unpack_from(record, place)
        place += ENTRY.size
        yield kind, file, offset, record[place:place + length], at / 1e9
        place += length


class Medium:
    """One file, as it lies on the disk: not what a process sees of it."""

    def __init__(self, content, chance, manner):
        self.content = bytearray(content)
        self.synced = b""  # at the cut: what is there whatever becomes of the rest
        self._chance, self._manner = chance, manner
        self._waiting = []  # since the last sync

    def change(self, kind, offset, written):
        if kind == SYNC:
            self._settle("everything")
        elif kind == SYNC_FAILED:
            self._settle(self._manner)
        else:
            self._waiting.append((kind, offset, written))

    def cut(self):
        """How many changes waited for a sync."""
        count = len(self._waiting)
        self.synced = bytes(self.content)
        self._settle(self._manner)
        return count

    def _settle(self, manner):
        whole = {"nothing": 0, "everything": len(self._waiting)}.get(
            manner, self._chance.randint(0, len(self._waiting)))
        for number, (kind, offset, written) in enumerate(self._waiting):
            if manner == "any" or (manner == "the first" and number == whole):
                self._apply_some(kind, offset, written)
            elif number < whole:
                self._apply(kind, offset, written)
        self._waiting.clear()

    def _apply(self, kind, offset, written):
        length = offset if kind == TRUNCATE else offset + len(written)
        self.content.extend(bytes(max(0, length - len(self.content))))
        if kind == TRUNCATE:
            del self.content[length:]
        else:
            self.content[offset:length] = written

    def _apply_some(self, kind, offset, written):
        """Each sector of it is there or not."""
        if kind == TRUNCATE:
            if self._chance.random() < 0.5:
                self._apply(kind, offset, written)
            return
        share, begin = self._chance.choice((0.1, 0.5, 0.9)), 0
        while begin < len(written):
            end = min(len(written), begin + SECTOR - (offset + begin) % SECTOR)
            if self._chance.random() < share:
                self._apply(kind, offset + begin, written[begin:end])
            begin = end


class PowerCut:
    """The files of a database, as a cut at the end of the record leaves them."""

    def __init__(self, database, seed):
        self.seed = seed
        self._chance = random.Random(seed)
        self.manner = self._chance.choice(MANNERS)
        self._paths = {DATABASE: database, LOG: database.with_name("history.db-wal")}
        self._before = {file: path.read_bytes() if path.exists() else b""
                        for file, path in self._paths.items()}
        self._media = {file: Medium(content, self._chance, self.manner)
                       for file, content in self._before.items()}
        self.syncs = []  # of the log, when
        self.changes = 0  # that waited for a sync

    def apply(self, record):
        """After the end of the process: the files become what the disk has of them."""
        self._record = record
        for kind, file, offset, written, at in entries(record):
            self._media[file].change(kind, offset, written)
            if kind == SYNC and file == LOG:
                self.syncs.append(at)
        for file, medium in self._media.items():
            self.changes += medium.cut()
            self._paths[file].write_bytes(medium.content)
        shared = self._paths[DATABASE].with_name("history.db-shm")
        shared.unlink(missing_ok=True)
        return self

    def synced_ids(self):
        """The messages that were there whatever came of what was not synced."""
        return ids_of({self._paths[file].name: medium.synced
                       for file, medium in self._media.items()})

    def ids(self):
        """Those that are there."""
        return ids_of({path.name: path.read_bytes() for path in self._paths.values()})

    def keep(self):
        """Puts what it was made of into a folder that stays: how it is done again."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="chatd-power-cut-"))
        for file, path in self._paths.items():
            (folder / path.name).write_bytes(self._before[file])
        (folder / "record").write_bytes(self._record)
        return f"tests/system/power_cut.py {folder} {self.seed}"


def ids_of(files):
    """The messages that a database of these files has; looked at in a copy."""
    with tempfile.TemporaryDirectory(prefix="chatd-cut-") as folder:
        for name, content in files.items():
            if content or not name.endswith("-wal"):
                pathlib.Path(folder, name).write_bytes(content)
        with contextlib.closing(sqlite3.connect(f"{folder}/history.db")) as database:
            tables = database.execute("SELECT 1 FROM sqlite_schema WHERE name='message'").fetchall()
            return {found for found, in database.execute("SELECT id FROM message")} if tables else set()


def main():
    folder, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="chatd-cut-") as copy:
        database = pathlib.Path(copy, "history.db")
        for name in ("history.db", "history.db-wal"):
            database.with_name(name).write_bytes((folder / name).read_bytes())
        cut = PowerCut(database, seed).apply((folder / "record").read_bytes())
        synced, left = cut.synced_ids(), cut.ids()
    print(f"{cut.manner} of {cut.changes} changes that waited; {len(synced)} messages were synced, "
          f"{len(left)} are there, {len(synced - left)} are gone: {sorted(synced - left)[:3]}")
    print("syncs of the log at", *(f"{at:.3f}" for at in cut.syncs[-20:]))


if __name__ == "__main__":
    main()
