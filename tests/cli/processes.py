# SPDX-License-Identifier: Apache-2.0
"""Nothing outlives a run, whoever is killed."""
import os
import signal
import subprocess
import time

from harness import alive, check, descendants, run, start, wait_until

BUSY = "sleep 100 & sleep 100 & (sleep 100; :) & echo ready; wait"


def started():
    """A sandbox with several processes, once they run: (front, everything below it)."""
    p = start("sh", "-c", BUSY, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"ready\n"
    time.sleep(0.2)
    return p, descendants(p.pid)


def test_killing_the_sentry_leaves_nothing():
    p, below = started()
    os.kill(below[0], signal.SIGKILL)
    check(p.wait(20) == 125, p.returncode)
    check(wait_until(lambda: not any(map(alive, below))), below)


def test_killing_the_front_leaves_nothing():
    p, below = started()
    p.kill()
    p.wait(20)
    check(wait_until(lambda: not any(map(alive, below))), below)


def test_killing_at_random_moments_leaves_nothing():
    for ms in (1, 2, 3, 5, 8, 13, 21, 34):
        p = start("sh", "-c", "sleep 60 & sleep 60")
        time.sleep(ms / 1000)
        below = descendants(p.pid)
        p.kill()
        p.wait(20)
        check(wait_until(lambda: not any(map(alive, below))), (ms, below))


def test_background_children_end_with_the_program():
    p = start("sh", "-c", "setsid sleep 100 & sleep 100 & exit 3")
    check(p.wait(20) == 3, p.returncode)


def test_signals_are_handed_on():
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        p = start("sleep", "100")
        time.sleep(0.5)
        p.send_signal(sig)
        check(p.wait(20) == 128 + sig, (sig, p.returncode))


def test_a_handler_in_the_guest_sees_the_signal():
    script = "import signal,sys\nsignal.signal(15,lambda *a:sys.exit(7))\nprint('ready',flush=True)\nsignal.pause()"
    p = start("python3", "-c", script, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"ready\n"
    p.terminate()
    check(p.wait(20) == 7, p.returncode)


def test_an_idle_guest_costs_no_processor_time():
    p, below = started()

    def used():
        total = 0
        for pid in [p.pid, *below]:
            try:
                f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            total += int(f[11]) + int(f[12])
        return total

    before = used()
    time.sleep(2)
    after = used()
    p.kill()
    p.wait(20)
    check(after - before <= 1, after - before)


def test_two_sandboxes_do_not_see_each_other():
    p, below = started()
    r = run("sh", "-c", "ps -e 2>/dev/null | grep -c sleep; ls /proc | grep -c '^[0-9]*$'")
    p.kill()
    p.wait(20)
    check(r.out.split()[0] == "0", r)
