"""`Healthy`: members who talk and time what they hear, while a row does harm to the server. They are
a process of their own, so that the work of doing harm does not delay them. What they hear is held
against F83 to F87 of the faults' table (see conversation.py).

Run as a program, this is that process; `Healthy` is the row's end of it."""

import asyncio
import collections
import json
import os
import re
import statistics
import sys
import time

from chat import check, connect, until
from conversation import Conversation

WITNESSES = 4  # of the members compare what they hear, and time it; the others count
TIMER_SLACK = 0.001  # seconds: two figures of a shared machine differ by this much for no reason
QUIET = 0.001  # seconds: above it the machine is too busy for a figure to say anything
TIMED = re.compile(r"<healthy\d+> 0\.\d+ (\d+)$")


class Healthy:
    """So many members of the lobby, each saying a line every `pause` seconds."""

    def __init__(self, setting, daemon, members=10, pause=0.2, source="127.0.0.1", quiet=QUIET):
        """`quiet`: with a greater p99 before the harm the machine is too busy to say anything."""
        self._setting, self._daemon, self._quiet = setting, daemon, quiet
        self._words = [*daemon.address, members, pause, source]
        self._cores = sorted(os.sched_getaffinity(0))
        self._rounds = 0

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-B", __file__, *(str(word) for word in self._words),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        await self._read("ready")
        if self._setting.full and len(self._cores) >= 2:
            # Each has a core for itself, as far as there are so many: what is timed is then the
            # server. (Its loop, that is; other threads of it are left to the scheduler.)
            os.sched_setaffinity(self._daemon.pid, self._cores[:1])
            os.sched_setaffinity(self._process.pid, self._cores[1:2])
            os.sched_setaffinity(0, self._cores[2:] or self._cores[1:])
        return self

    async def __aexit__(self, *_):
        if self._setting.full:
            os.sched_setaffinity(0, self._cores)
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _read(self, word):
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        said = json.loads(line) if line else {"fault": "the healthy members have died"}
        check("fault" not in said, f"healthy members: {said.get('fault')}")
        return said[word]

    async def _tell(self, word):
        self._process.stdin.write(f"{word}\n".encode())
        await self._process.stdin.drain()
        return await self._read(word)

    async def before(self, seconds):
        """Times so long how things are without harm. Several rounds of this and of `during` say more
        than one: a figure is the median of theirs."""
        self._rounds += 1
        await self._tell(f"before {self._rounds}")
        await asyncio.sleep(seconds)

    async def during(self, seconds, harm=None):
        """Times while harm is done, over and over, for so long at least; gives how often."""
        await self._tell(f"during {self._rounds}")
        deadline, times = time.monotonic() + seconds, 0
        while harm and (times == 0 or time.monotonic() < deadline):
            await harm()
            times += 1
        await asyncio.sleep(max(0, deadline - time.monotonic()))
        await self._tell("after")
        return times

    async def end(self):
        """Everybody must have heard everything, and hardly later than without harm; that only a
        full run on a quiet machine holds against the table. Gives the words."""
        figures = await self._tell("end")
        before, during = ([phase["p99"] for name, phase in figures.items()
                           if name.startswith(kind)] for kind in ("before ", "during "))
        self.during_p99 = statistics.median(during)
        if self._setting.full and statistics.median(before) <= self._quiet:
            check(self.during_p99 <= 2 * statistics.median(before) + TIMER_SLACK,
                  f"p99 was {milliseconds(before)}, and {milliseconds(during)} during the fault")
        return f"{figures['lines']} lines to {self._words[2]} others in one order, p99 " \
               f"{milliseconds(before)} before and {milliseconds(during)} during"


def milliseconds(times):
    """The median, and between which they lie."""
    median, *ends = (1000 * time for time in (statistics.median(times), min(times), max(times)))
    return f"{median:.2f} ms" + (f" ({ends[0]:.2f} to {ends[1]:.2f})" if len(times) > 1 else "")


def share(times, part):
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


class Members:
    """The other end: the members themselves."""

    def __init__(self, address, count, pause, source):
        self._address, self._count, self._pause, self._source = address, count, pause, source
        self._conversation = Conversation("<healthy0> it begins")
        self._times = collections.defaultdict(list)
        self._phase = "start"
        self._heard = collections.Counter()
        self._said = 0

    async def join(self):
        self._members = []
        for number in range(self._count):
            member = await connect(self._address, source=self._source)
            await member.join(f"healthy{number}")
            self._members.append(member)
        for number, member in enumerate(self._members):
            member.say("/echo on")
            await member.pong()
            if number < WITNESSES:
                self._conversation.witness(member.name)
                member.listen(self._hear)
            else:
                member.listen(self._count_line)
        self._members[0].say("it begins")
        await until("the beginning", self._conversation.started)
        self._talking = [asyncio.create_task(self._talk(member, number))
                         for number, member in enumerate(self._members)]

    def _hear(self, member, line):
        self._conversation.heard(member.name, line)
        self._count_line(member, line)
        if timed := TIMED.match(line):
            self._times[self._phase].append((time.monotonic_ns() - int(timed[1])) / 1e9)

    def _count_line(self, member, line):
        check(not line.startswith("!"), f"{member.name} was told {line!r}")
        if line.startswith("<healthy") and "> 0." in line:
            self._heard[member.name] += 1

    async def _talk(self, member, place):
        # One after the other: lines said at once would wait for each other.
        await asyncio.sleep(self._pause * place / self._count)
        number = 0
        while True:
            member.say(f"0.{number} {time.monotonic_ns()}")
            number += 1
            self._said += 1
            await asyncio.sleep(self._pause)

    def enter(self, phase):
        self._phase = phase

    def look(self):
        for member in self._members:
            member.raise_fault()
            check(not member.closed, f"{member.name} was cut: {member.lost}")

    async def end(self):
        for task in self._talking:
            task.cancel()

        def all_is_heard():
            self.look()
            return all(self._heard[member.name] == self._said for member in self._members)

        await until("everybody to hear everything", all_is_heard)
        check(self._conversation.behind() == 0, "one witness has heard more than another")
        phases = {name: {"p50": share(times, 0.5), "p99": share(times, 0.99), "count": len(times)}
                  for name, times in self._times.items()}
        return {"lines": self._said, **phases}


async def serve():
    host, port, count, pause, source = sys.argv[1:]
    members = Members((host, int(port)), int(count), float(pause), source)
    try:
        await members.join()
        print(json.dumps({"ready": True}), flush=True)
        while word := (await asyncio.to_thread(sys.stdin.readline)).strip():
            members.look()
            members.enter(word)
            answer = await members.end() if word == "end" else True
            print(json.dumps({word: answer}), flush=True)
    except Exception as fault:
        print(json.dumps({"fault": f"{type(fault).__name__}: {fault}"}), flush=True)
    os._exit(0)  # a thread may still wait for a line


if __name__ == "__main__":
    asyncio.run(serve())
