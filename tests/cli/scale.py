# SPDX-License-Identifier: Apache-2.0
"""What guests cost: nothing while they sleep, their own time while they compute."""
import os
import subprocess

from harness import check, descendants, folder, start

TICK = os.sysconf("SC_CLK_TCK")

BUSY = r"""
#include <pthread.h>
#include <stdio.h>
#include <time.h>
static void *spin(void *arg)
{
	for (volatile unsigned long i = 0; i < 150000000; i++)
		;
	return arg;
}
int main(void)
{
	pthread_t th[8];
	struct timespec ts;
	for (int i = 0; i < 8; i++)
		pthread_create(&th[i], NULL, spin, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(th[i], NULL);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	printf("%ld.%09ld\n", ts.tv_sec, ts.tv_nsec);
}
"""


def spent(pids):
    """Processor time so far, in ticks."""
    total = 0
    for p in pids:
        fields = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total


def test_sleeping_guests_use_no_processor_time():
    sleepers = " ".join(["sleep 100 &"] * 20)
    p = start("sh", "-c", f"{sleepers} sleep 1; echo ready; wait", stdout=subprocess.PIPE)
    try:
        check(p.stdout.readline() == b"ready\n", p)
        below = descendants(p.pid)
        before = spent(below)
        subprocess.run(["sleep", "2"], check=True)
        check(spent(below) - before <= 2, (before, spent(below)))
    finally:
        p.terminate()
        p.wait(20)


def test_busy_threads_cost_what_they_compute():
    with folder() as d:
        subprocess.run(["cc", "-O1", "-pthread", "-x", "c", "-", "-o", f"{d}/busy"], input=BUSY, text=True, check=True)
        p = subprocess.Popen([os.environ["SBX"], "run", "--", f"{d}/busy"], cwd=d, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        guest = float(p.stdout.read())
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = status
        check(status == 0, status)
        # Whatever is not the guest's own: start and end of the sandbox, and the platform's looking after eight busy threads.
        check(usage.ru_utime + usage.ru_stime - guest < 0.3 * guest + 0.5, (guest, usage))
