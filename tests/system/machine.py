"""`Machine`: a systemd of its own with the units of chatd (see `boot`), and the ways to ask it
things. Needs root, namespaces and cgroups: `lacks_machine` finds out."""

import asyncio
import pathlib
import shutil
import subprocess
import tempfile

from chat import PATIENCE, Fault, check, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADDRESS = ("127.0.0.1", 5001)  # in the machine's own network
PRIVATE_NETWORK = "chatd.service.d/private-network.conf"


class NoMachine(OSError):
    """It does not boot."""


class Machine:
    """A booted machine on which chatd.socket listens; chatd itself comes with the first client."""

    def __init__(self, setting):
        folder = setting.scratch / "units"
        folder.mkdir()
        shutil.copy(setting.binary, folder / "chatd")
        for unit in ("chatd.service", "chatd.socket"):
            shutil.copy(ROOT / unit, folder)
        self._start(folder)

    def _start(self, folder):
        self._boot = subprocess.Popen([ROOT / "tests/system/boot", folder],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
        line = self._boot.stdout.readline().strip()
        if not line.isdigit():
            self._boot.stdin.close()
            said = self._boot.stderr.read().decode(errors="replace").strip()
            self._end()
            raise NoMachine(f"no systemd: {said[-300:]}")
        self.pid = int(line)

    async def ready(self):
        await until("chatd.socket", lambda: self.show("chatd.socket", "ActiveState") == "active")
        return self

    def run(self, *command, text=None):
        """Runs a command on the machine, and gives what it says."""
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-a", "--", *command],
                              input=text, capture_output=True, text=True, timeout=60)
        check(done.returncode == 0, f"{command}: {done.stderr.strip()}")
        return done.stdout

    def systemctl(self, *words):
        return self.run("systemctl", "--no-pager", *words)

    async def systemctl_meanwhile(self, *words):
        """As `systemctl`, while the others go on."""
        return await asyncio.to_thread(self.systemctl, *words)

    def show(self, unit, what):
        """One property of a unit."""
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-a", "--",
                               "systemctl", "show", "--value", "-p", what, unit],
                              capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout.strip()

    def main(self, what="MainPID"):
        return self.show("chatd.service", what)

    def shut_in(self):
        """What keeps the main process of chatd.service in, and does not: (as it is, holds)."""
        pid = self.main()
        status = self.run("cat", f"/proc/{pid}/status")
        field = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        users = {self.run("readlink", f"/proc/{one}/ns/user") for one in (pid, "1")}
        user = field["Uid"].split()[0]
        return {
            f"user {user}": user != "0",
            f"seccomp {field['Seccomp']}": field["Seccomp"] == "2",
            f"no new privileges {field['NoNewPrivs']}": field["NoNewPrivs"] == "1",
            f"capabilities {field['CapBnd'].lstrip('0') or 'none'}":
                int(field["CapEff"], 16) == int(field["CapBnd"], 16) == 0,
            "a user namespace of its own": len(users) == 2,
        }

    def install(self, path, text):
        """Writes a file below /etc/systemd/system, and has it read."""
        whole = f"/etc/systemd/system/{path}"
        self.run("sh", "-c", f"mkdir -p $(dirname {whole}) && cat >{whole}", text=text)
        self.systemctl("daemon-reload")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self._boot.stdin.closed:
            self._boot.stdin.close()
        self._end()

    def _end(self):
        try:
            self._boot.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._boot.kill()
            self._boot.wait()
            raise
        finally:
            self._boot.stdout.close()
            self._boot.stderr.close()


class Bare(Machine):
    """A machine on which a shell that sleeps is in chatd's place, shut in as chatd is at most."""

    def __init__(self, folder):
        program = folder / "chatd"
        program.write_text("#!/bin/sh\nexec sleep 1000\n")
        program.chmod(0o755)
        text = (ROOT / "chatd.service").read_text()
        text = text.replace("Type=notify", "Type=exec").replace("WatchdogSec=", "#")
        (folder / "chatd.service").write_text(text)
        shutil.copy(ROOT / "chatd.socket", folder)
        (folder / PRIVATE_NETWORK).parent.mkdir()
        shutil.copy(ROOT / PRIVATE_NETWORK, folder / PRIVATE_NETWORK)
        self._start(folder)


def lacks_machine():
    """Why no machine can be had here that shuts a service in; None when one can."""
    try:
        with tempfile.TemporaryDirectory(prefix="chatd-machine-") as folder:
            with Bare(pathlib.Path(folder)) as machine:
                asyncio.run(machine.ready())
                machine.systemctl("start", "chatd.service")
                missing = [what for what, holds in machine.shut_in().items() if not holds]
                networks = {machine.run("readlink", f"/proc/{pid}/ns/net")
                            for pid in (machine.main(), "1")}
    except (Fault, KeyError, OSError, ValueError, subprocess.SubprocessError) as error:
        return f"a systemd of its own: {error}"
    if missing or len(networks) != 2:
        return f"this systemd cannot shut a service in: {', '.join(missing) or 'network'}"
    return None
