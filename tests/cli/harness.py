# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command share."""
import contextlib
import os
import shutil
import subprocess
import tempfile
import time

SBX = os.environ["SBX"]
HANG = 300  # s; past it something hangs. A busy host may leave a process waiting for a minute.


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"status {self.status}\nstdout: {self.out!r}\nstderr: {self.err!r}"


def sbx(*args, timeout=HANG, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    r = subprocess.run([SBX, *args], capture_output=True, text=True, errors="replace", timeout=timeout, **kw)
    return Result(r.returncode, r.stdout, r.stderr)


def run(*args, **kw):
    return sbx("run", *args, **kw)


def start(*args, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen([SBX, "run", *args], **kw)


def check(condition, result):
    assert condition, repr(result)


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="cli.")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def descendants(pid):
    """Every process below pid, as pids, deepest last."""
    children = {}
    for p in os.listdir("/proc"):
        if p.isdigit():
            try:
                stat = open(f"/proc/{p}/stat").read()
            except OSError:
                continue
            children.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(p))
    found, todo = [], [pid]
    while todo:
        for c in children.get(todo.pop(), []):
            found.append(c)
            todo.append(c)
    return found


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition, seconds=HANG):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
