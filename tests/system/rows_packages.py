"""Rows about packages: the Debian package, built as docs/operating.md says, on a machine with a systemd of
its own: installed, set up, upgraded, removed, installed again, purged."""

import base64
import pathlib
import re
import shutil
import subprocess

from chat import check, until
from machine import ROOT, Machine
from rows import row
from rows_units import MACHINE, dwell

SAID = "this outlives upgrades"
DATA = "/var/lib/private/chatd"
FILES = ("/usr/bin/chatd", "/usr/bin/chat-client", "/usr/lib/systemd/system/chatd.service",
         "/usr/lib/systemd/system/chatd.socket", "/etc/default/chatd",
         "/usr/share/man/man8/chatd.8.gz", "/usr/share/man/man1/chat-client.1.gz",
         "/usr/share/bash-completion/completions/chatd",
         "/usr/share/bash-completion/completions/chat-client",
         "/usr/share/zsh/vendor-completions/_chatd",
         "/usr/share/fish/vendor_completions.d/chatd.fish")
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


async def active(machine):
    await until("chatd.service", lambda: machine.main("ActiveState") == "active")


async def hears_the_past(machine, name):
    member = await dwell(machine, name)
    await member.find(f"<ann> {SAID}")


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

        machine.run("dpkg", "--purge", "chatd")
        wanted = "/etc/systemd/system/multi-user.target.wants/chatd.service"
        all_files = (*FILES, DATA, "/var/lib/chatd", wanted, "/etc/systemd/system/chatd.service")
        left = set(all_files) - set(missing(machine, *all_files))
        check(not left, f"left by a purge: {left}")
    return f"{first.name}: {first.stat().st_size >> 10} KiB; settings and history outlive an" \
           " upgrade and a removal, nothing a purge"
