"""Two members of a room of their own, one of whom says something now and then: how long until the
other reads it; and who comes newly: how long until it is welcome. They are a process of their own, so
that nothing else delays them: `quiet.py HOST PORT`. It prints its figures as a line of JSON every few
seconds. The time by which its own sleeps end late says how busy the machine is."""

import json
import socket
import sys
import time

PAUSE = 0.15
REPORT_SECONDS = 5


def main():
    address = (sys.argv[1], int(sys.argv[2]))
    talker, hearer = (member(address, f"quiet{number}") for number in (0, 1))
    for sock in (talker, hearer):
        sock.sendall(b"/join quiet\n/ping in\n")
        read_to(sock, b"= pong in\n")
    said, came, late = [], [], []
    reported = time.monotonic()
    for number in range(1 << 60):
        said.append(timed(lambda: say(talker, hearer, number)))
        if number % 7 == 0:
            came.append(timed(lambda: member(address, f"newcomer{number}").close()))
        late.append(timed(lambda: time.sleep(PAUSE)) - PAUSE)
        if time.monotonic() >= reported + REPORT_SECONDS:
            reported = time.monotonic()
            print(json.dumps({"a quiet line": figures(said), "a newcomer": figures(came),
                              "own sleeps late": figures(late)}), flush=True)


def say(talker, hearer, number):
    talker.sendall(b"%d.\n" % number)
    read_to(hearer, b"> %d.\n" % number)


def member(address, name):
    sock = socket.create_connection(address)
    sock.settimeout(300)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(f"{name}\n".encode())
    read_to(sock, b"* welcome")
    return sock


def read_to(sock, end):
    data = b""
    while end not in data:
        piece = sock.recv(1 << 16)
        if not piece:
            sys.exit(f"a quiet one was cut: {data[-100:]!r}")
        data += piece


def timed(act):
    begin = time.monotonic()
    act()
    return time.monotonic() - begin


def figures(times):
    ordered = sorted(times)
    return {name: round(1000 * ordered[int((len(ordered) - 1) * part)], 2)
            for name, part in (("p50", 0.5), ("p99", 0.99), ("most", 1))}


if __name__ == "__main__":
    main()
