"""Attacks of the soak on fairness, on memory and on the last word, by the old doors and the new ones
alike: actors as those of actors.py, called with the world and their number among their kind. Each
tries to do harm to others, and each that reads checks that it was itself not harmed. The numbers follow from the default flags: a burst of 256 KB and 100 lines,
then 16 KB and 10 lines a second; 10 s until who reads nothing is cut; 1 MiB of outbox."""

import asyncio
import fcntl
import itertools
import json
import socket
import struct
import termios

from chat import check, linger_zero, until
from doors import TEXT, frame
from world import PATIENCE, keep

LONG = "x" * 3990  # with its number a line of nearly the longest kind
BURST_LINES = 98
SLEEP_SECONDS = 20
DOOR_NAMES = ["text", "json", "websocket"]
SERVED_LEAST = 0.5  # of what the most served of equal talkers gets


# Fairness.

async def pingers(world, _, count=24):
    """Pipeline pings in rooms of their own; all must be served alike."""
    crowd = []
    for number in range(count):
        sock = await world.raw(f"pinger{number}", f"pings-{number}")
        crowd.append(await world.sink(sock))
    for pinger in crowd:
        pinger.transport.write(b"/ping\n" * 30_000)
    while True:
        before = [pinger.lines for pinger in crowd]
        for _ in range(30):
            await asyncio.sleep(1)
            for number, pinger in enumerate(crowd):
                check(not pinger.closed, f"pinger{number} was cut: {pinger.last!r}")
                if pinger.transport.get_write_buffer_size() == 0:
                    pinger.transport.write(b"/ping\n" * 30_000)
        served = [pinger.lines - old for pinger, old in zip(crowd, before)]
        check(min(served) >= SERVED_LEAST * max(served), f"pingers were served {sorted(served)}")
        world.done["pings answered"] += sum(served)


async def hoppers(world, _, count=40, hops=10):
    """Hop between two rooms with full histories: few bytes in, 80 KB out for each hop."""
    for room in ("hop-left", "hop-right"):
        keeper = await world.join(f"keeper-{room}", room)
        keeper.say(*[LONG] * 20)
        world.add(keep(keeper))
    crowd = [await world.sink(await world.raw(f"hopper{number}")) for number in range(count)]
    for rounds in itertools.count(1):
        await world.pause(4, 10)
        for hopper in crowd:
            hopper.transport.write(b"/join hop-left\n/join hop-right\n" * (hops // 2)
                                   + b"/join lobby\n/ping done\n")
        for hopper in crowd:
            await until("a hopper's pong",
                        lambda: hopper.closed or hopper.pongs == rounds, 300, 0.1)
            check(not hopper.closed, f"a hopper was cut: {hopper.last!r}")
        world.done["hops"] += count * hops


async def bursters(world, number, count=8):
    """Members of one room, by all doors, send 98 lines of 4,000 bytes at once, all but one of them.
    Everybody reads without a pause, so nobody may be cut, and all must read the same."""
    crowd, told = await world.conversation(f"burst{number}", f"burst{number}-", count)
    for epoch in itertools.count():
        for member in crowd[1:]:
            member.say(*(f"{epoch}.{number} {LONG}" for number in range(BURST_LINES)))
        senders = [member.name for member in crowd[1:]]
        await world.heard(told, crowd, senders, (epoch, BURST_LINES - 1))
        world.done["lines of bursts"] += BURST_LINES * (count - 1)
        await world.pause(25, 45)


async def storm(world, _, count=400):
    """Connects to the second listener and resets at once, over and over."""
    address = world.addresses[1]
    while True:
        for _ in range(count):
            with socket.socket() as sock:
                sock.setblocking(False)
                sock.connect_ex(address)
                linger_zero(sock)
        world.done["connections of storms"] += count
        await world.pause(0.5, 3)


# Memory. These rest while the world is calm.

async def deaf_pairs(world, _, members=200):
    """Members in rooms of two send their whole burst and read nothing: they must be cut for it, and
    what they are owed must stay within the bound."""
    while True:
        await world.turn_to_attack()
        socks, lines, sending = [], [], []
        try:
            for number in range(members):
                door, room = DOOR_NAMES[number % 3], f"pair-{number // 2}"
                sock = await world.raw(world.new_name("deaf"), room, door, 4096)
                socks.append(sock)
                lines.append(line_of(door, room, LONG))
            sending = [asyncio.create_task(send_burst(*pair)) for pair in zip(socks, lines)]
            # Who is held back or cut does not get rid of all of it.
            await asyncio.sleep(25)
        finally:
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
            for sock in socks:
                sock.close()
        world.done["deaf members"] += members
        await world.pause(5, 15)


async def send_burst(sock, line):
    try:
        for _ in range(BURST_LINES // 7):
            await asyncio.get_running_loop().sock_sendall(sock, line * 7)
    except OSError:
        pass  # cut


async def archivists(world, _, rooms=140):
    """Fill the histories of many rooms with long lines, then with short ones."""
    while True:
        await world.turn_to_attack()
        crowd = []
        try:
            for number in range(rooms):
                sock = await world.raw(world.new_name("archivist"), f"archive-{number}")
                crowd.append(await world.sink(sock))
            for archivist in crowd:
                archivist.transport.write(f"{LONG}\n".encode() * 60 + b"x\n" * 150
                                          + b"/ping done\n")
                await asyncio.sleep(0.01)
            for archivist in crowd:
                await until("an archivist's pong", lambda: archivist.closed or archivist.pongs,
                            300, 0.1)
                check(not archivist.closed, f"an archivist was cut: {archivist.last!r}")
        finally:
            for archivist in crowd:
                archivist.transport.abort()
        world.done["histories filled"] += rooms
        await world.pause(10, 30)


async def hole_makers(world, _, pairs=30, small=20):
    """For each stopped reader: long lines until its socket is full, then short ones, each of which
    must not keep the memory of a long one."""
    while True:
        await world.turn_to_attack()
        talkers, readers = [], []
        try:
            for number in range(pairs):
                name = world.new_name("hole")
                readers.append(await world.raw(f"{name}-r", f"hole-{number}", receive_bytes=4096))
                talkers.append(await world.join(name, f"hole-{number}"))
            for talker in talkers:
                talker.say(*[LONG] * 60)
            for _ in range(small):
                await asyncio.sleep(0.4)
                for talker in talkers:
                    talker.say("y" * 60)
            for talker in talkers:
                await talker.pong()
        finally:
            for sock in readers:
                sock.close()
            for talker in talkers:
                talker.close()
        world.done["small lines behind long ones"] += pairs * small
        await world.pause(5, 15)


# The last word.

async def sleepers(world, number, lines=60):
    """Read nothing for 20 s while their room says 60 KB and then is quiet, as a laptop that sleeps.
    Then each reads every line, or which came first and then why it was cut."""
    ways = [("text", None), ("text", 4096), ("json", 4096), ("websocket", 4096)]
    while True:
        room = world.new_name("dormitory")
        talker = await world.join(world.new_name("lullaby"), room)
        beds = []
        for door, receive_bytes in ways:
            sleeper = await world.join(world.new_name("sleeper"), room, door=door,
                                       receive_bytes=receive_bytes)
            await sleeper.pong()
            sleeper.stall()
            beds.append(sleeper)
        talker.say(*(f"0.{line} {'z' * 1000}" for line in range(lines)))
        await asyncio.sleep(SLEEP_SECONDS)
        await talker.pong()
        for (door, _), sleeper in zip(ways, beds):
            sleeper.transport.resume_reading()
            await wake(world, sleeper, f"<{talker.name}> 0.", lines, door)
            sleeper.close()
        talker.close()
        await world.pause(1, 10)


async def wake(world, sleeper, start, lines, door):
    """It reads what it has slept through."""
    numbers, last = [], ""
    while len(numbers) < lines and (line := await sleeper.line()) is not None:
        last = line
        if line.startswith(start):
            numbers.append(int(line[len(start):].split()[0]))
    check(numbers == list(range(len(numbers))), f"a sleeper ({door}) has read {numbers}")
    await asyncio.sleep(1)  # for the end, if it is to come
    while sleeper.closed and (line := await sleeper.line()) is not None:
        last = line
    if sleeper.closed:
        check(last.startswith("! too-slow") and sleeper.lost is None,
              f"{sleeper.name} ({door}) has read {len(numbers)} lines, {last[:60]!r}, {sleeper.lost}")
        if door == "websocket":
            check(sleeper.close_code == 1008, f"{sleeper.name} was closed with {sleeper.close_code}")
        world.done["sleepers told that they were cut"] += 1
    else:
        check(len(numbers) == lines, f"{sleeper.name} ({door}) stays with {len(numbers)} lines")
        await sleeper.pong()
        world.done["sleepers who stay"] += 1


async def closers(world, number, lines=130):
    """Says 130 lines and closes: all that has arrived must be said to the listeners, whatever the
    rate. Who closes with something unread resets the connection, and then its own kernel throws away
    what it could not send yet, as where the machine's TCP memory is short. That is no loss of the server's,
    so the other side has all of it first."""
    room, name = f"closing{number}", f"closer{number}"
    crowd, told = await world.conversation(room, f"close-hear{number}-", 3)
    for epoch in itertools.count():
        me = await world.join(name, room, door=DOOR_NAMES[epoch % 3])
        await me.pong()
        me.say(*(f"{epoch}.{line} behind me the door falls shut" for line in range(lines)))
        await until("the other side to have it all", lambda: not unsent_bytes(me), PATIENCE)
        me.transport.close()
        await world.heard(told, crowd, [name], (epoch, lines - 1))
        world.done["closes behind 130 lines"] += 1
        await world.pause(15, 30)


def unsent_bytes(member):
    """What the other side's kernel does not have yet (SIOCOUTQ of tcp(7), and what waits before it)."""
    descriptor = member.transport.get_extra_info("socket").fileno()
    size = struct.calcsize("i")
    queued, = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(size)))
    return queued + member.transport.get_write_buffer_size()


def line_of(door, room, text):
    """What says this text."""
    wish = json.dumps({"do": "say", "room": room, "text": text}).encode()
    return {"text": f"{text}\n".encode(), "json": wish + b"\n",
            "websocket": frame(TEXT, wish)}[door]


ATTACKS = [(pingers, 1), (hoppers, 1), (bursters, 2), (storm, 1), (deaf_pairs, 1), (archivists, 1),
           (hole_makers, 1), (sleepers, 8), (closers, 3)]
