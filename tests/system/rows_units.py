"""Rows about the service manager: the unit files read by systemd's own tools, and run by a real
systemd: started, hung, killed and restarted under load, shut off from the network."""

import asyncio
import errno
import re
import shutil
import socket
import subprocess
import time

from chat import Daemon, check, connect, join, until
from machine import ADDRESS, ROOT, Machine
from rows import row

SCORE_MAX = 1.1  # of the service, by `systemd-analyze security`: 0 is best, 10 worst
SCORE_SHUT_OFF_MAX = 0.4  # with the private network
WATCHDOG = 10  # seconds, as the unit has it
MACHINE = ("root", "namespaces", "ip", "systemd-analyze")  # the last one comes with systemd


def units_folder(setting, *more):
    """The units in a folder, their program being the binary at hand."""
    folder = setting.scratch / "analyze"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for unit in ("chatd.service", "chatd.socket"):
        text = (ROOT / unit).read_text().replace("/usr/bin/chatd", str(setting.binary))
        (folder / unit).write_text(text)
    for drop_in in more:
        (folder / drop_in).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / drop_in, folder / drop_in)
    return folder


def analyze(folder, *words):
    return subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True, text=True,
                          env={"SYSTEMD_UNIT_PATH": f"{folder}:", "PATH": "/usr/sbin:/usr/bin"})


@row("VERIFY", "systemd-analyze verify", ["systemd-analyze"])
async def verify(setting):
    folder = units_folder(setting, "chatd.service.d/private-network.conf")
    files = [str(folder / name) for name in ("chatd.service", "chatd.socket")]
    done = analyze(folder, "verify", "--man=no", *files)
    complaints = [line for line in done.stderr.splitlines() if "chatd" in line]
    check(done.returncode == 0 and not complaints, f"{done.returncode}: {done.stderr.strip()}")
    return "nothing to complain about"


@row("SECURITY", "systemd-analyze security", ["systemd-analyze"])
async def security(setting):
    scores = []
    for drop_ins, most in (((), SCORE_MAX),
                           (("chatd.service.d/private-network.conf",), SCORE_SHUT_OFF_MAX)):
        folder = units_folder(setting, *drop_ins)
        done = analyze(folder, "security", "--offline=true", "--threshold=11",
                       str(folder / "chatd.service"))
        found = re.search(r"exposure level for chatd\.service: ([0-9.]+)", done.stdout)
        check(found, f"no score: {done.stdout[-300:]} {done.stderr[-300:]}")
        scores.append(float(found[1]))
        check(scores[-1] <= most, f"exposure {scores[-1]}, more than {most}")
    return f"exposure {scores[0]}; {scores[1]} with the private network"


@row("ACTIVATE", "systemd-socket-activate", ["systemd-socket-activate"])
async def activate(setting):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    wrapper = ["systemd-socket-activate", "--listen", f"{address[0]}:{address[1]}"]
    with Daemon(setting.binary, ["--listen", "127.0.0.1:1"], around=wrapper) as daemon:
        await daemon.logged("Listening on")
        ann = await join(address, "ann")
        ben = await join(address, "ben")
        ann.say("hello")
        await ben.find("<ann> hello")
        check(f"listening on {address[0]}:{address[1]}" in daemon.log_text(), daemon.log_text())
    return "the socket that was handed in is used, --listen is left alone"


def dwell(machine, name, room=None):
    return join(ADDRESS, name, room, network=machine.pid)


@row("UNIT", "the units start, chatd is shut in, kill -9", MACHINE)
async def unit(setting):
    with Machine(setting) as machine:
        await machine.ready()
        ann, ben = await dwell(machine, "ann"), await dwell(machine, "ben")
        ann.say("hello")
        await ben.find("<ann> hello")
        await until("STATUS", lambda: "clients" in machine.main("StatusText"))
        pid = machine.main()
        status = machine.run("cat", f"/proc/{pid}/status")
        field = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        check(field["Uid"].split()[0] != "0", "it runs as root")
        check(field["Seccomp"] == "2" and field["NoNewPrivs"] == "1", "no filter of system calls")
        check(int(field["CapEff"], 16) == int(field["CapBnd"], 16) == 0, "it has capabilities")
        users = {machine.run("readlink", f"/proc/{one}/ns/user") for one in (pid, "1")}
        check(len(users) == 2, "it has no user namespace of its own")
        crowd = await asyncio.gather(*(dwell(machine, f"c{n}") for n in range(300)))
        machine.systemctl("kill", "--signal=KILL", "chatd.service")
        begin = time.monotonic()
        await asyncio.gather(*(member.rest() for member in crowd))
        await dwell(machine, "ann")
        took = time.monotonic() - begin
        restarts = machine.main("NRestarts")
    check(took < 1, f"back after {took:.2f} s")
    check(restarts == "1", f"{restarts} restarts")
    return f"user {field['Uid'].split()[0]}, seccomp {field['Seccomp']}, no capabilities; " \
           f"back {took:.2f} s after kill -9"


@row("F29", "the loop hangs", MACHINE)
async def f29(setting):
    with Machine(setting) as machine:
        await machine.ready()
        ann = await dwell(machine, "ann")
        pid = machine.main()
        await asyncio.sleep(setting.pick(0, 2 * WATCHDOG))
        check(machine.main() == pid, "restarted though the loop turned")
        machine.systemctl("kill", "--signal=STOP", "--kill-whom=main", "chatd.service")
        begin = time.monotonic()
        waiting = await connect(ADDRESS, network=machine.pid)
        waiting.say("waiting")
        await until("a new chatd", lambda: machine.main() not in (pid, "0"), 40, 0.1)
        took = time.monotonic() - begin
        await dwell(machine, "ben")
        await ann.rest()
        restarts = machine.main("NRestarts")
    check(took < WATCHDOG + 5 and restarts == "1", f"{took:.1f} s, {restarts} restarts")
    return f"stopped dead, restarted after {took:.1f} s (WatchdogSec={WATCHDOG})"


@row("F61", "restart under the socket unit, under load", MACHINE)
async def f61(setting):
    times = setting.pick(15, 100)
    counts = {"served": 0, "told to come back": 0, "refused": 0, "cut without a word": 0}
    over = asyncio.Event()

    async def come_and_go(machine, worker):
        number = 0
        while not over.is_set():
            number += 1
            try:
                me = await connect(ADDRESS, network=machine.pid)
            except OSError as error:
                check(error.errno == errno.ECONNREFUSED, str(error))
                counts["refused"] += 1
                continue
            me.say(f"w{worker}-{number}", "hello", "/quit")
            lines = await me.rest()
            if any(line.startswith("* welcome") for line in lines):
                counts["served"] += 1
            elif any(line.startswith("! shutting-down") for line in lines):
                counts["told to come back"] += 1
            else:
                counts["cut without a word"] += 1
            me.close()
            await asyncio.sleep(0.01)

    with Machine(setting) as machine:
        await machine.ready()
        load = [asyncio.create_task(come_and_go(machine, worker)) for worker in range(20)]
        begin = time.monotonic()
        for _ in range(times):
            await machine.systemctl_meanwhile("restart", "chatd.service")
        took = time.monotonic() - begin
        over.set()
        await asyncio.gather(*load)
    check(counts["refused"] == 0 and counts["cut without a word"] == 0, f"{times}: {counts}")
    check(counts["served"] > times, f"{counts}")
    shown = ", ".join(f"{count} {what}" for what, count in counts.items())
    return f"{times} restarts in {took:.1f} s: {shown}"


@row("PRIVATE", "the socket handed in, no network of its own", MACHINE)
async def private_network(setting):
    with Machine(setting) as machine:
        await machine.ready()
        drop_in = "chatd.service.d/private-network.conf"
        machine.install(drop_in, (ROOT / drop_in).read_text())
        ann, ben = await dwell(machine, "ann"), await dwell(machine, "ben")
        ann.say("hello")
        await ben.find("<ann> hello")
        networks = {machine.run("readlink", f"/proc/{pid}/ns/net") for pid in (machine.main(), "1")}
        check(len(networks) == 2, "it is in the machine's network")
        machine.systemctl("restart", "chatd.service")
        await ann.find("! shutting-down")
        await dwell(machine, "cyd")
    return "it talks over the socket of the unit, also after a restart"
