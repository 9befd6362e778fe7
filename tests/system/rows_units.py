"""Rows about the service manager: the unit files read by systemd's own tools, and run by a real
systemd: started, hung, killed and restarted under load, shut off from the network."""

import asyncio
import errno
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

from chat import CLOCK_TICKS, Daemon, check, connect, join, until
from machine import ADDRESS, PRIVATE_NETWORK, ROOT, Machine
from rows import Skip, row

SCORE_MAX = 1.1  # of the service, by `systemd-analyze security`: 0 is best, 10 worst
SCORE_SHUT_OFF_MAX = 0.4  # with the private network
UP = 0.1  # seconds from one restart to the next
WATCHDOG = 10  # seconds, as the unit has it
STATUS = re.compile(r"\d+ clients, \d+ rooms, \d+ lines a second")
MACHINE = ("root", "ip", "systemd-analyze", "machine")  # systemd-analyze comes with systemd


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


def complaints(folder, *units):
    """What `systemd-analyze verify` has against these units, and its exit code."""
    done = analyze(folder, "verify", "--man=no", *(str(folder / unit) for unit in units))
    return done.stderr.strip(), done.returncode


@row("VERIFY", "systemd-analyze verify", ["systemd-analyze"])
async def verify(setting):
    folder = units_folder(setting, PRIVATE_NETWORK)
    (folder / "plain.service").write_text("[Service]\nExecStart=/bin/sh\n")
    if complaints(folder, "plain.service") != ("", 0):
        raise Skip(f"it does not like the plainest unit: {complaints(folder, 'plain.service')}")
    said, code = complaints(folder, "chatd.service", "chatd.socket")
    if "Unknown" in said:
        raise Skip(f"this systemd is too old for the units: {said}")
    check(code == 0 and not said, f"{code}: {said}")
    return "nothing to complain about"


@row("SECURITY", "systemd-analyze security", ["systemd-analyze"])
async def security(setting):
    scores = []
    # Other versions of systemd weigh other things.
    slack = setting.pick(1.0, 0.0)
    for drop_ins, most in (((), SCORE_MAX), ((PRIVATE_NETWORK,), SCORE_SHUT_OFF_MAX)):
        folder = units_folder(setting, *drop_ins)
        done = analyze(folder, "security", "--offline=true", "--threshold=11",
                       str(folder / "chatd.service"))
        found = re.search(r"exposure level for chatd\.service: ([0-9.]+)", done.stdout)
        if not found:
            raise Skip(f"no score: {done.stdout[-300:]} {done.stderr[-300:]}")
        scores.append(float(found[1]))
        check(scores[-1] <= most + slack, f"exposure {scores[-1]}, more than {most}")
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
        status = await until("STATUS", lambda: STATUS.fullmatch(machine.main("StatusText")))
        shut_in = machine.shut_in()
        missing = [what for what, holds in shut_in.items() if not holds]
        check(not missing, f"it is not shut in: {missing}")
        crowd = await asyncio.gather(*(dwell(machine, f"c{n}") for n in range(300)))
        machine.systemctl("kill", "--signal=KILL", "chatd.service")
        begin = time.monotonic()
        await asyncio.gather(*(member.rest() for member in crowd))
        await dwell(machine, "ann")
        took = time.monotonic() - begin
        restarts = machine.main("NRestarts")
    check(took < setting.most(1), f"back after {took:.2f} s")
    check(restarts == "1", f"{restarts} restarts")
    return f"{', '.join(shut_in)}; STATUS `{status[0]}`; back {took:.2f} s after kill -9"


@row("SEAT", "the operator's seat beside a service", MACHINE)
async def seat(setting):
    with Machine(setting) as machine:
        await machine.ready()
        ann = await dwell(machine, "ann")
        path = f"/proc/{machine.pid}/root/run/private/chatd/operator"
        mode = oct(os.stat(path).st_mode & 0o777)
        check(mode == "0o600", f"mode {mode}")
        machine.systemctl("restart", "chatd.service")
        await ann.rest()
        ann = await dwell(machine, "ann")
        with socket.socket(socket.AF_UNIX) as operator:
            operator.settimeout(10)
            operator.connect(path)
            operator.sendall(b"/kick ann too noisy\n")
            answer = operator.recv(1000)
            check(answer == b"= kicked ann\n", answer)
        await ann.find("! kicked the operator ended your connection: too noisy")
        machine.systemctl("stop", "chatd.socket", "chatd.service")
        check(not os.path.exists(path), "it is still there after a clean stop")
    return f"mode {mode}, there again after a restart, gone after a stop"


@row("F29", "the loop hangs", MACHINE)
async def f29(setting):
    with Machine(setting) as machine:
        await machine.ready()
        ann = await dwell(machine, "ann")
        pid = machine.main()
        await asyncio.sleep(setting.pick(0, 2 * WATCHDOG))
        check(machine.main() == pid, "restarted though the loop turned")
        machine.run("kill", "-STOP", pid)
        begin = time.monotonic()
        waiting = await connect(ADDRESS, network=machine.pid)
        waiting.say("waiting")
        await until("a new chatd", lambda: machine.main() not in (pid, "0"), 60, 0.1)
        took = time.monotonic() - begin
        await dwell(machine, "ben")
        await ann.rest()
        restarts = machine.main("NRestarts")
    check(took < WATCHDOG + setting.most(5) and restarts == "1",
          f"{took:.1f} s, {restarts} restarts")
    return f"stopped dead, restarted after {took:.1f} s (WatchdogSec={WATCHDOG})"


@row("F61", "restart under the socket unit, under load", MACHINE)
async def f61(setting):
    times = setting.pick(15, 100)
    # Without a word goes who had not spoken when the stop came.
    counts = {"served": 0, "told to come back": 0, "refused": 0, "closed unheard": 0}
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
                check(not lines, f"told {lines}")
                counts["closed unheard"] += 1
            me.close()
            await asyncio.sleep(0.01)

    with Machine(setting) as machine:
        await machine.ready()
        load = [asyncio.create_task(come_and_go(machine, worker)) for worker in range(20)]
        begin = time.monotonic()
        for _ in range(times):
            await machine.systemctl_meanwhile("restart", "chatd.service")
            await asyncio.sleep(UP)
        took = time.monotonic() - begin
        over.set()
        await asyncio.gather(*load)
    check(counts["refused"] == 0, f"{times}: {counts}")
    check(counts["served"] > times, f"{counts}")
    # Of twenty workers few are between their connecting and their first word at any time.
    check(counts["closed unheard"] < 5 * times, f"{counts}")
    shown = ", ".join(f"{count} {what}" for what, count in counts.items())
    return f"{times} restarts in {took:.1f} s: {shown}"


SETTINGS = "chatd.service.d/settings.conf"


def processor_of_all(pid):
    """Seconds of processor time of a process and of all its children that have ended."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / CLOCK_TICKS


@row("SETTINGS", "bad settings under the socket unit, and a client that is gone", MACHINE)
async def bad_settings(setting):
    window = setting.pick(5, 20)
    with Machine(setting) as machine:
        await machine.ready()
        machine.install(SETTINGS, "[Service]\nEnvironment=CHATD_BURST=0\n")
        gone = await connect(ADDRESS, network=machine.pid)
        gone.close()
        await asyncio.sleep(0.2)
        before = processor_of_all(machine.pid)
        await asyncio.sleep(window)
        alone = (processor_of_all(machine.pid) - before) / window
        check(alone < 0.1, f"{100 * alone:.0f} % of a core for one that is gone")
        before = processor_of_all(machine.pid)
        told, begin = 0, time.monotonic()
        while time.monotonic() < begin + window:
            waiting = await connect(ADDRESS, network=machine.pid)
            waiting.say("ann")
            told += any(line.startswith("! shutting-down") for line in await waiting.rest())
            waiting.close()
        share = (processor_of_all(machine.pid) - before) / (time.monotonic() - begin)
        check(machine.show("chatd.socket", "ActiveState") == "active", "the port is given up")
        await until("its end", lambda: machine.main("ActiveState") in ("failed", "inactive"))
        code = machine.main("ExecMainStatus")
        machine.install(SETTINGS, "[Service]\nEnvironment=CHATD_BURST=50\n")
        ann = await dwell(machine, "ann")
        await ann.pong()
    check(code == "78", f"exit {code}")
    check(told > 0, "nobody was told")
    check(share < setting.pick(0.5, 0.25), f"{100 * share:.0f} % of a core")
    return f"{100 * alone:.1f} % of a core for one that is gone, {100 * share:.1f} % for {told} " \
           f"who are told in {window} s; served once it is mended"


@row("DRAIN", "a drain that is longer than TimeoutStopSec", MACHINE)
async def long_drain(setting):
    with Machine(setting) as machine:
        await machine.ready()
        machine.install(SETTINGS, "[Service]\nTimeoutStopSec=1s\n"
                        "Environment=CHATD_DRAIN_TIMEOUT=4 CHATD_RATE=0 CHATD_OUTBOX_MAX=8M\n")
        stalled = await join(ADDRESS, "stalled", receive_bytes=4096, network=machine.pid)
        stalled.stall()
        talker = await dwell(machine, "talker")
        for _ in range(60):
            talker.say(*["z" * 4000] * 20)
            await talker.pong()
        begin = time.monotonic()
        await machine.systemctl_meanwhile("stop", "chatd.service", "chatd.socket")
        took = time.monotonic() - begin
        result, code = machine.main("Result"), machine.main("ExecMainStatus")
    check((result, code) == ("success", "0"), f"{result}, exit {code} after {took:.1f} s")
    check(took > 3, f"{took:.1f} s: nobody was owed anything")
    return f"{result}, exit {code} after {took:.1f} s (--drain-timeout 4, TimeoutStopSec=1)"


@row("PRIVATE", "the socket handed in, no network of its own", MACHINE)
async def private_network(setting):
    with Machine(setting) as machine:
        await machine.ready()
        machine.install(PRIVATE_NETWORK, (ROOT / PRIVATE_NETWORK).read_text())
        ann, ben = await dwell(machine, "ann"), await dwell(machine, "ben")
        ann.say("hello")
        await ben.find("<ann> hello")
        networks = {machine.run("readlink", f"/proc/{pid}/ns/net") for pid in (machine.main(), "1")}
        check(len(networks) == 2, "it is in the machine's network")
        machine.systemctl("restart", "chatd.service")
        await ann.find("! shutting-down")
        await dwell(machine, "cyd")
    return "it talks over the socket of the unit, also after a restart"


KEYS = "/run/keys"
GROUP = "mail"  # of those that every system has
KEY_SETTINGS = f"""[Service]
SupplementaryGroups={GROUP}
Environment=CHATD_TLS_CERT={KEYS}/cert.pem CHATD_TLS_KEY={KEYS}/key.pem
"""


def renew(machine, name):
    """A key that root owns and the group may read, and its certificate, as a deploy hook leaves
    them."""
    machine.run("sh", "-ec", f"""
        mkdir -p {KEYS} && chgrp {GROUP} {KEYS} && chmod 710 {KEYS} && cd {KEYS}
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
            -subj /CN={name} -keyout new.key -out new.pem 2>/dev/null
        install -m 644 new.pem cert.pem
        install -m 640 -g {GROUP} new.key key.pem
        rm new.*""")


def shown(machine):
    """The name in the certificate that the service shows."""
    port = f"{ADDRESS[0]}:{ADDRESS[1]}"
    return machine.run("sh", "-c", f"openssl s_client -connect {port} </dev/null 2>/dev/null |"
                       " openssl x509 -noout -subject").strip().replace(" ", "")


@row("KEY", "a key that root owns, and another when it is renewed", (*MACHINE, "openssl"))
async def key(setting):
    with Machine(setting) as machine:
        await machine.ready()
        renew(machine, "first")
        machine.install(SETTINGS, KEY_SETTINGS)
        ann = await dwell(machine, "ann")
        check(shown(machine) == "subject=CN=first", shown(machine))
        renew(machine, "second")
        machine.systemctl("reload", "chatd.service")
        await until("the new one", lambda: shown(machine) == "subject=CN=second")
        machine.run("chmod", "600", f"{KEYS}/key.pem")
        machine.systemctl("reload", "chatd.service")
        check(shown(machine) == "subject=CN=second", "one that cannot be read is taken")
        await ann.pong()
        restarts = machine.main("NRestarts")
    check(restarts == "0", f"{restarts} restarts")
    return "read through the group alone; renewed by a reload, and who was there talks on"
