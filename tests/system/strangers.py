"""Attacks of the soak at the doors of the web: half heads, posts, the past, WebSockets that ping, stop
reading or break frames. Actors as those of actors.py; who does nothing wrong checks what it gets."""

import asyncio
import itertools
import json

from chat import check, until
from doors import BINARY, CLOSE, CONTINUATION, PING, TEXT, WebSocketMember, frame

HEAD_SECONDS_MAX = 60  # a head that does not end is answered after 10 s; this machine may be busy
ANSWER_SECONDS_MAX = 300
PAST_SECONDS_MAX = 60  # the disk has by then what memory has forgotten; this machine may be busy
MASS_POSTER = "127.0.0.3"  # its posts have a rate of their own


async def half_heads(world, number):
    """Sends a head of HTTP a byte at a time, and must be gone in time."""
    loop = asyncio.get_running_loop()
    while True:
        me = await world.connect()
        begin = loop.time()
        me.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Never-Ending: ")
        while not me.closed:
            check(loop.time() - begin < HEAD_SECONDS_MAX, "half a head was waited for")
            me.send(b"x")
            await asyncio.sleep(0.5)
        me.close()
        world.done["half heads"] += 1


async def poster(world, number):
    """Posts numbered lines into the hall; what was answered with 201 must be there."""
    next_line = 0
    while True:
        lines = world.chance.randrange(1, 4)
        body = "".join(f"0.{next_line + more} posted\n" for more in range(lines))
        status, answer = await world.request("POST", f"/rooms/hall?name=poster{number}", body)
        check(status in (201, 429), f"a post was answered {status} {answer[:80]!r}")
        if status == 201:
            check(answer.count(b'"done"') == lines, f"{lines} posts are answered {answer!r}")
            next_line += lines
        world.done[f"posts answered {status}"] += 1
        await world.pause(1, 4)


async def mass_poster(world, number):
    """Posts as much as one request may hold, without regard to the answer."""
    body = f"{'m' * 600}\n" * 100
    while True:
        for _ in range(5):
            target = f"/rooms/noise?name={world.new_name('mass')}"
            status, answer = await world.request("POST", target, body, MASS_POSTER)
            check(status in (201, 429), f"a mass post was answered {status} {answer[:80]!r}")
            world.done[f"mass posts answered {status}"] += 1
        await world.pause(5, 15)


async def chronicler(world, number):
    """Reads the past of the hall over HTTP again and again: it must be what a witness has heard."""
    witness = world.chronicle
    await until("something to be said", lambda: witness.ids, 300, 0.1)
    known = witness.ids[-1]
    loop = asyncio.get_running_loop()
    first_asked_at = None
    while True:
        await world.pause(1, 3)
        status, answer = await world.request("GET", f"/rooms/hall?since={known}&limit=1000")
        if status == 503:  # the disk does not have yet what memory has no place for any more
            first_asked_at = first_asked_at or loop.time()
            waited = loop.time() - first_asked_at
            check(waited < PAST_SECONDS_MAX, f"the past since {known} is not told for {waited:.0f} s")
            world.done["asked for the past too early"] += 1
            continue
        first_asked_at = None
        check(status == 200, f"the past was answered {status} {answer[:80]!r}")
        *said, caught_up = [json.loads(line) for line in answer.splitlines()]
        check(caught_up["is"] == "caught-up", f"the past ends {caught_up}")
        if not said:
            continue
        ids = [event["id"] for event in said]
        await until("a witness to hear the same", lambda: ids[-1] in witness.ids, 300, 0.1)
        heard = list(witness.ids)
        missed = caught_up["missed"]  # None: it is no longer known how many
        if known in heard and ids[0] in heard:
            begin = heard.index(ids[0] if missed is None else known)
            begin += 0 if missed is None else 1 + missed
            expected = heard[begin:begin + len(ids)]
            check(expected == ids, f"another past since {known}, missed {missed}: heard alone "
                  f"{sorted(set(expected) - set(ids))}, answered alone "
                  f"{sorted(set(ids) - set(expected))} of {expected} and {ids}")
            world.done["lines of the past"] += len(ids)
        known = ids[-1]


async def visitor(world, number):
    """Asks for the page and for what is not there."""
    targets = [("GET", "/", 200), ("GET", "/app.js", 200), ("GET", "/nothing", 404),
               ("GET", "/rooms/nowhere-at-all", 404), ("DELETE", "/", 405), ("GET", "/ws", 426)]
    while True:
        method, target, expected = world.chance.choice(targets)
        status, _ = await world.request(method, target)
        check(status == expected, f"{method} {target} was answered {status}")
        world.done["requests"] += 1
        await world.pause(0.5, 3)


async def frame_pinger(world, number):
    """Sends pings as frames in bursts; the newest must be answered."""
    me = await world.join(f"framepinger{number}", f"frame-pings-{number}", door="websocket")
    for burst in itertools.count():
        pings = [f"{burst}.{ping}".encode() for ping in range(50)]
        me.send(b"".join(frame(PING, ping) for ping in pings))
        await until("the newest pong", lambda: me.closed or pings[-1] in me.pongs, 300, 0.1)
        check(not me.closed, f"who pinged was cut: {me.lost} {me.close_code}")
        world.done["bursts of frames that ping"] += 1
        await world.pause(2, 10)


async def deaf_frames(world, number):
    """A WebSocket in a loud room stops reading, and reads its last words later: whole frames."""
    while True:
        me = await world.join(world.new_name("deafframes"), "noise", door="websocket",
                              receive_bytes=4096)
        me.stall()
        await asyncio.sleep(30)
        me.transport.resume_reading()
        last = (await me.rest())[-1:]
        if last and last[0].startswith("! too-slow"):
            check(me.close_code == 1008 and not me.is_mid_frame(),
                  f"a stalled WebSocket ends with {me.close_code}")
        word = "" if last else " without a word"
        world.done["stalled WebSockets cut" + word] += 1
        me.close()
        await world.pause(1, 10)


BROKEN = [  # what, and the codes with which it may be answered
    (frame(TEXT, b"{}", masked=False), {1002}),
    (frame(TEXT, b"{}", first=0xc0), {1002}),
    (frame(3, b"{}"), {1002}),
    (frame(CONTINUATION, b"{}"), {1002}),
    (frame(PING, b"p" * 126), {1002}),
    (frame(TEXT, b"", length=1 << 63), {1002}),
    (frame(TEXT, b'"\xff\xfe"'), {1007}),
    (frame(BINARY, b"binary"), {1003}),
    (frame(CLOSE, b"\x03"), {1002}),
    (frame(TEXT, b"{", first=0) + frame(TEXT, b"}"), {1002}),
]


async def frame_breaker(world, number):
    """Breaks frames, is told the code, and is closed; or is gone in the middle of one."""
    while True:
        door = "websocket"
        me = await (world.join(world.new_name("breaker"), "noise", door=door)
                    if world.chance.random() < 0.5 else world.connect(kind=WebSocketMember))
        if world.chance.random() < 0.3:
            me.send(frame(TEXT, b"half a fra", length=world.chance.choice([11, 1000, 1 << 40])))
            await world.pause(0, 1)
            me.reset()
            world.done["halves of frames"] += 1
        else:
            broken, codes = world.chance.choice(BROKEN)
            me.send(broken)
            await me.rest()
            check(me.close_code in codes, f"{broken[:20]!r} was closed with {me.close_code}, "
                                          f"{me.lost}")
            me.close()
            world.done["broken frames"] += 1
        await world.pause(0.5, 4)


async def ask(address, method, target, body="", source=None):
    """One request over HTTP: the status and the body of its answer, which must be whole."""
    local = (source, 0) if source else None
    reader, writer = await asyncio.open_connection(*address, local_addr=local)
    # Not wait_for: some versions of it lose a cancellation.
    alarm = asyncio.get_running_loop().call_later(ANSWER_SECONDS_MAX, writer.transport.abort)
    try:
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = await reader.read()
    finally:
        alarm.cancel()
        writer.transport.abort()
    head, _, content = answer.partition(b"\r\n\r\n")
    lengths = [int(field.split(b":")[1]) for field in head.split(b"\r\n")
               if field.lower().startswith(b"content-length:")]
    check(head.startswith(b"HTTP/1.1 ") and lengths == [len(content)],
          f"{method} {target} is answered {head[:200]!r} and {len(content)} bytes")
    return int(head.split()[1]), content


STRANGERS = [(half_heads, 10), (poster, 2), (mass_poster, 1), (chronicler, 1), (visitor, 2),
             (frame_pinger, 4), (deaf_frames, 4), (frame_breaker, 3)]
