"""What rows need of the machine, found out by trying: whether a program is there says little in a
container. It tries no chatd, so what is lacking here is never a fault of chatd."""

import functools
import glob
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time

from image import Image
from machine import lacks_machine
from namespace import Namespace, inside, link

CALLS = "?epoll_wait,epoll_pwait,recvfrom,sendto,writev"  # of the loop, on any processor
SHARED_OBJECT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/uio.h>
__attribute__((constructor)) static void start(void) { dlsym(RTLD_NEXT, "epoll_wait"); }
"""


@functools.cache
def lacks(need):
    """Why there is not what a row needs; None when there is."""
    attempt = ATTEMPTS.get(need)
    if attempt is None:
        return None if shutil.which(need) else f"{need} is missing"
    try:
        return attempt()
    except (OSError, subprocess.SubprocessError) as error:
        return f"{need}: {error}"


def root():
    return None if os.geteuid() == 0 else "not root"


def strace():
    """Attaches to a process and makes its calls fail, as the rows do."""
    if not shutil.which("strace"):
        return "strace is missing"
    calls = f"accept4,{CALLS}"
    with tempfile.NamedTemporaryFile() as seen:
        sleeper = subprocess.Popen(["sleep", "30"])
        command = ["strace", "-p", str(sleeper.pid), "-o", seen.name, "-e", f"trace={calls}",
                   "-e", "inject=accept4:error=EPROTO:when=1..2",
                   "-e", f"inject={CALLS}:error=EINTR:when=1+3"]
        tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            said = tracer.stderr.readline().decode(errors="replace").strip()
        finally:
            for process in (tracer, sleeper):
                process.kill()
                process.wait()
            tracer.stderr.close()
    return None if "attached" in said else f"strace may not trace: {said}"


def limits():
    """Whether the limit of descriptors of another process can be moved down and up again."""
    sleeper = subprocess.Popen(["sleep", "30"])
    try:
        soft, hard = resource.prlimit(sleeper.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(sleeper.pid, resource.RLIMIT_NOFILE, (16, hard))
        resource.prlimit(sleeper.pid, resource.RLIMIT_NOFILE, (soft, hard))
        return None if os.listdir(f"/proc/{sleeper.pid}/fd") else "nothing in /proc"
    finally:
        sleeper.kill()
        sleeper.wait()


def cables():
    """Networks of one's own, a cable between two of them, a route that swallows."""
    with Namespace() as one, Namespace() as other:
        link(one, other, "10.77.9")
        one.ip("route", "add", "blackhole", "10.77.8.1/32")
        with inside(one.pid):
            pass
    return None


def shim():
    """A C compiler, and that what it makes can be preloaded."""
    with tempfile.TemporaryDirectory() as folder:
        made = f"{folder}/a.so"
        command = ["cc", "-shared", "-fPIC", "-o", made, "-x", "c", "-", "-ldl"]
        done = subprocess.run(command, input=SHARED_OBJECT.encode(), capture_output=True, timeout=60)
        if done.returncode != 0:
            return f"cc cannot make a shared object: {done.stderr.decode(errors='replace')[-200:]}"
        said = subprocess.run(["true"], env={**os.environ, "LD_PRELOAD": made},
                              capture_output=True, timeout=20).stderr
        return f"nothing can be preloaded: {said}" if said else None


def sqlite():
    """Python with SQLite, which python3-minimal does not have."""
    try:
        import sqlite3  # noqa: F401
    except ImportError as error:
        return str(error)
    return None


def image():
    """An image of a disk that is mounted where nobody else sees it."""
    for tool in ("mkfs.ext4", "mount", "unshare", "nsenter"):
        if not shutil.which(tool):
            return f"{tool} is missing"
    if os.geteuid() != 0:
        return "not root"
    with tempfile.TemporaryDirectory() as folder:
        with Image(pathlib.Path(folder), 8 << 20) as made:
            (made.root / "file").write_bytes(b"x")
    return None


def fake_time():
    """The library that fakes the wall clock, and that it does."""
    library = faketime()
    if not library:
        return "libfaketime is missing"
    environment = {**os.environ, "LD_PRELOAD": library, "FAKETIME": "-4000d"}
    done = subprocess.run(["date", "+%s"], env=environment, capture_output=True, timeout=20)
    faked = done.stdout.strip()
    works = faked.isdigit() and abs(int(faked) - time.time()) > 86400
    return None if works else f"libfaketime does not fake the time: {done.stderr[-200:]}"


def faketime():
    """Where libfaketime is."""
    places = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib*/faketime/libfaketime.so.1")
    return next((found for place in places for found in glob.glob(place)), None)


ATTEMPTS = {"root": root, "strace": strace, "limits": limits, "cables": cables, "shim": shim,
            "faketime": fake_time, "machine": lacks_machine, "sqlite3": sqlite,
            "image": image}
