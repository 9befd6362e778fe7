"""Rows about accepting: no descriptors, errors of accept, bursts and storms of connections."""

import asyncio
import resource
import signal
import socket
import time

from chat import PATIENCE, check, connect, join, linger_zero, until
from rows import Skip, Trace, row

MEMORY_SLACK_BYTES = 384 << 10  # what may stay of a storm, however long it was (F12)
SERVED_WITHIN = 0.2  # seconds after a descriptor is free (F01)


class Full:
    """A chatd that has as many descriptors open as it may have, and some who wait outside."""

    def __init__(self, daemon):
        self._daemon = daemon
        self._before = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        self.close_door()

    def close_door(self):
        """Lowers the limit to what is in use: it cannot be reached by connecting, since chatd
        keeps to fewer clients than it may have descriptors."""
        self._set(self._daemon.descriptors())

    def open_door(self):
        self._set(self._before[0])

    def _set(self, soft):
        resource.prlimit(self._daemon.pid, resource.RLIMIT_NOFILE, (soft, self._before[1]))


async def welcome_time(member, since):
    await member.find("* welcome")
    return time.monotonic() - since


@row("F01", "out of descriptors, then one is free", ["limits"])
async def f01(setting):
    times = []
    with setting.daemon() as daemon:
        await daemon.listening()
        inside = [await join(daemon.address, f"in{n}") for n in range(20)]
        full = Full(daemon)
        waiting = []
        for number in range(20):
            waiting.append(await connect(daemon.address))
            waiting[-1].say(f"out{number}")
        await daemon.logged("cannot accept")
        for gone, newcomer in zip(inside, waiting):
            gone.reset()
            times.append(await welcome_time(newcomer, time.monotonic()))
        last = await connect(daemon.address)
        last.say("last")
        await asyncio.sleep(0.3)
        check(not last.lines, "somebody came in while the door was closed")
        full.open_door()
        times.append(await welcome_time(last, time.monotonic()))
    check(max(times) <= setting.most(SERVED_WITHIN), f"served after {max(times):.3f} s")
    return f"{len(times)} who waited were served, the slowest after {max(times) * 1000:.0f} ms"


@row("F02", "staying at the limit of descriptors", ["limits", "strace"])
async def f02(setting):
    seconds = setting.pick(5, 20)
    with setting.daemon() as daemon:
        await daemon.listening()
        await join(daemon.address, "ann")
        Full(daemon)
        waiting = [await connect(daemon.address) for _ in range(10)]
        await daemon.logged("cannot accept")
        before, begin = daemon.processor(), time.monotonic()
        await asyncio.sleep(seconds)
        share = (daemon.processor() - before) / (time.monotonic() - begin)
        with Trace(setting, daemon.pid, "trace=accept4,accept") as trace:
            await asyncio.sleep(seconds)
            calls = sum("accept" in line for line in trace.lines) / seconds
        said = daemon.log_text().count("cannot accept")
        ran = time.monotonic() - begin
        check(not any(member.lines for member in waiting), "somebody came in")
    check(share < 0.02, f"{share:.1%} of a core")
    check(0 < calls < 50, f"{calls:.1f} accept calls a second")
    check(said <= 1 + ran / 10, f"{said} log lines in {ran:.0f} s")
    return f"{share:.2%} CPU, {calls:.1f} accepts a second, {said} log lines in {ran:.0f} s"


@row("F03", "accept fails", ["strace"])
async def f03(setting):
    slowest = 0.0
    errors = ["ECONNABORTED", "EPROTO", "ENETDOWN", "EHOSTUNREACH", "EPERM", "EINTR", "EMFILE",
              "ENOBUFS"]
    # Each error at the first call, and again and again before the call that is let through.
    with setting.daemon() as daemon:
        await daemon.listening()
        for number, error in enumerate(errors):
            for times in (1, 100 if error not in ("EMFILE", "ENOBUFS") else 3):
                inject = f"inject=accept4:error={error}:when=1..{times}"
                with Trace(setting, daemon.pid, "trace=accept4", inject) as trace:
                    begin = time.monotonic()
                    member = await connect(daemon.address)
                    member.say(f"only{number}-{times}")
                    slowest = max(slowest, await welcome_time(member, begin))
                    failed = sum("INJECTED" in line for line in trace.lines)
                    check(failed == times, f"{failed} of {times} {error} were injected")
    return f"{len(errors)} errors, once and in a row; a lone connection served in " \
           f"{slowest:.2f} s at most (under strace)"


@row("F12", "connect and reset")
async def f12(setting):
    count = setting.pick(20_000, 100_000)
    with setting.daemon() as daemon:
        await daemon.listening()
        ann = await join(daemon.address, "ann")
        storm(daemon.address, 100)
        await ann.pong()
        files, said = daemon.descriptors(), daemon.log_text().count("\n")
        memory, begin = daemon.memory_own(), time.monotonic()
        await asyncio.to_thread(storm, daemon.address, count)
        took = time.monotonic() - begin
        await until("descriptors to be back", lambda: daemon.descriptors() <= files)
        await ann.pong()
        most = daemon.memory_own() - memory
        # The deadlines of those who are gone pass first, five seconds later.
        await until("memory to be back", lambda: daemon.memory_own() - memory < MEMORY_SLACK_BYTES)
        grown = daemon.memory_own() - memory
        lines = daemon.log_text().count("\n") - said
        took_all = time.monotonic() - begin
    check(lines <= 21 * (took_all + 1), f"{lines} log lines in {took_all:.1f} s")
    return f"{count} in {took:.1f} s, memory {most / 1024:+.0f} KiB, then " \
           f"{grown / 1024:+.0f} KiB, {lines} log lines in {took_all:.1f} s"


def backlog_max():
    with open("/proc/sys/net/core/somaxconn") as file:
        return int(file.read())


def storm(address, count):
    """Connects and resets, so many times, one after the other."""
    for _ in range(count):
        with socket.socket() as sock:
            linger_zero(sock)
            sock.connect(address)


@row("F13", "a burst of 4,000 connects at once")
async def f13(setting):
    count = 4000
    if backlog_max() < 4096:
        raise Skip("net.core.somaxconn is below 4096")
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < count + 100:
        raise Skip(f"fewer than {count + 100} descriptors allowed")
    with setting.daemon() as daemon:
        await daemon.listening()
        # Nobody is accepted meanwhile: it is the backlog alone that takes them.
        daemon.signal(signal.SIGSTOP)
        begin = time.monotonic()
        crowd = await asyncio.gather(*(connect(daemon.address) for _ in range(count)))
        took = time.monotonic() - begin
        daemon.signal(signal.SIGCONT)
        begin = time.monotonic()
        for number, member in enumerate(crowd):
            member.say(f"burst{number}")
        await asyncio.gather(*(member.find("* welcome") for member in crowd))
        served = time.monotonic() - begin
    return f"{count} connected in {took:.2f} s while chatd stood still, " \
           f"all named {served:.2f} s after it went on"


@row("F43", "connect, talk, leave, a million times", full_only=True)
async def f43(setting):
    count, at_once = 1_000_000, 50
    with setting.daemon("--history", "20") as daemon:
        await daemon.listening()
        memory = []

        async def come_and_go(worker):
            # Other addresses for other workers: ports in TIME_WAIT would run out.
            source = f"127.0.1.{worker + 1}"
            for number in range(count // at_once):
                me = await connect(daemon.address, source=source)
                me.say(f"w{worker}-{number}", f"/join room{worker % 10}", "hi", "/quit")
                lines = await me.rest()
                check(lines and lines[0].startswith("* welcome"), f"told {lines[:2]}")
                me.close()
                if worker == 0 and number % (count // at_once // 20) == 0:
                    memory.append(daemon.memory())

        begin = time.monotonic()
        await asyncio.gather(*(come_and_go(worker) for worker in range(at_once)))
        took = time.monotonic() - begin
        grown = memory[-1] - memory[len(memory) // 4]
    check(grown < 1 << 20, f"memory grew by {grown >> 10} KiB")
    return f"{count} in {took:.0f} s, memory {grown / 1024:+.0f} KiB from the first quarter on"
