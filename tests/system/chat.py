"""What every row and the soak start from: a running chatd (`Daemon`) and connections to it
(`Member`), in one asyncio loop. It knows the outside of the server only: flags, log, signals,
bytes, and what /proc says of the process. It holds no expectation of a single row."""

import asyncio
import collections
import contextlib
import errno
import functools
import os
import pathlib
import re
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time

from namespace import inside

PROMPT = "* chatd: type your name and press Enter"
GATHERED = re.compile(r"\* (?:(\d+) joined)?(?:, )?(?:(\d+) left)? \((\d+) here\)$")
CAME = re.compile(r"\* (\S+) joined \((\d+) here\)$")
WENT = re.compile(r"\* (\S+) left \((\d+) here\)(?:: .*)?$")
LISTENS = re.compile(r"listening on (\S+):(\d+)")
PATIENCE = 20.0  # seconds a single wait may take; no statement on speed
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Fault(Exception):
    """The server did not do what the row wants."""


def check(holds, said):
    """Fails the row with these words unless it holds."""
    if not holds:
        raise Fault(said)


def news(line):
    """How many came, how many went, how many are here, if a line tells that, one by one or gathered;
    else None. No member of a row is called by a number."""
    if gathered := GATHERED.match(line):
        return tuple(int(count or 0) for count in gathered.groups())
    if came := CAME.match(line):
        return 1, 0, int(came[2])
    if went := WENT.match(line):
        return 0, 1, int(went[2])
    return None


async def until(what, ask, patience=PATIENCE, pause=0.01):
    """Asks again and again until the answer is true, and gives it."""
    deadline = time.monotonic() + patience
    while True:
        answer = ask()
        if answer:
            return answer
        check(time.monotonic() < deadline, f"waited {patience:.0f} s for {what}")
        await asyncio.sleep(pause)


class Daemon:
    """A chatd on a port of its own, its log in a file that goes with it."""

    def __init__(self, binary, flags=(), around=(), environment=None, inherit=()):
        """`around` is a command that runs the rest of its line, such as `prlimit --nofile=100`.
        `inherit` are descriptors for a wrapper that hands them on."""
        self._log = tempfile.TemporaryFile()
        flags = list(flags)
        if "--listen" not in flags:
            flags += ["--listen", "127.0.0.1:0"]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("CHATD_")}
        self.process = subprocess.Popen(
            [*around, str(binary), *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            env={**clean, **(environment or {})},
            pass_fds=inherit,
        )
        self.address = None

    async def listening(self, count=1):
        """Waits until it listens, at so many addresses."""
        await self.logged("listening on ")
        found = await until("all addresses", lambda: (
            listed if len(listed := LISTENS.findall(self.log_text())) >= count else None))
        self.addresses = [(host.strip("[]"), int(port)) for host, port in found]
        self.address = self.addresses[0]
        return self

    @property
    def pid(self):
        return self.process.pid

    def log_text(self):
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    async def logged(self, part, patience=PATIENCE):
        """The first line of the log that holds this."""

        def find():
            check(self.process.poll() is None or part in self.log_text(),
                  f"chatd ended instead of saying `{part}`: {self.log_text()[-500:]}")
            return next((l for l in self.log_text().split("\n")[:-1] if part in l), None)

        return await until(f"`{part}` in the log", find, patience)

    def signal(self, number):
        self.process.send_signal(number)

    async def ended(self, patience=PATIENCE):
        """Waits for its end and gives its exit code."""
        await until("the end of chatd", lambda: self.process.poll() is not None, patience)
        return self.process.returncode

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory(self):
        """Bytes of resident memory."""
        return memory_of(self.pid)

    def memory_peak(self):
        """The most bytes of resident memory so far."""
        return _kibibytes(self.pid, "VmHWM:") << 10

    def memory_own(self):
        """Bytes of memory that are no file's."""
        return _kibibytes(self.pid, "RssAnon:") << 10

    def processor(self):
        """Seconds of processor time so far."""
        return processor_of(self.pid)

    def waited(self):
        """Seconds for which it could have run and others had the processors (schedstat)."""
        return int(pathlib.Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self._log.close()


def memory_of(pid):
    pages = pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * PAGE_BYTES


def _kibibytes(pid, field):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise OSError(errno.ENOSYS, f"this kernel does not tell {field}")


def processor_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


class Member(asyncio.Protocol):
    """One connection. Lines wait in `lines` until they are asked for, or go to `on_line`."""

    over_tls = False
    patience = PATIENCE  # seconds a read waits when it is not told otherwise

    def __init__(self, on_line=None):
        self.lines = collections.deque()
        self.closed = False  # nothing more will come
        self.lost = None  # the error it ended with, if one
        self.name = None
        self._on_line = on_line
        self._fault = None  # what `on_line` did not like
        self._partial = b""
        self._news = asyncio.Event()

    # What asyncio calls.

    def connection_made(self, transport):
        self.transport = transport
        self.socket = transport.get_extra_info("socket")

    def data_received(self, data):
        *whole, self._partial = (self._partial + data).split(b"\n")
        for line in whole:
            self._arrive(line.decode())
        self._news.set()

    def _arrive(self, line):
        """What a line on the wire is to the row; other doors know better (doors.py)."""
        self._take(line)

    def _take(self, line):
        if not self._on_line:
            self.lines.append(line)
        elif not self._fault:
            try:
                self._on_line(self, line)
            except Fault as fault:
                self._fault = fault

    def eof_received(self):
        self.closed = True
        self._news.set()

    def connection_lost(self, error):
        self.closed = True
        self.lost = error
        self._news.set()

    def listen(self, on_line):
        """From now on each line goes there, those that have come already too."""
        self._on_line = on_line
        while self.lines:
            self._take(self.lines.popleft())

    def raise_fault(self):
        """Raises what `on_line` has raised: asyncio would only have logged it."""
        if self._fault:
            raise self._fault

    # Sending.

    def send(self, data):
        self.transport.write(data)

    def say(self, *lines):
        self.send("".join(f"{line}\n" for line in lines).encode())

    def half_close(self):
        self.transport.write_eof()

    def close(self):
        self.transport.abort()

    def reset(self):
        """Ends as a crash does."""
        if not self.transport.is_closing():
            linger_zero(self.socket)
        self.transport.abort()

    def stall(self):
        """Reads no more."""
        self.transport.pause_reading()

    # Reading.

    async def line(self, patience=None):
        """The next line; None at the end of the connection."""
        deadline = self._deadline(patience)
        while not self.lines:
            self.raise_fault()
            if self.closed:
                return None
            self._news.clear()
            left = deadline - time.monotonic()
            check(left > 0, f"{self.name or 'a connection'} has waited too long for a line")
            # Not wait_for: some versions of it lose a cancellation.
            alarm = asyncio.get_running_loop().call_later(left, self._news.set)
            try:
                await self._news.wait()
            finally:
                alarm.cancel()
        return self.lines.popleft()

    def _deadline(self, patience):
        return time.monotonic() + (self.patience if patience is None else patience)

    async def find(self, start, patience=None):
        """Reads on to the first line that starts like this, and gives it."""
        passed = collections.deque(maxlen=5)
        deadline = self._deadline(patience)
        while True:
            line = await self.line(deadline - time.monotonic())
            if line is not None and line.startswith(start):
                return line
            check(line is not None, f"{self.name or 'a connection'} was closed before "
                                    f"`{start}`: {self.lost} {list(passed)}")
            passed.append(line)

    async def rest(self, patience=None):
        """All lines up to the end of the connection."""
        lines = []
        while (line := await self.line(patience)) is not None:
            lines.append(line)
        return lines

    async def pong(self, patience=None):
        """Whatever was handled before is here when this returns; gives the lines before it."""
        token = f"{time.monotonic_ns()}"
        self.say(f"/ping {token}")
        before = []
        deadline = self._deadline(patience)
        while (line := await self.line(deadline - time.monotonic())) != f"= pong {token}":
            check(line is not None, f"{self.name} was closed: {self.lost} {before[-3:]}")
            before.append(line)
        return before

    async def pong_heard(self):
        """As `pong`, of a member that has `listen`ed: everything has gone there."""
        token, on_line = f"{time.monotonic_ns()}", self._on_line
        done = asyncio.Event()

        def hear(member, line):
            done.set() if line == f"= pong {token}" else on_line(member, line)

        self._on_line = hear
        self.say(f"/ping {token}")
        await asyncio.wait_for(done.wait(), self.patience)
        self._on_line = on_line
        self.raise_fault()

    def sip(self):
        """One byte of a member that is stalled."""
        # asyncio hands out its sockets for looking only.
        with socket.socket(fileno=os.dup(self.socket.fileno())) as sock:
            return sock.recv(1)

    async def join(self, name, room=None):
        """Takes a name, and a room if one is given, and reads the answers."""
        self.name = name
        self.say(name)
        await self.find("* welcome to lobby,")
        if room:
            self.say(f"/join {room}")
            await self.find(f"* welcome to {room},")
        return self


def linger_zero(sock):
    """What closes this socket now is a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@functools.cache
def trusting():
    """TLS with whoever is there: a row knows whom it has started."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def connect(address, source=None, receive_bytes=None, on_line=None, network=None,
                  kind=Member):
    """A connection that has said nothing yet; from the network of that process, if one is given.
    `kind` is the door that it comes by."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with inside(network) if network else contextlib.nullcontext():
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        if source:
            sock.bind((source, 0))
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, address)
        tls = {"ssl": trusting(), "server_hostname": "localhost"} if kind.over_tls else {}
        _, member = await loop.create_connection(lambda: kind(on_line), sock=sock, **tls)
        return member
    except BaseException:
        sock.close()
        raise


async def join(address, name, room=None, **how):
    """A connection that has its name, and is in this room."""
    return await (await connect(address, **how)).join(name, room)
