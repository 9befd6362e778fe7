"""The inhabitants of the soak: each actor is a coroutine that does one kind of thing to the server
over and over, until it is cancelled. Here are those of everyday life; attackers.py and strangers.py
hold others. world.py starts them.

In the room `hall` the witnesses listen, by every door, and whoever talks there numbers its lines, so
that `Conversation` can check them. In `noise` are the floods and those who do not read."""

import asyncio
import collections
import itertools
import time

from chat import Fault, check
from world import DOORS

WITNESS_DOORS = ["text", "text", "json", "json", "websocket", "websocket", "tls", "tls"]
LONG = "x" * 3900


def leave(world, member):
    """One of the ways to go."""
    way = world.chance.choice(["quit", "half-close", "close", "reset"])
    if way == "quit":
        member.say("/quit bye")
    elif way == "half-close":
        member.half_close()
    elif way == "reset":
        member.reset()
    else:
        member.close()
    world.done["leaves by " + way] += 1


async def witness(world, number, door, count):
    """Hears all of the hall, sends numbered lines and numbered private messages, pings."""
    name = f"witness{number}"
    private = itertools.count()
    expected = collections.Counter()

    def hear(member, line):
        world.hall.heard(name, line)
        if line.startswith("-"):
            sender, text = line[1:].split("- ", 1)
            check(int(text) == expected[sender], f"{name}: a private hole: {line!r}")
            expected[sender] += 1
            world.done["private messages"] += 1
        elif line.startswith("!"):
            raise Fault(f"{name} was told {line!r}")
        member.lines.append(line)

    me = await world.join(name, "hall", door=door)
    me.say("/echo on")
    await me.find("= ")
    if door == "json":
        world.chronicle = me
    me._on_line = hear
    while me.lines:
        hear(me, me.lines.popleft())
    world.done["witnesses"] += 1
    while not world.hall.started():
        me.lines.clear()
        await asyncio.sleep(0.02)
    mate = f"witness{(number + 1) % count}"
    for spoken in itertools.count():
        me.say(f"1.{spoken} said by a witness", f"/msg {mate} {next(private)}")
        await world.pause(0.3, 1.5)
        await me.pong()
        me.lines.clear()


async def talker(world, number):
    """Talks in the hall for a while, goes in any way, comes back under the same name."""
    for epoch in itertools.count():
        door, last = world.chance.choice(list(DOORS)), []
        me = await world.join(f"talker{number}", "hall", door=door)
        until = time.monotonic() + world.chance.uniform(2, 40)
        spoken = 0
        while time.monotonic() < until:
            me.say(f"{epoch}.{spoken} {'ä' * world.chance.randrange(100)}|")
            spoken += 1
            last = list(me.lines)[-3:] or last
            me.lines.clear()
            check(not me.closed, f"{me.name} ({door}) was cut: {me.lost} {last}")
            await world.pause(0.3, 1.2)
        leave(world, me)
        await world.pause(0, 3)


async def paster(world, number):
    """Pastes far more than its rate in one write, and waits until all of it is handled."""
    for epoch in itertools.count():
        me = await world.join(f"paster{number}", "hall")
        me.say(*(f"{epoch}.{spoken} pasted" for spoken in range(400)))
        await me.pong()
        leave(world, me)
        world.done["pastes"] += 1
        await world.pause(5, 20)


async def byte_by_byte(world, number):
    """Types, each byte a segment of its own."""
    me = await world.join(f"typist{number}", "hall")
    for spoken in itertools.count():
        for byte in f"0.{spoken} żółć\n".encode():
            me.send(bytes([byte]))
            await asyncio.sleep(0.02)
        me.lines.clear()
        check(not me.closed, "the typist was cut")
        await world.pause(0.5, 2)


async def wanderer(world, number):
    """Goes from room to room under changing names, and talks a little."""
    while True:
        door = world.chance.choice(list(DOORS))
        me = await world.join(world.new_name("wanderer"), None, door=door)
        for _ in range(world.chance.randrange(1, 20)):
            room = world.chance.choice(["hall", "lobby", f"room-{world.chance.randrange(20)}"])
            me.say(f"/join {room}", f"/nick {world.new_name('nomad')}", "/who", "/rooms")
            if room != "hall":
                me.say("hello, is anybody here?")
            await me.pong()
            world.done["moves"] += 1
            await world.pause(0.5, 4)
        leave(world, me)


async def flood(world, number):
    """Sends long lines as fast as it is read from, and reads what it is sent."""
    while True:
        me = await world.join(f"flood{number}", "noise")
        until = time.monotonic() + world.chance.uniform(20, 90)
        while time.monotonic() < until:
            me.say(*[LONG] * 10)
            await me.pong()
            world.done["long lines"] += 10
        leave(world, me)


async def stalled(world, number):
    """Joins where it is loud, reads nothing, and must be cut for it."""
    while True:
        await world.pause(0, 20)
        me = await world.join(world.new_name("stalled"), "noise", receive_bytes=4096)
        me.stall()
        patience = world.chance.choice([2, 30, 120])
        await asyncio.sleep(patience)
        if patience == 120:
            # It is cut by now; how much of what it was owed fits into the socket varies.
            me.transport.resume_reading()
            last = (await me.rest())[-1:]
            world.done["stalled readers cut" + ("" if last else " without a word")] += 1
        leave(world, me)


async def resetter(world, number):
    """Connects and resets: at once, in the middle of a name, in the middle of a room."""
    while True:
        depth = world.chance.randrange(4)
        me = await world.connect()
        if depth == 1:
            me.send(b"half a na")
        elif depth == 2:
            me.say(world.new_name("reset"), "hi", "half a")
        elif depth == 3:
            await me.join(world.new_name("reset"), "hall")
        me.reset()
        world.done["resets"] += 1
        await world.pause(0.5, 3)


async def half_closer(world, number):
    """Says all it has to say, ends its side, and must get every answer up to the end."""
    while True:
        door = world.chance.choice(["text", "json", "websocket"])
        me = await world.connect(kind=DOORS[door])
        me.say(world.new_name("pipe"), "/join pipes", "hi", "/ping last")
        me.half_close()
        lines = await me.rest()
        check(lines and "= pong last" in lines and me.lost is None, f"half-close: {lines[-3:]}")
        me.close()
        world.done["half-closes"] += 1
        await world.pause(0.5, 4)


async def silent(world, number):
    """Says nothing, or no name, and is cut for it: without a word if it never spoke."""
    while True:
        me = await world.connect()
        spoke = world.chance.random() < 0.5
        if spoke:
            me.say("/help")
        lines = await me.rest()
        told = any(line.startswith("! name-timeout") for line in lines)
        check(told == spoke, f"a silent one was told {lines}")
        me.close()
        world.done["silent ones cut"] += 1
        await world.pause(0, 5)


async def garbage(world, number):
    """Sends what is no chat."""
    kinds = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
             b"SSH-2.0-x\r\n", b"\r\n" * 500, b"\x00" * 3000 + b"\n", None]
    while True:
        me = await world.connect()
        for _ in range(world.chance.randrange(1, 4)):
            data = world.chance.choice(kinds)
            me.send(data or world.chance.randbytes(world.chance.randrange(1, 9000)))
            await world.pause(0, 0.3)
        # Some of it is a name. Whoever is in the middle of a line cannot quit, and would stay.
        me.send(b"\n")
        leave(world, me)
        world.done["pieces of garbage"] += 1
        await world.pause(0.2, 2)


async def long_liner(world, number):
    """Sends a line that is too long, is told so, and stays."""
    me = await world.join("longliner", "pipes")
    while True:
        me.say("y" * world.chance.randrange(4097, 50_000))
        await me.find("! line-too-long")
        await me.pong()
        world.done["too long lines"] += 1
        await world.pause(1, 5)


async def endless_line(world, number):
    """Sends one line that does not end, a little at a time."""
    me = await world.join("endless", "pipes")
    while True:
        me.send(b"z" * 10_000)
        me.lines.clear()
        check(not me.closed, "who sent an endless line was cut")
        await world.pause(0.1, 0.5)


async def asker(world, number):
    """Uses every command, the wrong ones too."""
    me = await world.join(f"asker{number}", None)
    commands = ["/help", "/who", "/who nowhere", "/rooms", "/nick root", "/msg nobody hi",
                "/echo on", "/echo off", "/echo", "/wrong", "//slash", "/join !", "", "/ping"]
    while True:
        me.say(world.chance.choice(commands))
        await me.pong()
        world.done["commands"] += 1
        await world.pause(0.2, 1)


EVERYDAY = [(talker, 8), (paster, 2), (byte_by_byte, 1), (wanderer, 5), (flood, 3), (stalled, 10),
            (resetter, 3), (half_closer, 2), (silent, 3), (garbage, 3), (long_liner, 1),
            (endless_line, 1), (asker, 2)]
