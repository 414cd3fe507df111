# SPDX-License-Identifier: Apache-2.0
"""The world that `sbx run` makes, and the options that change it."""
import os
import shutil
import subprocess
import sys

from harness import HANG, SBX, check, folder, run


def test_closed_standard_descriptors():
    for fd in (0, 1, 2):
        script = f"ls -l /proc/self/fd/{fd} >/dev/null 2>&1; echo $? >&{3 - fd if fd else 1}"
        native = subprocess.run(["sh", "-c", f"exec {fd}>&-; sh -c '{script}'"], capture_output=True, text=True)
        guest = subprocess.run(["sh", "-c", f"exec {fd}>&-; {SBX} run sh -c '{script}'"], capture_output=True, text=True)
        check((native.stdout, native.returncode) == (guest.stdout, guest.returncode), guest)


def test_standard_input_is_read():
    r = subprocess.run([SBX, "run", "cat"], input="a line\nanother", capture_output=True, text=True, timeout=HANG)
    check((r.returncode, r.stdout) == (0, "a line\nanother"), r)


def test_standard_input_left_over_is_the_next_readers():
    r = subprocess.run(["sh", "-c", f"{SBX} run head -c 2; cat"], input="abcdef", capture_output=True, text=True, timeout=HANG)
    check(r.stdout == "abcdef", r)


EDGES = """
import os, select
ep = select.epoll()
ep.register(0, select.EPOLLIN | select.EPOLLET)
while True:
    n = len(ep.poll(20))
    data = os.read(0, 100)
    print(n, flush=True)
    if not data:
        break
"""


def test_edges_of_standard_input_without_reading_it_dry():
    p = subprocess.Popen([SBX, "run", sys.executable, "-c", EDGES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for i in range(3):
        p.stdin.write("x")
        p.stdin.flush()
        line = p.stdout.readline()
        check(line == "1\n", line)
    p.stdin.close()
    check(p.stdout.read() == "1\n" and p.wait(30) == 0, p.returncode)


def test_other_descriptors_are_not_handed_through():
    r = subprocess.run(["sh", "-c", f"exec 7</etc/passwd; {SBX} run sh -c 'cat <&7'"], capture_output=True, text=True, timeout=HANG)
    check(r.returncode != 0 and r.stdout == "", r)


def test_nothing_written_is_kept():
    with folder() as d:
        r = run("sh", "-c", "echo x > here && echo y > /etc/sbx-test && echo z > /tmp/t && cat here /etc/sbx-test /tmp/t", cwd=d)
        check((r.status, r.out) == (0, "x\ny\nz\n"), r)
        check(os.listdir(d) == [] and not os.path.exists("/etc/sbx-test"), os.listdir(d))


def test_the_current_directory_is_seen_even_under_tmp():
    with folder() as d:
        open(os.path.join(d, "file"), "w").write("content\n")
        r = run("sh", "-c", "pwd; cat file", cwd=d)
        check(r.out == f"{d}\ncontent\n", r)


def test_tmp_is_private():
    with folder() as d:
        open(os.path.join(d, "secret"), "w").write("x")
        r = run("ls", d, cwd="/")
        check(r.status != 0, r)


def test_environment_is_reduced():
    env = dict(os.environ, SECRET="x", LC_TIME="C", TERM="dumb")
    r = run("env", env=env)
    check("SECRET" not in r.out and "LC_TIME=C\n" in r.out and "TERM=dumb\n" in r.out and "PATH=" in r.out, r)
    r = run("-e", "SECRET", "--env", "A=b=c", "env", env=env)
    check("SECRET=x\n" in r.out and "A=b=c\n" in r.out, r)
    r = run("--env-all", "env", env=env)
    check("SECRET=x\n" in r.out, r)


def test_volume_is_written_through():
    with folder() as d:
        r = run("-v", f"{d}:/mnt/vol", "sh", "-c", "echo x > /mnt/vol/f; mkdir /mnt/vol/d; cat /mnt/vol/f")
        check((r.status, r.out) == (0, "x\n"), r)
        check(open(os.path.join(d, "f")).read() == "x\n" and os.path.isdir(os.path.join(d, "d")), os.listdir(d))


def test_read_only_volume():
    with folder() as d:
        open(os.path.join(d, "f"), "w").write("x\n")
        for option in (["-v", f"{d}:/mnt/vol:ro"], ["--ro-bind", d, "/mnt/vol"]):
            r = run(*option, "sh", "-c", "cat /mnt/vol/f; echo y > /mnt/vol/f", cwd="/")
            check(r.out == "x\n" and r.status != 0 and "Read-only" in r.err, r)
        check(open(os.path.join(d, "f")).read() == "x\n", "changed")


def test_a_single_file_as_volume():
    with folder() as d:
        open(os.path.join(d, "f"), "w").write("x\n")
        open(os.path.join(d, "other"), "w").write("secret\n")
        r = run("--ro-bind", os.path.join(d, "f"), "/etc/hostname", "cat", "/etc/hostname", cwd="/")
        check((r.status, r.out) == (0, "x\n"), r)


def test_missing_volume():
    r = run("-v", "/no/such:/x", "true")
    check(r.status == 125 and r.err.count("\n") == 1, r)


def test_read_only_root():
    r = run("--read-only", "sh", "-c", "echo x > /etc/y; echo z > /tmp/z && cat /tmp/z", cwd="/")
    check(r.out == "z\n" and "Read-only" in r.err, r)


def test_tmpfs():
    r = run("--tmpfs", "/mnt/t:size=64k", "sh", "-c", "ls /mnt/t; head -c 100000 /dev/zero > /mnt/t/x", cwd="/")
    check(r.status != 0 and "No space left" in r.err, r)


def test_a_tmpfs_directory_is_as_long_as_linux_says():
    r = run("--tmpfs", "/x", "--", "sh", "-c", "cd /x; stat -c %s .; touch a; mkdir b; stat -c %s .; rm a; stat -c %s . b")
    check(r.out.split() == ["40", "80", "60", "40"], r)


def test_hide():
    r = run("--hide", "/etc", "sh", "-c", "ls /etc | wc -l", cwd="/")
    check(r.out.strip() == "0", r)
    r = run("--hide", "/etc/passwd", "sh", "-c", "wc -c < /etc/passwd", cwd="/")
    check(r.out.strip() == "0", r)


def test_workdir():
    check(run("-w", "/usr", "pwd").out == "/usr\n", "workdir")
    check(run("-w", "/no/such", "pwd").status == 125, "workdir")


def test_hostname():
    check(run("--hostname", "box", "uname", "-n").out == "box\n", "hostname")


def test_ids_are_the_callers_and_no_capability():
    r = run("sh", "-c", "id -u; id -g; grep CapEff /proc/self/status")
    check(r.out.split()[:2] == [str(os.getuid()), str(os.getgid())] and r.out.split()[-1].strip("0") == "", r)


def test_root_directory():
    with folder() as d:
        subprocess.run(["cc", "-static", "-x", "c", "-", "-o", os.path.join(d, "prog")], check=True, text=True,
                       input='#include <stdio.h>\n#include <dirent.h>\nint main(){DIR*d=opendir("/");struct dirent*e;int etc=0;'
                             'while((e=readdir(d)))if(e->d_name[0]==\'e\')etc=1;printf("%d\\n",etc);}')
        r = run("--root", d, "/prog", cwd="/")
        check((r.status, r.out) == (0, "0\n"), r)


CLOCKS = r"""
#include <pthread.h>
#include <stdio.h>
#include <time.h>
static void *spin(void *arg)
{
	for (volatile unsigned long i = 0; i < 300000000; i++)
		;
	return arg;
}
int main(void)
{
	pthread_t th;
	struct timespec ts;
	pthread_create(&th, NULL, spin, NULL);
	pthread_join(th, NULL);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	puts(ts.tv_sec || ts.tv_nsec >= 50000000 ? "counted" : "lost");
}
"""


def test_a_root_that_is_no_mount_point():
    """Under chroot(2) the sentry cannot exchange its root, but finds its stubs by their numbers all the same."""
    if os.geteuid():
        return
    with folder() as d:
        for name in "usr", "proc", "dev", "tmp", "etc":
            os.mkdir(f"{d}/{name}")
        for link in "bin", "sbin", "lib", "lib32", "lib64":
            if os.path.islink(f"/{link}"):
                os.symlink(os.readlink(f"/{link}"), f"{d}/{link}")
            elif os.path.isdir(f"/{link}"):
                os.mkdir(f"{d}/{link}")
                os.mkdir(f"{d}/{link}.real")
        subprocess.run(["cc", "-pthread", "-x", "c", "-", "-o", f"{d}/clocks"], input=CLOCKS, text=True, check=True)
        shutil.copy2(SBX, f"{d}/sbx")
        script = f"""
            mount -t proc proc {d}/proc && mount --bind /dev {d}/dev && mount --rbind /usr {d}/usr &&
            for l in bin sbin lib lib32 lib64; do [ ! -d {d}/$l.real ] || mount --rbind /$l {d}/$l; done &&
            exec chroot {d} /sbx run -- /clocks"""
        r = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=HANG, cwd="/")
        if r.stderr.startswith(("unshare:", "mount:")):  # refused here; or this is a chroot already, and every test a test of it
            return
        check(r.returncode == 0 and r.stdout == "counted\n", r)


def test_network_is_off():
    r = run("python3", "-c", "import socket\ntry:\n socket.create_connection(('192.0.2.1',80),3)\nexcept OSError as e: print(e.errno)")
    check(r.out in ("101\n", "100\n"), r)


def test_a_lot_of_output_through_a_pipe():
    r = run("head", "-c", "3000000", "/dev/zero")
    check(r.status == 0 and len(r.out) == 3000000, (r.status, len(r.out)))
