"""Rows about members over TLS, as many as no test in Rust has."""

import asyncio
import signal
import socket
import ssl
import time

from chat import PATIENCE, check, join, news
from rows import row
from rows_memory import LINE, MIB
from rows_unharmed import need_descriptors

# Records that the kernel did not take, and TLS itself (D32).
STALLED_BYTES_MAX = (64 + 32) << 10
AT_ONCE = 50  # connections that shake hands


def terms():
    """Takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def stalled(address, context, name):
    """A member over TLS whose small buffer is soon full: it reads its welcome and no more."""
    sock = socket.socket()
    sock.settimeout(PATIENCE)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(address)
    secure = context.wrap_socket(sock)
    secure.sendall(f"{name}\n".encode())
    check(secure.recv(100).startswith(b"* welcome to lobby, "), f"{name} is not welcome")
    return secure


@row("D32", "thousands of stalled readers over TLS")
async def d32(setting):
    count = setting.pick(500, 5000)
    need_descriptors(count)
    context, loop = terms(), asyncio.get_running_loop()
    flags = ["--rate", "0", "--history", "0", "--stall-timeout", "5"]
    with setting.daemon(*flags) as daemon:
        await daemon.listening()
        talker = await join(daemon.address, "talker")
        before, begin = daemon.memory_own(), time.monotonic()
        members = []
        for first in range(0, count, AT_ONCE):
            names = [f"s{n}" for n in range(first, min(first + AT_ONCE, count))]
            members += await asyncio.gather(*(
                loop.run_in_executor(None, stalled, daemon.address, context, name)
                for name in names))
            await talker.pong()
        came = time.monotonic() - begin
        idle = (daemon.memory_own() - before) / count
        left, said, most = 0, 0, 0
        begin = time.monotonic()
        while left < count:
            check(time.monotonic() - begin < 120, f"only {left} of {count} were cut")
            talker.say(*[LINE] * 5)
            said += 5
            for line in await talker.pong(60):
                told = news(line)
                left += told[1] if told else 0
            most = max(most, daemon.memory_own() - before)
            await asyncio.sleep(0.02)
        took = time.monotonic() - begin
        daemon.signal(signal.SIGUSR1)
        line = await daemon.logged("slow consumers cut")
        for member in members:
            member.close()
    check(f"slow consumers cut {count}" in line, line)
    check(most < count * STALLED_BYTES_MAX + 16 * MIB, f"{most >> 20} MiB for {count} readers")
    return f"{count} came in {came:.1f} s, {idle:.0f} bytes each; all were cut within {took:.1f} s " \
           f"over {said} lines, {most / MIB:.1f} MiB at most"
