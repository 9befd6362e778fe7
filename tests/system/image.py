"""`Image`: a file with a file system in it, mounted in a mount namespace of its own, so that nothing
of it is seen outside and nothing remains: both end with the process that holds them. Needs root."""

import os
import pathlib
import subprocess


class Image:
    """A disk of so many bytes; `root` is its top, as seen from outside."""

    def __init__(self, folder, size):
        self._file, self._mounted = folder / "image", folder / "mounted"
        self._mounted.mkdir()
        with self._file.open("wb") as file:
            file.truncate(size)
        # No block is kept for root, who is it that fills it up.
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(self._file)], check=True,
                       capture_output=True)
        script = 'mount -o loop "$0" "$1" && echo up && exec cat'
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script,
             str(self._file), str(self._mounted)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self._holder.stdout.readline() != b"up\n":
            said = self._holder.stderr.read().decode(errors="replace").strip()
            self._end()
            raise OSError(f"an image cannot be mounted: {said[-200:]}")
        self.enter_command = ["nsenter", "--mount", "-t", str(self._holder.pid)]
        self.inside = self._mounted  # its top, as seen by who has entered
        self.root = pathlib.Path(f"/proc/{self._holder.pid}/root{self._mounted}")
        self._ballast = self.root / "ballast"

    def run(self, *command):
        """Runs a command where it is mounted; `OSError` when it fails."""
        done = subprocess.run([*self.enter_command, *command], capture_output=True, text=True)
        if done.returncode != 0:
            raise OSError(f"{command}: {done.stderr.strip()}")

    def fill(self):
        """Takes all the room there is."""
        with self._ballast.open("ab") as file:
            size, piece = 0, 1 << 26
            while piece >= 512:
                try:
                    os.posix_fallocate(file.fileno(), size, piece)
                    size += piece
                except OSError:
                    piece //= 2

    def empty(self):
        """Gives it back."""
        self._ballast.unlink()

    def freeze(self):
        self.run("fsfreeze", "--freeze", str(self.inside))

    def thaw(self):
        self.run("fsfreeze", "--unfreeze", str(self.inside))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Whatever has failed: who waits for a frozen disk cannot even be killed.
        subprocess.run([*self.enter_command, "fsfreeze", "--unfreeze", str(self.inside)],
                       capture_output=True)
        self._end()

    def _end(self):
        self._holder.stdin.close()
        self._holder.wait()
        self._holder.stdout.close()
        self._holder.stderr.close()
