# SPDX-License-Identifier: Apache-2.0
"""Signals of the caller: what it ignores and blocks is inherited as by exec, and what is sent to sbx reaches the program."""
import ctypes
import signal
import struct
import subprocess

from harness import HANG, check, run, start

RT_SIGACTION = 13
SHOW = ("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")


def natively_and_inside(before):
    """What a program says of its signals when `before` has run in its parent, natively and under sbx."""
    natively = subprocess.run(SHOW, capture_output=True, text=True, preexec_fn=before, restore_signals=False).stdout
    return natively, run(*SHOW, preexec_fn=before, restore_signals=False).out


def test_ignored_signals_are_inherited():
    def before():
        for s in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD, signal.SIGTSTP, signal.SIGRTMAX):
            signal.signal(s, signal.SIG_IGN)
    natively, inside = natively_and_inside(before)
    check(natively == inside, (natively, inside))


def test_blocked_signals_are_inherited():
    def before():
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGTERM, signal.SIGUSR2, signal.SIGRTMIN, signal.SIGRTMAX])
    natively, inside = natively_and_inside(before)
    check(natively == inside, (natively, inside))


def test_other_signals_have_their_default():
    def before():
        for s in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
            signal.signal(s, signal.SIG_DFL)
    natively, inside = natively_and_inside(before)
    check(natively == inside, (natively, inside))


def test_signals_of_the_c_librarys_own_are_inherited():
    ignore = ctypes.create_string_buffer(struct.pack("QQQQ", 1, 0, 0, 0))  # struct sigaction with SIG_IGN
    natively, inside = natively_and_inside(lambda: ctypes.CDLL(None).syscall(RT_SIGACTION, 33, ignore, None, 8))
    check(natively == inside and int(natively.split()[-1], 16) >> 32 & 1, (natively, inside))


def survivor(program, sig):
    """Output and status of a program that was started with `sig` ignored and then sent it."""
    p = start("python3", "-c", program, stdout=subprocess.PIPE, preexec_fn=lambda: signal.signal(sig, signal.SIG_IGN))
    first = p.stdout.readline()
    p.send_signal(sig)
    out = first + p.communicate(timeout=HANG)[0]
    return out, p.returncode


def test_a_program_may_go_on_ignoring():
    out, status = survivor("import signal, time\nprint('ready', flush=True)\n"
                           "signal.sigtimedwait([signal.SIGUSR1], 0.5)\nprint('alive')", signal.SIGHUP)
    check((out, status) == (b"ready\nalive\n", 0), (out, status))


def test_a_program_may_change_its_mind():
    out, status = survivor("import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])\n"
                           "signal.signal(signal.SIGHUP, lambda *a: None)\nprint('ready', flush=True)\n"
                           "print(signal.sigwait([signal.SIGHUP]).name)", signal.SIGHUP)
    check((out, status) == (b"ready\nSIGHUP\n", 0), (out, status))


def meets_init(orphan, before=""):
    """A grandchild signals process 1 when the process between is or is not gone, and process 1 says how it went."""
    grandchild = "sh -c 'read x <go; kill -ALRM 1; kill -KILL 1; kill -TERM 1; echo $? >said' &"
    return run("sh", "-c", f"""cd /tmp; mkfifo go said; {before}
{f"({grandchild})" if orphan else f"({grandchild} wait) &"}
echo >go
read x <said || read x <said
echo alive $x""")


def test_the_program_is_init_to_an_orphan():
    r = meets_init(True)
    check(r.status == 0 and r.out == "alive 0\n", r)


def test_others_may_end_the_program():
    r = meets_init(False)
    check(r.status == 128 + signal.SIGALRM, r)


def test_an_orphan_reaches_a_handler():
    r = meets_init(True, "trap 'echo alarm' ALRM")
    check(r.status == 0 and "alarm\n" in r.out and "alive 0\n" in r.out, r)
