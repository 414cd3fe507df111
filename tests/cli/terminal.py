# SPDX-License-Identifier: Apache-2.0
"""Job control of a shell on a terminal, inside the sandbox and outside. Each test is played on Linux first.

Nothing waits for time: a job says when it runs, when it comes to the front and when it goes behind, and the next key is pressed once that is
on the screen."""
import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import subprocess
import termios

from harness import SBX, check, folder

PATIENCE = 60
PROMPT = r"^ready> "
BASH = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
VARIABLES = {"PS1": "ready> ", "TERM": "dumb", "LC_ALL": "C", "HISTFILE": "/dev/null"}
SANDBOXED = [SBX, "run", *(f"--env={name}={value}" for name, value in VARIABLES.items()), "--"]

# Says where it is on the terminal whenever that changes, until it is interrupted.
JOB = """
import os, sys, time
was = None
while True:
    front = os.tcgetpgrp(0) == os.getpgrp()
    if front != was:
        print("in front" if front else "behind", flush=True)
    was = front
    time.sleep(0.01)
"""


class Session:
    """A program that leads a session of its own on a new terminal, and all that the terminal showed."""

    def __init__(self, command, where):
        self.master, slave = pty.openpty()
        self.shown, self.seen = "", 0
        self.child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=where, env={**os.environ, **VARIABLES},
                                      start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def read(self):
        """More of what is shown; False at the end of the session."""
        ready, _, _ = select.select([self.master], [], [], PATIENCE)
        check(ready, f"nothing more than {self.shown!r}")
        try:
            more = os.read(self.master, 4096)
        except OSError:  # EIO: nobody has the terminal open any more
            more = b""
        self.shown += more.decode().replace("\r\n", "\n")
        return more

    def expect(self, *patterns):
        """Waits until all of them, in any order, are shown after what was waited for last."""
        while not all(found := [re.search(p, self.shown[self.seen:], re.M) for p in patterns]):
            check(self.read(), f"not all of {patterns} after {self.shown!r}")
        self.seen += max(f.end() for f in found)

    def type(self, text):
        os.write(self.master, text.encode())

    def command(self, line, *patterns):
        """One line for the shell, until these and its next prompt are shown."""
        self.type(line + "\n")
        self.expect(*patterns, PROMPT)

    def end(self):
        while self.read():
            pass
        return self.child.wait(PATIENCE)


@contextlib.contextmanager
def shell(prefix, where):
    session = Session([*prefix, *BASH], where)
    try:
        session.expect(PROMPT)
        yield session
    finally:
        if session.child.poll() is None:
            session.child.kill()
            session.child.wait()
        os.close(session.master)


def inside_and_outside(play, **files):
    with folder() as where:
        for name, text in files.items():
            with open(os.path.join(where, name), "w") as f:
                f.write(text)
        for prefix in [], SANDBOXED:
            with shell(prefix, where) as session:
                play(session)


def stop_and_kill(s):
    s.type("sh -c 'echo it runs; exec sleep 100'\n")
    s.expect(r"^it runs$")
    s.type("\x1a")
    s.expect(r"^\[1\]\+  Stopped +sh -c 'echo it runs; exec sleep 100'$", PROMPT)
    s.command("echo $?", r"^148$")
    s.command("jobs", r"^\[1\]\+  Stopped ")
    s.command("bg", r"^\[1\]\+ sh -c 'echo it runs; exec sleep 100' &$")
    s.command("jobs", r"^\[1\]\+  Running .*&$")
    s.command("kill %1; wait %1; echo $?", r"^143$")
    s.command("jobs; echo no more", r"^no more$")
    s.type("exit 7\n")
    check(s.end() == 7, s.shown)


def front_and_behind(s):
    s.type("python3 job.py\n")
    s.expect(r"^in front$")
    s.type("\x1a")
    s.expect(r"^\[1\]\+  Stopped ", PROMPT)
    s.command("bg", r"behind$")
    s.command("jobs", r"^\[1\]\+  Running ")
    s.type("fg\n")
    s.expect(r"^python3 job.py$", r"^in front$")
    s.type("\x03")
    s.expect(r"^KeyboardInterrupt$", PROMPT)
    s.command("echo $?", r"^130$")
    s.type("\x04")
    check(s.end() == 0, s.shown)


def pipelines_and_readers(s):
    s.type("cat | cat\n")
    s.type("a line\n")
    s.expect(r"^a line\na line\n")
    s.type("\x1a")
    s.expect(r"^\[1\]\+  Stopped +cat \| cat$", PROMPT)
    s.type("fg\n")
    s.type("another\n")
    s.expect(r"^another$(.|\n)*^another$")
    s.type("\x04")
    s.expect(PROMPT)
    s.command("echo $?", r"^0$")
    # A reader behind is stopped by the terminal.
    s.type("cat &\n")
    s.expect(r"^\[1\] [0-9]+$", PROMPT)
    s.command("wait %1; jobs", r"^\[1\]\+  Stopped .*cat$")
    s.type("fg\n")
    s.type("for it\n")
    s.expect(r"^for it$(.|\n)*^for it$")
    s.type("\x03")
    s.expect(PROMPT)
    s.type("exit\n")
    check(s.end() == 130, s.shown)


if shutil.which("bash"):

    def test_stop_continue_and_kill_a_job():
        inside_and_outside(stop_and_kill)

    def test_a_job_goes_to_the_front_and_behind():
        inside_and_outside(front_and_behind, **{"job.py": JOB})

    def test_pipelines_and_readers_on_a_terminal():
        inside_and_outside(pipelines_and_readers)

    def test_a_program_without_jobs_takes_the_sandbox_with_it():
        with folder() as where, shell([], where) as s:
            s.type(f"{SBX} run -- cat\n")
            s.type("a line\n")
            s.expect(r"^a line$(.|\n)*^a line$")
            s.type("\x1a")
            s.expect(r"^\[1\]\+  Stopped .* run -- cat$", PROMPT)
            s.type("fg\n")
            s.type("another\n")
            s.expect(r"^another$(.|\n)*^another$")
            s.type("\x04")
            s.expect(PROMPT)
            s.command("echo $?", r"^0$")
            s.type("exit\n")
            check(s.end() == 0, s.shown)
