# SPDX-License-Identifier: Apache-2.0
"""gdb and strace inside the sandbox say what they say outside. What is not installed is left out."""
import os
import re
import shutil
import subprocess

from harness import HANG, check, folder, run

CRASH = """
int boom(int *p, int depth) { if (depth) return boom(p, depth - 1) + 1; return *p; }
int main(void) { return boom(0, 3); }
"""
THREADS = """
#include <pthread.h>
static pthread_barrier_t b;
static int counter;
static void *work(void *a) { pthread_barrier_wait(&b); pthread_barrier_wait(&b); return a; }
static void meet(void) { counter++; }
int main(void)
{
	pthread_t t[3];

	pthread_barrier_init(&b, 0, 4);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], 0, work, 0);
	pthread_barrier_wait(&b);
	meet();
	pthread_barrier_wait(&b);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], 0);
	return counter;
}
"""
WATCH = """
int value, other;
static void place(void) { value++; }
int main(void) { value = 1; other = 2; place(); value += other; return value; }
"""
GDB = ["gdb", "-nx", "-batch"]


def compile_in(where, text):
    with open(os.path.join(where, "program.c"), "w") as f:
        f.write(text)
    subprocess.run(["cc", "-g", "-O0", "-pthread", "program.c", "-o", "program"], check=True, cwd=where)


def no_numbers(text):
    return re.sub(r"process \d+", "process", text)


def natively(*args, **kw):
    return subprocess.run(args, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=HANG, **kw).stdout


if shutil.which("gdb") and shutil.which("cc"):

    def test_gdb_shows_the_same_backtrace():
        with folder() as where:
            compile_in(where, CRASH)
            command = [*GDB, "-ex", "run", "-ex", "bt", "./program"]
            r = run(*command, cwd=where)
            check("#4 " in r.out and r.out == natively(*command, cwd=where), r)

    def test_gdb_stops_threads_at_a_breakpoint_and_steps():
        with folder() as where:
            compile_in(where, THREADS)
            r = run(*GDB, "-ex", "break meet", "-ex", "run", "-ex", "info threads", "-ex", "next", "-ex", "print counter",
                    "-ex", "stepi", "-ex", "continue", "./program", cwd=where)
            check("hit Breakpoint 1, meet ()" in r.out, r)
            check(len(re.findall(r"^[* ] +\d+ +Thread ", r.out, re.M)) == 4, r)
            check("$1 = 1" in r.out and "exited with code 01" in r.out, r)

    def test_gdb_watches_as_it_does_outside():
        with folder() as where:
            compile_in(where, WATCH)
            command = [*GDB, "-ex", "break main", "-ex", "run", "-ex", "watch value", "-ex", "rwatch other", "-ex", "hbreak place",
                       "-ex", "continue", "-ex", "continue", "-ex", "continue", "-ex", "continue", "-ex", "info watchpoints", "./program"]
            r = run(*command, cwd=where)
            check("Hardware watchpoint 2: value" in r.out, r)
            # On processors whose debug registers work, it stops there too.
            theirs = natively(*command, cwd=where)
            check(no_numbers(r.out) == no_numbers(theirs), (r, theirs))

    def test_gdb_attaches_and_lets_go():
        script = "sleep 100 & gdb -nx -batch -p $! -ex 'info inferiors' -ex detach; kill $!; wait $!; echo status $?"
        r = run("sh", "-c", script)
        check("detached]" in r.out and "status 143" in r.out, r)


if shutil.which("strace"):

    def test_strace_follows_children():
        r = run("strace", "-f", "sh", "-c", "echo text | cat")
        check(r.status == 0 and r.out == "text\n", r)
        check(r.err.count("+++ exited with 0 +++") >= 2 and "execve(" in r.err and "SIGCHLD" in r.err, r)

    def test_strace_counts():
        r = run("strace", "-c", "ls", "/")
        check(r.status == 0 and re.search(r" execve$", r.err, re.M) and re.search(r" total$", r.err, re.M), r)

    def test_strace_attaches_and_lets_go():
        script = """
            sleep 100 & p=$!
            strace -p $p & s=$!
            until grep -q "TracerPid:.[1-9]" /proc/$p/status; do sleep 0.1; done
            kill $s; wait $s
            grep TracerPid /proc/$p/status
            kill $p; wait $p; echo status $?"""
        r = run("sh", "-c", script)
        check("attached" in r.err and "detached" in r.err and r.out == "TracerPid:\t0\nstatus 143\n", r)
