"""`Conversation`: what several members of one room must have in common (F83, F84, F85, F87 of the
faults' table), checked line by line while they talk, in bounded memory.

Each witness is a member with `/echo on`, so all of them see every line of the room. From a common
starting line on, their views must be the same, byte for byte; the numbers of each sender must have
no hole; and the count in each join and leave, or in those that are gathered, must follow from the one
before. A sender's lines are
`EPOCH.NUMBER anything`; it starts a new epoch, at number 0, each time it joins."""

import asyncio
import collections
import random
import re
import time

from chat import check, join, news, until

BEHIND_LINES_MAX = 200_000  # how far one witness may be ahead of the slowest
SPOKEN = re.compile(r"<([^>]+)> (\d+)\.(\d+)(?: |$)")


class Conversation:
    """The views of some witnesses, held against each other."""

    def __init__(self, start):
        """`start` is the line of the room from which on the views are compared."""
        self._start = start
        self._views = {}
        self._spoken = {}  # sender: (epoch, number) heard last
        self._here = None
        self.lines = 0
        self.senders = set()

    def witness(self, name):
        self._views[name] = None  # not started yet

    def heard(self, name, line):
        """A witness has read this line."""
        if line[:1] not in ("<", "*"):
            return
        if self._views[name] is None:
            if line == self._start:
                self._views[name] = collections.deque()
            return
        self._views[name].append(line)
        check(len(self._views[name]) < BEHIND_LINES_MAX, f"{name} is far ahead of the others")
        self._compare()

    def _compare(self):
        views = list(self._views.values())
        while all(views):
            line = views[0].popleft()
            for name, view in list(self._views.items())[1:]:
                other = view.popleft()
                check(other == line, f"the views differ: {line!r} and, for {name}, {other!r}")
            self._follows(line)
            self.lines += 1

    def _follows(self, line):
        if spoken := SPOKEN.match(line):
            sender, epoch, number = spoken[1], int(spoken[2]), int(spoken[3])
            last = self._spoken.get(sender)
            next_ones = [(epoch, 0)] if last is None else [(last[0], last[1] + 1)]
            if last is not None and epoch > last[0]:
                next_ones.append((epoch, 0))
            check((epoch, number) in next_ones, f"a hole: {line[:60]!r} after {last} of {sender}")
            self._spoken[sender] = (epoch, number)
            self.senders.add(sender)
        elif told := news(line):
            joined, left, here = told
            before = self._here
            check(before is None or here == before + joined - left, f"{before}, then: {line!r}")
            self._here = here

    def heard_of(self, sender):
        """Epoch and number of what all have heard of it last; None before anything."""
        return self._spoken.get(sender)

    def behind(self):
        """Lines that some witness has read and another has not."""
        return max(len(view or ()) for view in self._views.values())

    def started(self):
        return all(view is not None for view in self._views.values())


async def talk(address, lines, members=5, longest=200, patience=120.0, pause=0.0):
    """So many members say so many lines each, all at once, every one hearing all of it; the
    texts are known, so each line is held against what was sent. Gives the lines heard in all."""
    conversation = Conversation("<ann> it begins")
    names = ["ann", *(f"member{number}" for number in range(1, members))]
    heard_all = asyncio.Event()
    heard = collections.Counter()

    def hear(member, line):
        conversation.heard(member.name, line)
        check(not line.startswith("!"), f"{member.name} was told {line!r}")
        if spoken := SPOKEN.match(line):
            wanted = text_of(spoken[1], int(spoken[3]), longest)
            check(line == f"<{spoken[1]}> {wanted}", f"{line!r} instead of {wanted!r}")
            heard[member.name] += 1
            if sum(heard.values()) == lines * members**2:
                heard_all.set()

    group = []
    for name in names:
        conversation.witness(name)
        member = await join(address, name)
        member.say("/echo on")
        await member.pong()
        group.append(member)
    for member in group:
        member.listen(hear)
    group[0].say("it begins")
    await until("all to hear the beginning", conversation.started)

    async def speak(member):
        for number in range(lines):
            member.say(text_of(member.name, number, longest))
            if pause or number % 50 == 49:
                await asyncio.sleep(pause)

    speaking = asyncio.gather(*(speak(member) for member in group))
    deadline = time.monotonic() + patience
    while not heard_all.is_set():
        for member in group:
            member.raise_fault()
        check(not any(member.closed for member in group), "a member was cut")
        check(time.monotonic() < deadline,
              f"heard {sum(heard.values())} of {lines * members**2} lines in {patience:.0f} s")
        await asyncio.sleep(0.02)
    await speaking
    check(conversation.behind() == 0 and conversation.lines == lines * members,
          f"{conversation.lines} common lines, one view ahead by {conversation.behind()}")
    for member in group:
        member.close()
    return sum(heard.values())


def text_of(name, number, longest):
    """What this sender says as its line of this number: always the same, of any length."""
    chance = random.Random(f"{name} {number}")
    letters = "".join(chance.choices("abcäß語🦀 .", k=chance.randrange(longest)))
    return f"0.{number} {letters}|"
