"""Members who come by other doors than plain text and are used as if they did not: what a row tells
them to `say` becomes JSON lines, in WebSocket frames where it is to, and what they read becomes the
lines that plain text would have had (docs/protocol.md). So their views can be held against those of
others. It also holds what is needed to break frames. It knows no row and no actor."""

import base64
import collections
import json
import os
import struct

from chat import Member, check

IDS_KEPT = 5000
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
ENDINGS = {"lost": ": connection lost", "too-slow": ": too slow",
           "kicked": ": kicked by the operator", "stopped": ": server shutting down"}


class JsonMember(Member):
    """Speaks JSON lines; in one room at a time, as text is."""

    def __init__(self, on_line=None):
        super().__init__(on_line)
        self._room = "lobby"
        self._enters = False  # a name was asked for, and not refused
        self.ids = collections.deque(maxlen=IDS_KEPT)  # of what it heard said in its room

    def say(self, *lines):
        # One write, as of text: of many small ones some are not yet on their way at a close.
        events = [event for line in lines for event in self._wishes(line)]
        self.send(b"".join(map(self._packed, events)))

    def _packed(self, event):
        """The bytes on the wire."""
        return json.dumps(event).encode() + b"\n"

    def _wishes(self, line):
        """What this line of text is in JSON."""
        if not self._enters:
            self._enters = True
            return [{"do": "enter", "name": line}]
        word, _, rest = line.partition(" ")
        if word == "/join":
            left, self._room = self._room, rest
            return [{"do": "join", "room": rest}, {"do": "part", "room": left}]
        if word == "/msg":
            to, _, text = rest.partition(" ")
            return [{"do": "msg", "to": to, "text": text}]
        known = {"/ping": {"do": "ping", "ref": rest}, "/nick": {"do": "nick", "name": rest},
                 "/quit": {"do": "quit", "reason": rest}, "/who": {"do": "who", "room": self._room},
                 "/rooms": {"do": "rooms"}, "/echo": {"do": "ping", "ref": "echo"}}
        return [known.get(word) or {"do": "say", "room": self._room, "text": line}]

    def _arrive(self, line):
        event = json.loads(line)
        if event.get("code") == "name-in-use":
            self._enters = False
        if event["is"] == "said" and event["room"] == self._room:
            self.ids.append(event["id"])
        text = text_of(event)
        if text is not None:
            self._take(text)


def text_of(event):
    """The line of plain text for it; None where there is none."""
    kind, name, here = event["is"], event.get("name"), event.get("here")
    if kind == "said" and not event.get("past"):
        return f"<{event['from']}> {'/me ' if event.get('action') else ''}{event['text']}"
    if kind == "joined":
        return f"* {name} joined ({here} here)"
    if kind == "left":
        quoted = f': "{event["reason"]}"' if "reason" in event else ""
        return f"* {name} left ({here} here){ENDINGS.get(event['cause'], quoted)}"
    if kind == "churn":
        parts = [f"{event[word]} {word}" for word in ("joined", "left") if event[word]]
        return f"* {', '.join(parts)} ({here} here)"
    if kind == "renamed":
        return f"* {event['from']} is now {event['to']}"
    if kind == "topic":
        return f"* {event['by']} set the topic: \"{event['text']}\""
    if kind == "private":
        return f"-{event['from']}- {event['text']}"
    if kind == "entered":
        return f"* welcome to {event['room']}, ({here} here)"
    if kind == "refused":
        return f"! {event['code']} {event['text']}"
    if kind in ("pong", "who", "rooms", "page"):
        return f"= {kind} {event.get('ref', '')}"
    return None


class TlsMember(Member):
    """Plain text over TLS."""

    over_tls = True

    def half_close(self):
        # asyncio has no end of one side there; what it writes last is close_notify.
        self.transport.close()


class WebSocketMember(JsonMember):
    """The same, each line a frame. What is said before the upgrade is answered goes behind it."""

    def __init__(self, on_line=None):
        super().__init__(on_line)
        self._raw = bytearray()
        self._open = False
        self._ended = False  # our side
        self.close_code = None  # with which the server has closed
        self.pongs = collections.deque(maxlen=100)  # what came back of our own pings

    def connection_made(self, transport):
        super().connection_made(transport)
        host, port = transport.get_extra_info("peername")[:2]
        self.send(upgrade(f"{host}:{port}"))

    def _packed(self, event):
        return frame(TEXT, json.dumps(event).encode())

    def data_received(self, data):
        self._raw += data
        if not self._open and b"\r\n\r\n" in self._raw:
            self._open = True
            head, _, rest = bytes(self._raw).partition(b"\r\n\r\n")
            check(head.startswith(b"HTTP/1.1 101 "), f"a WebSocket was told {head[:60]}")
            self._raw[:] = rest
        while self._open and (whole := first_frame(self._raw)):
            kind, payload, size = whole
            del self._raw[:size]
            self._hear_frame(kind, payload)
        self._news.set()

    def half_close(self):
        self._ended = True
        super().half_close()

    def _answer(self, kind, payload):
        if not self._ended and not self.closed:
            self.send(frame(kind, payload))

    def is_mid_frame(self):
        """Whether the server owes the rest of a frame."""
        return bool(self._raw)

    def _hear_frame(self, kind, payload):
        if kind == TEXT:
            self._arrive(payload.decode())
        elif kind == PING:
            self._answer(PONG, payload)
        elif kind == PONG:
            self.pongs.append(payload)
        elif kind == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big") if payload else None
            self._answer(CLOSE, payload[:2])


def upgrade(host):
    """The request for a WebSocket (RFC 6455, 4.1)."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (f"GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n").encode()


def frame(kind, payload, first=0x80, masked=True, length=None):
    """A frame as a client sends it (RFC 6455, 5.2). `first` are the flags, `length` one that lies."""
    size = len(payload) if length is None else length
    mask = 0x80 if masked else 0
    if size < 126:
        head = bytes([first | kind, mask | size])
    elif size < 1 << 16:
        head = bytes([first | kind, mask | 126]) + struct.pack(">H", size)
    else:
        head = bytes([first | kind, mask | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    stream = (key * (len(payload) // 4 + 1))[:len(payload)]
    blended = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return head + key + blended.to_bytes(len(payload), "big")


def first_frame(raw):
    """Kind, payload and size of the first frame of the server's bytes, if it is whole. The server
    masks nothing and sends each line in one frame, which is checked."""
    if len(raw) < 2:
        return None
    length, begin = raw[1], 2
    if length in (126, 127):
        begin = 4 if length == 126 else 10
        if len(raw) < begin:
            return None
        length = int.from_bytes(raw[2:begin], "big")
    check(raw[0] & 0xf0 == 0x80 and raw[1] < 0x80, f"a frame begins {bytes(raw[:2])}")
    if len(raw) < begin + length:
        return None
    return raw[0] & 0x0f, bytes(raw[begin:begin + length]), begin + length
