"""Connections in a process of their own, so that they can be stopped with it, or work without
delaying the row: `crowd.py read|flood HOST PORT PREFIX COUNT`. It says `ready` when all have names.
`read` reads and throws away; `flood` also sends numbered lines, as fast as they are taken."""

import asyncio
import contextlib
import selectors
import socket
import sys


@contextlib.asynccontextmanager
async def crowd(kind, address, prefix, count):
    """The row's end: gives the process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-B", __file__, kind, *map(str, address), prefix, str(count),
        stdout=asyncio.subprocess.PIPE)
    try:
        if await asyncio.wait_for(process.stdout.readline(), 60) != b"ready\n":
            raise OSError("the crowd has died")
        yield process
    finally:
        process.kill()
        await process.wait()


def main():
    kind, host, port, prefix, count = sys.argv[1:]
    selector = selectors.DefaultSelector()
    for number in range(int(count)):
        sock = socket.create_connection((host, int(port)))
        sock.sendall(f"{prefix}{number}\n".encode())
        welcome = sock.recv(4096)
        if not welcome.startswith(b"* welcome"):
            sys.exit(f"told {welcome!r}")
        sock.setblocking(False)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if kind == "flood" else 0)
        selector.register(sock, events, {"next": 0, "owed": b""})
    print("ready", flush=True)
    buffer = bytearray(1 << 20)
    while selector.get_map():
        for key, events in selector.select():
            try:
                if events & selectors.EVENT_READ and not key.fileobj.recv_into(buffer):
                    selector.unregister(key.fileobj)
                elif events & selectors.EVENT_WRITE:
                    flood(key.fileobj, key.data)
            except BlockingIOError:
                pass
            except OSError:
                selector.unregister(key.fileobj)


def flood(sock, state):
    if not state["owed"]:
        numbers = range(state["next"], state["next"] + 100)
        state["owed"] = "".join(f"{number}.\n" for number in numbers).encode()
        state["next"] += 100
    state["owed"] = state["owed"][sock.send(state["owed"]):]


if __name__ == "__main__":
    main()
