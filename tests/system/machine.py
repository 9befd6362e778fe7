"""`Machine`: a systemd of its own with the units of chatd (see `boot`), and the ways to ask it
things. Needs root and namespaces."""

import asyncio
import pathlib
import shutil
import subprocess

from chat import PATIENCE, check, until
from rows import Skip

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADDRESS = ("127.0.0.1", 5001)  # in the machine's own network


class Machine:
    """A booted machine on which chatd.socket listens; chatd itself comes with the first client."""

    def __init__(self, setting):
        folder = setting.scratch / "units"
        folder.mkdir()
        shutil.copy(setting.binary, folder / "chatd")
        for unit in ("chatd.service", "chatd.socket"):
            shutil.copy(ROOT / unit, folder)
        self._boot = subprocess.Popen([ROOT / "tests/system/boot", folder],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
        line = self._boot.stdout.readline().strip()
        if not line.isdigit():
            self._boot.stdin.close()
            raise Skip(f"no systemd: {self._boot.stderr.read().decode(errors='replace')[-300:]}")
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
        self._boot.wait(PATIENCE)
        self._boot.stdout.close()
        self._boot.stderr.close()
