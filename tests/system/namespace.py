"""Network namespaces: made, linked by veth pairs, entered for the making of a socket. They live as
long as the processes that hold them, and nothing of them remains. Needs root."""

import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network of its own, held by a process that does nothing."""

    def __init__(self):
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if self._holder.stdout.readline() != b"up\n":
            raise OSError("a network namespace could not be made")
        self.enter_command = ["nsenter", "--net", "-t", str(self._holder.pid)]

    @property
    def pid(self):
        return self._holder.pid

    def ip(self, *words):
        subprocess.run([*self.enter_command, "ip", *words], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait()


def link(one, other, prefix):
    """A cable between two namespaces: they become PREFIX.1 and PREFIX.2."""
    ends = [f"veth{one.pid}", f"veth{other.pid}"]
    one.ip("link", "add", ends[1], "type", "veth", "peer", "name", ends[0], "netns",
           str(other.pid))
    # Each end has the name of who is at the other.
    for namespace, end, host in ((one, ends[1], 1), (other, ends[0], 2)):
        namespace.ip("address", "add", f"{prefix}.{host}/24", "dev", end)
        namespace.ip("link", "set", end, "up")


@contextlib.contextmanager
def inside(pid):
    """Sockets made meanwhile belong to the network of that process. No await in here."""
    with open("/proc/thread-self/ns/net") as home, open(f"/proc/{pid}/ns/net") as there:
        _enter(there)
        try:
            yield
        finally:
            _enter(home)


def _enter(file):
    if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
