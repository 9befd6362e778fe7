"""`World`: what all actors of the soak share: how they come in, whether it is their turn, what they
have counted, and the first failure among them. What they do is in actors.py, attackers.py and
strangers.py."""

import asyncio
import collections
import json
import pathlib
import socket
import sys
import time
import weakref

from chat import Member, check, connect, until
from conversation import Conversation
from doors import TEXT, JsonMember, TlsMember, WebSocketMember, frame, upgrade
from strangers import ask

PATIENCE = 300  # seconds: on a busy machine a wait of some is no fault of the server's
Member.patience = PATIENCE
DOORS = {"text": Member, "json": JsonMember, "websocket": WebSocketMember,
         "tls": TlsMember}
QUIET = pathlib.Path(__file__).resolve().with_name("quiet.py")


class World:
    """All actors of one soak, what they share, and the first failure among them."""

    def __init__(self, addresses, chance, pace):
        """`pace` divides every pause."""
        self.addresses = addresses
        self.address = addresses[0]
        self.chance = chance
        self._pace = pace
        self.hall = None
        self.chronicle = None  # a witness of the hall who keeps the ids of what was said
        self.calm = False  # attacks on memory rest
        self.done = collections.Counter()
        self.longest_lag = 0.0  # seconds for which the machine did not let us run
        self.quiet_figures = {}
        self._tasks = []
        self._connections = weakref.WeakSet()
        self._socks = weakref.WeakSet()
        self._names = 0

    async def start(self, witnesses, crowd):
        """Starts them: the witnesses first, each by its door, then so many of each actor."""
        witness, doors = witnesses
        self.hall = Conversation(f"* gong joined ({len(doors) + 1} here)")
        for number, door in enumerate(doors):
            self.hall.witness(f"witness{number}")
            self.add(witness(self, number, door, len(doors)))
            await self._until(lambda: self.done["witnesses"] > number)
        gong = await self.join("gong", "hall")
        await self._until(self.hall.started)
        self.add(keep(gong))
        self.add(self._hear_the_quiet())
        for actor, count in crowd:
            for number in range(count):
                self.add(actor(self, number))

    def add(self, actor):
        self._tasks.append(asyncio.create_task(actor))

    async def _until(self, ask_world):
        while not ask_world():
            await self.watch(0.01)

    async def watch(self, seconds):
        """Lets time pass; raises what an actor has raised."""
        begin = time.monotonic()
        ended, _ = await asyncio.wait(self._tasks, timeout=seconds,
                                      return_when=asyncio.FIRST_EXCEPTION)
        self.longest_lag = max(self.longest_lag, time.monotonic() - begin - seconds)
        for task in ended:
            task.result()
        check(not ended, "an actor ended")

    async def stop(self):
        for task in self._tasks:
            task.cancel()
        _, stuck = await asyncio.wait(self._tasks, timeout=60)
        for task in stuck:
            print(f"an actor does not end: {task}", flush=True)
        for member in list(self._connections):
            member.transport.abort()
        for sock in list(self._socks):
            sock.close()

    def figures(self):
        counts = ", ".join(f"{count} {word}" for word, count in sorted(self.done.items()))
        return f"{self.hall.lines} lines of {len(self.hall.senders)} senders checked; {counts}"

    async def _hear_the_quiet(self):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-B", str(QUIET), *map(str, self.address),
            stdout=asyncio.subprocess.PIPE)
        try:
            while line := await process.stdout.readline():
                self.quiet_figures = json.loads(line)
            check(False, "the quiet ones have ended")
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    # What actors ask for.

    async def pause(self, least, most):
        await asyncio.sleep(self.chance.uniform(least, most) / self._pace)

    async def turn_to_attack(self):
        """Waits while memory is to come to rest."""
        while self.calm:
            await asyncio.sleep(0.5)

    def new_name(self, kind):
        self._names += 1
        return f"{kind}-{self._names}"

    async def connect(self, **how):
        member = await connect(self.address, **how)
        self._connections.add(member)
        return member

    async def join(self, name, room, door="text", **how):
        """Joins; while the name's last owner is still leaving, tries again."""
        deadline = time.monotonic() + PATIENCE
        member = await self.connect(kind=DOORS[door], **how)
        while True:
            member.say(name)
            answer = await member.find(("* welcome", "! "))
            if answer.startswith("* welcome"):
                break
            check(answer.startswith("! name-in-use") and time.monotonic() < deadline, answer)
            self.done["names waited for"] += 1
            await asyncio.sleep(0.1)
        member.name = name
        if room:
            member.say(f"/join {room}")
            await member.find(f"* welcome to {room},")
        return member

    async def raw(self, name, room=None, door="text", receive_bytes=None):
        """A socket that has said who it is and where it wants to be, and has read nothing."""
        sock = socket.socket()
        self._socks.add(sock)
        sock.setblocking(False)
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, self.address)
        await loop.sock_sendall(sock, greeting(door, name, room))
        return sock

    async def sink(self, sock):
        """Reads from it without looking."""
        _, sink = await asyncio.get_running_loop().create_connection(Sink, sock=sock)
        self._connections.add(sink)
        return sink

    async def request(self, method, target, body="", source=None):
        return await ask(self.address, method, target, body, source)

    async def conversation(self, room, prefix, count):
        """So many members of a room, by all doors, who hear it all and are heard by `Conversation`."""
        told = Conversation(f"<{prefix}0> it begins")
        crowd = []
        for number in range(count):
            name = f"{prefix}{number}"
            told.witness(name)
            crowd.append(await self.join(name, room, door=list(DOORS)[number % len(DOORS)]))
            crowd[-1].say("/echo on")
            await crowd[-1].pong()

        def hear(member, line):
            told.heard(member.name, line)
            check(not line.startswith("!") or line.startswith("! slow-down"),
                  f"{member.name} was told {line!r}")

        for member in crowd:
            member.listen(hear)
        crowd[0].say("it begins")
        await until("all to hear the beginning", told.started, PATIENCE)
        return crowd, told

    async def heard(self, told, crowd, senders, last):
        """Waits until all of them have heard the last line of each sender, and so all before."""
        def all_is_heard():
            for member in crowd:
                member.raise_fault()
                check(not member.closed, f"{member.name} was cut: {member.lost}")
            return all(told.heard_of(sender) == last for sender in senders)

        await until(f"line {last} of {senders}", all_is_heard, PATIENCE, 0.1)


async def keep(member):
    """Stays, and reads what comes."""
    while await member.line(3600) is not None:
        pass
    check(False, f"{member.name} was cut: {member.lost}")


class Sink(asyncio.Protocol):
    """Reads without looking: counts lines, and the answers to `/ping done`; keeps the end."""

    PONG = b"= pong done\n"

    def __init__(self):
        self.lines = self.pongs = 0
        self.last = b""
        self.closed = False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.lines += data.count(b"\n")
        # So much of what came before that no pong is counted twice.
        self.pongs += (self.last[1 - len(self.PONG):] + data).count(self.PONG)
        self.last = (self.last + data[-100:])[-100:]

    def connection_lost(self, error):
        self.closed = True


def greeting(door, name, room):
    """What takes a name and enters a room, by this door."""
    if door == "text":
        return f"{name}\n{f'/join {room}' if room else ''}\n".encode()
    wish = json.dumps({"do": "enter", "name": name, "rooms": [room or "lobby"]}).encode()
    return wish + b"\n" if door == "json" else upgrade("localhost") + frame(TEXT, wish)
