"""`Conversation`: what several members of one room must have in common (F83, F84, F85, F87 of the
faults' table), checked line by line while they talk, in bounded memory.

Each witness is a member with `/echo on`, so all of them see every line of the room. From a common
starting line on, their views must be the same, byte for byte; the numbers of each sender must have
no hole; and the count in each join and leave must follow from the one before. A sender's lines are
`EPOCH.NUMBER anything`; it starts a new epoch, at number 0, each time it joins."""

import collections
import re

from chat import check

BEHIND_LINES_MAX = 200_000  # how far one witness may be ahead of the slowest
SPOKEN = re.compile(r"<([^>]+)> (\d+)\.(\d+)(?: |$)")
CAME = re.compile(r"\* (\S+) joined \((\d+) here\)")
WENT = re.compile(r"\* (\S+) left \((\d+) here\)")


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
        elif (came := CAME.match(line)) or WENT.match(line):
            here = int((came or WENT.match(line))[2])
            before = self._here
            step = 1 if came else -1
            check(before is None or here == before + step, f"{before} were here, then: {line!r}")
            self._here = here

    def behind(self):
        """Lines that some witness has read and another has not."""
        return max(len(view or ()) for view in self._views.values())

    def started(self):
        return all(view is not None for view in self._views.values())
