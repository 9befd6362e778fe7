"""Rows about packages: the Debian package, built as docs/operating.md says, on a machine with a systemd of
its own: installed, set up, upgraded, removed, installed again, purged; and the static binary."""

import base64
import os
import pathlib
import re
import shutil
import subprocess

from chat import Daemon, check, connect, join, until
from machine import ADDRESS, ROOT, Machine
from rows import Skip, row
from rows_units import MACHINE, dwell

SAID = "this outlives upgrades"
STATIC = "x86_64-unknown-linux-musl"
DATA = "/var/lib/private/chatd"
FILES = ("/usr/bin/chatd", "/usr/bin/chat-client", "/usr/lib/systemd/system/chatd.service",
         "/usr/lib/systemd/system/chatd.socket", "/etc/default/chatd",
         "/usr/share/man/man8/chatd.8.gz", "/usr/share/man/man1/chat-client.1.gz",
         "/usr/share/bash-completion/completions/chatd",
         "/usr/share/bash-completion/completions/chat-client",
         "/usr/share/zsh/vendor-completions/_chatd",
         "/usr/share/fish/vendor_completions.d/chatd.fish")
BANS = (r"(?m)^= 1 eve, for good, by operator \d+, spam$",
        r"(?m)^= 2 203\.0\.113\.0/24, until 20\S+Z, by operator \d+, no reason given$")
MUTES = (r"(?m)^= 1 mia, for good, by operator \d+, no reason given$",)
HEALTH = r"exec 3<>/dev/tcp/127.0.0.1/9101; printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3; cat <&3"


def done(*command):
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    check(ran.returncode == 0, f"{command}: {ran.stderr[-1000:]}")
    return ran.stdout


def build(folder):
    """The package, and the same as a later version."""
    folder.mkdir()
    first = pathlib.Path(done(ROOT / "packaging/deb", "--output", folder).split()[-1])
    tree = folder / "tree"
    done("dpkg-deb", "--raw-extract", first, tree)
    control = tree / "DEBIAN/control"
    later = re.sub(r"(?m)^Version: (.*)$", r"Version: \1+later", control.read_text())
    control.write_text(later)
    second = folder / "second.deb"
    done("dpkg-deb", "--root-owner-group", "--build", tree, second)
    shutil.rmtree(tree)
    return first, second


def bring(machine, package):
    """Installs a package on the machine."""
    text = base64.b64encode(package.read_bytes()).decode()
    machine.run("sh", "-c", "base64 -d >/root/package.deb", text=text)
    machine.run("dpkg", "--install", "/root/package.deb")


def missing(machine, *paths):
    test = " ".join(f"; test -e {path} || echo {path}" for path in paths)
    return machine.run("sh", "-c", f":{test}").split()


def operate(machine, *lines):
    """What the operator is answered, at the seat that the unit makes."""
    return machine.run("chat-client", "--operator", "/run/chatd/operator",
                       text="".join(line + "\n" for line in lines))


def keeps_bans(machine):
    """The bans and mutes that were there before are there, and hold."""
    said = operate(machine, "/bans", "/mutes")
    for row in (*BANS, *MUTES):
        check(re.search(row, said), f"{row} is not among: {said}")


async def active(machine):
    await until("chatd.service", lambda: machine.main("ActiveState") == "active")


async def hears_the_past(machine, name):
    member = await dwell(machine, name)
    await member.find(f"<ann> {SAID}")


async def is_banned(machine, name):
    peer = await connect(ADDRESS, network=machine.pid)
    peer.say(name)
    await peer.find("! banned spam")


def lacks_static():
    """Why the static binary cannot be built here; None where it can."""
    listed = subprocess.run(["rustup", "target", "list", "--installed"], capture_output=True, text=True)
    return None if STATIC in listed.stdout.split() else f"no rustup target {STATIC}"


@row("STATIC", "one static binary, in a room without anything else", ("musl-gcc", "rustup", "chroot", "root"),
     full_only=True)
async def static(setting):
    if lacking := lacks_static():
        raise Skip(lacking)
    done("cargo", "build", "--release", "--target", STATIC)
    binary = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / STATIC / "release/chatd"
    room = setting.scratch / "room"
    room.mkdir()
    shutil.copy(binary, room)
    wrapper = setting.scratch / "chatd"
    wrapper.write_text(f'#!/bin/sh\nexec chroot {room} /chatd "$@"\n')
    wrapper.chmod(0o755)
    with Daemon(wrapper, ["--listen", "127.0.0.1:0"]) as daemon:
        await daemon.listening()
        ann, ben = [await join(daemon.address, name) for name in ("ann", "ben")]
        ann.say("hello")
        await ben.find("<ann> hello")
    return f"{binary.stat().st_size / (1 << 20):.1f} MiB"


@row("PACKAGE", "the Debian package: installed, upgraded, removed, purged",
     (*MACHINE, "dpkg-deb", "cargo-deb"), full_only=True)
async def package(setting):
    first, second = build(setting.scratch / "packages")
    with Machine(setting) as machine:
        await machine.ready()
        # What `boot` has installed by hand goes, and what keeps containers from starting services.
        machine.systemctl("stop", "chatd.socket")
        machine.run("sh", "-c", "rm -rf /etc/systemd/system/chatd.* /usr/bin/chatd"
                    " /usr/sbin/policy-rc.d")
        machine.systemctl("daemon-reload")

        bring(machine, first)
        await active(machine)
        check(not missing(machine, *FILES), f"missing: {missing(machine, *FILES)}")
        shut_in = machine.shut_in()
        check(all(shut_in.values()), f"it is not shut in: {shut_in}")
        enabled = machine.show("chatd.service", "UnitFileState")
        check(enabled == "enabled", enabled)
        ann = await dwell(machine, "ann")
        ann.say(SAID)
        await ann.pong()

        said = operate(machine, "/ban eve spam", "/ban 203.0.113.0/24 for 7d", "/mute mia",
                       "/topic lobby be kind")
        check(said.count("= banned ") == 2 and "= muted mia for good" in said, said)

        # A setting of the operator's, which an upgrade leaves alone.
        machine.run("sh", "-c", "echo CHATD_METRICS=127.0.0.1:9101 >>/etc/default/chatd")
        before = machine.main()
        bring(machine, second)
        await active(machine)
        check(machine.main() != before, "the old one still runs")
        await ann.find("! shutting-down")
        version = machine.run("dpkg-query", "-W", "-f", "${Version}", "chatd")
        check(version.endswith("+later"), version)
        await hears_the_past(machine, "ben")
        keeps_bans(machine)
        await is_banned(machine, "eve")
        health = machine.run("bash", "-c", HEALTH)
        check(health.startswith("HTTP/1.1 200 OK"), health)

        machine.run("dpkg", "--remove", "chatd")
        state = machine.main("ActiveState")
        check(state == "inactive", f"after its removal it is {state}")
        gone = missing(machine, *FILES, f"{DATA}/history.db")
        check(set(FILES) - set(gone) == {"/etc/default/chatd"}, f"only these are gone: {gone}")
        check(f"{DATA}/history.db" not in gone, "the history went with a removal")
        bring(machine, second)
        await active(machine)
        await hears_the_past(machine, "cyd")
        keeps_bans(machine)

        machine.run("dpkg", "--purge", "chatd")
        wanted = "/etc/systemd/system/multi-user.target.wants/chatd.service"
        all_files = (*FILES, DATA, "/var/lib/chatd", wanted, "/etc/systemd/system/chatd.service")
        left = set(all_files) - set(missing(machine, *all_files))
        check(not left, f"left by a purge: {left}")
    return f"{first.name}: {first.stat().st_size >> 10} KiB; settings, history, bans and mutes" \
           " outlive an upgrade and a removal, nothing a purge"
