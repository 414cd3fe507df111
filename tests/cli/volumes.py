# SPDX-License-Identifier: Apache-2.0
"""--volume, --bind, --ro-bind, --tmpfs, --read-only and --hide with real file operations from inside."""
import os
import stat
import subprocess
import sys
import time

from harness import HANG, SBX, check, folder, run, start, wait_until


def put(path, text="", mode=0o644):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def get(path):
    with open(path) as f:
        return f.read()


def sh(script, *options, **kw):
    return run(*options, "sh", "-c", script, cwd="/", **kw)


def test_changes_reach_the_host():
    with folder() as d:
        put(f"{d}/old", "old\n")
        put(f"{d}/gone")
        os.mkdir(f"{d}/dir")
        r = sh("cd /v; echo more >> old; rm gone; mv dir moved; mkdir -m 750 new; ln -s old link; ln old hard; mkfifo -m 600 fifo;"
               "umask 077; echo x > private; touch -d @1234567890 private; truncate -s 100 sparse; chmod 4711 sparse; cp -a /v/new /v/moved/",
               "-v", f"{d}:/v")
        check((r.status, r.out, r.err) == (0, "", ""), r)
        check(get(f"{d}/old") == "old\nmore\n" and os.stat(f"{d}/old").st_nlink == 2, "content")
        check(sorted(os.listdir(d)) == ["fifo", "hard", "link", "moved", "new", "old", "private", "sparse"], os.listdir(d))
        check(os.readlink(f"{d}/link") == "old" and stat.S_ISFIFO(os.stat(f"{d}/fifo").st_mode), "link, fifo")
        modes = {n: stat.S_IMODE(os.stat(f"{d}/{n}").st_mode) for n in ("new", "private", "sparse", "fifo", "moved/new")}
        check(modes == {"new": 0o750, "private": 0o600, "sparse": 0o4711, "fifo": 0o600, "moved/new": 0o750}, modes)
        check(os.stat(f"{d}/private").st_mtime == 1234567890 and os.stat(f"{d}/sparse").st_size == 100, "time, size")


def test_modes_do_not_depend_on_the_callers_umask():
    with folder() as d:
        old = os.umask(0o077)
        try:
            r = sh("umask; umask 0; mkdir /v/d; echo x > /v/f; mkfifo /v/p", "-v", f"{d}:/v")
        finally:
            os.umask(old)
        check(r.out == "0077\n", r)
        modes = [stat.S_IMODE(os.stat(f"{d}/{n}").st_mode) for n in "dfp"]
        check(modes == [0o777, 0o666, 0o666], modes)


def test_changes_of_the_host_are_seen():
    with folder() as d:
        put(f"{d}/f", "one\n")
        put(f"{d}/r", "first\n")
        os.mkdir(f"{d}/dir")
        put(f"{d}/dir/in", "in\n")
        script = ("cd /v/dir; exec 5</v/f; cat /v/f; ls /v; [ -e /v/late ] || echo no; echo ready > /v/ready;"
                  "while [ ! -e /v/go ]; do sleep 0.02; done;"
                  "cat /v/f <&5; cat /v/late; ls /v; cat /v/r; stat -c %s /v/f; cat in; pwd; ls /v/moved")
        p = start("-v", f"{d}:/v", "sh", "-c", script, cwd="/", stdout=subprocess.PIPE, text=True)
        check(wait_until(lambda: os.path.exists(f"{d}/ready")), "not ready")
        put(f"{d}/f", "changed\n")
        put(f"{d}/late", "late\n")
        put(f"{d}/tmp", "replaced\n")
        os.rename(f"{d}/tmp", f"{d}/r")
        os.rename(f"{d}/dir", f"{d}/moved")
        put(f"{d}/go")
        out = p.communicate(timeout=HANG)[0]
        want = ("one\ndir\nf\nr\nno\nchanged\nlate\nf\ngo\nlate\nmoved\nr\nready\nreplaced\n8\n")
        check(out.startswith(want) and out.endswith("in\n"), out)


def test_a_file_that_the_host_removed_stays_open():
    with folder() as d:
        put(f"{d}/f", "content\n")
        script = ("exec 5<>/v/f; touch /v/ready; while [ -e /v/f ]; do sleep 0.02; done; cat <&5; echo more >&5;"
                  "stat -L -c '%h %s' /proc/self/fd/5; cat /proc/self/fd/5; cat /v/f 2>&1")
        p = start("-v", f"{d}:/v", "sh", "-c", script, cwd="/", stdout=subprocess.PIPE, text=True)
        check(wait_until(lambda: os.path.exists(f"{d}/ready")), "not ready")
        os.unlink(f"{d}/f")
        out = p.communicate(timeout=HANG)[0]
        check(out == "content\n0 13\ncontent\nmore\ncat: /v/f: No such file or directory\n", out)


def test_names_of_one_file_share_it():
    with folder() as d:
        put(f"{d}/a", "x")
        os.link(f"{d}/a", f"{d}/b")
        program = ("import fcntl, os, sys\nos.chdir('/v')\na = open('a', 'r+'); b = open('b', 'r+')\n"
                   "fcntl.flock(a, fcntl.LOCK_EX)\ntry:\n fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)\n print('two')\n"
                   "except BlockingIOError:\n print('one')\n"
                   "print(os.fstat(a.fileno()).st_ino == os.stat('b').st_ino)\n"
                   "os.unlink('a'); print(open('b').read()); os.rename('b', 'c'); print(open('c').read(), os.stat('c').st_nlink)\n"
                   "os.link('c', 'd'); os.unlink('c'); open('d', 'a').write('y'); print(open('d').read())")
        r = run("-v", f"{d}:/v", "python3", "-c", program, cwd="/")
        check(r.out == "one\nTrue\nx\nx 1\nxy\n", r)


def test_mapped_shared():
    with folder() as d:
        put(f"{d}/f", "a" * 10000)
        program = ("import mmap, os\nf = open('/v/f', 'r+b')\nm = mmap.mmap(f.fileno(), 0)\nm[5000] = 66\nf.seek(5000)\n"
                   "print(f.read(1))\nos.pwrite(f.fileno(), b'C', 6000)\nprint(m[6000:6001])\nos.unlink('/v/f')\nm[1] = 67\n"
                   "n = mmap.mmap(f.fileno(), 0)\nprint(n[1:2])\nf.close()\nm[2] = 68\nprint(n[2:3])")
        r = run("-v", f"{d}:/v", "python3", "-c", program, cwd="/")
        check(r.out == "b'B'\nb'C'\nb'C'\nb'D'\n", r)


def test_a_program_made_on_a_volume():
    with folder() as d:
        put(f"{d}/p.c", '#include <stdio.h>\nint main(void) { puts("compiled"); }\n')
        p = start("-v", f"{d}:/v", "sh", "-c", "cd /v; cc -o prog p.c && ./prog; touch done; sleep 5", cwd="/",
                  stdout=subprocess.DEVNULL)
        try:
            check(wait_until(lambda: os.path.exists(f"{d}/done")), "not compiled")
            # While the sandbox still runs: it must not hold the program open for writing.
            r = subprocess.run([f"{d}/prog"], capture_output=True, text=True)
            check(r.stdout == "compiled\n", r)
        finally:
            p.kill()
            p.wait()


def test_symbolic_links_stay_inside():
    with folder() as d, folder() as other:
        put(f"{other}/secret", "secret\n")
        os.symlink(f"{other}/secret", f"{d}/abs")
        os.symlink(f"../{os.path.basename(other)}/secret", f"{d}/rel")
        os.symlink("/etc/hostname", f"{d}/etc")
        r = sh("cat /v/abs /v/rel; cat /v/etc >/dev/null && echo etc; cd /v/..; pwd", "-v", f"{d}:/v", "--tmpfs", "/tmp/x")
        check("secret\n" not in r.out and r.out.endswith("etc\n/\n"), r)


def test_volumes_in_volumes():
    with folder() as d, folder() as e:
        os.mkdir(f"{d}/in")
        put(f"{d}/in/hidden")
        put(f"{e}/f", "e\n")
        r = sh("ls /v/in; cat /v/in/f; echo x > /v/in/new; mv /v/in/new /v/new 2>&1; ls /v; ln /v/in/f /v/f 2>&1; rmdir /v/in 2>&1;"
               "mv /v/in /v/out 2>&1; ls -a /v/t; echo t > /v/t/x; df --output=target /v/in | tail -1",
               "-v", f"{d}:/v", "-v", f"{e}:/v/in", "--tmpfs", "/v/t")
        check(r.out == "f\ne\nin\nnew\nt\nln: failed to create hard link '/v/f' => '/v/in/f': Invalid cross-device link\n"
              "rmdir: failed to remove '/v/in': Device or resource busy\nmv: cannot move '/v/in' to '/v/out': Device or resource busy\n"
              ".\n..\n/v/in\n", r)
        check(sorted(os.listdir(d)) in (["in", "new"], ["in", "new", "t"]) and os.listdir(e) == ["f"], (os.listdir(d), os.listdir(e)))


WRITES = ("echo x > /v/f", "echo x > /v/new", "mkdir /v/new", "rmdir /v/dir", "rm -f /v/f", "mv /v/f /v/g", "ln /v/f /v/g",
          "ln -s f /v/g", "chmod 600 /v/f", "chown $(id -u) /v/f", "touch /v/f", "touch /v/new", "truncate -s 0 /v/f", "mkfifo /v/p",
          "setfattr -n user.x -v 1 /v/f", "mv /v/dir /v/dir2", "python3 -c \"open('/v/f', 'r+')\"",
          "python3 -c \"import os; os.open('/v', os.O_TMPFILE | os.O_RDWR)\"")


def refuses_all_writes(*options):
    lines = "\n".join(f"( {w} ) 2>&1 | grep -q 'Read-only file system' && echo ok || echo 'NOT REFUSED: {w.replace(chr(39), '')}'"
                      for w in WRITES if "setfattr" not in w)
    r = sh(lines + "\ncat /v/f; [ -w /v/f ] || echo not writable; [ -r /v/f ] && echo readable", *options)
    check(r.out == "ok\n" * (len(WRITES) - 1) + "f\nnot writable\nreadable\n", r)


def test_read_only_volumes_refuse_everything():
    with folder() as d:
        put(f"{d}/f", "f\n")
        os.mkdir(f"{d}/dir")
        refuses_all_writes("-v", f"{d}:/v:ro")
        refuses_all_writes("--ro-bind", d, "/v")
        check(sorted(os.listdir(d)) == ["dir", "f"] and get(f"{d}/f") == "f\n", os.listdir(d))


def test_read_only_in_writable():
    with folder() as d, folder() as e:
        os.mkdir(f"{d}/ro")
        put(f"{e}/f", "f\n")
        r = sh("echo x > /v/y; echo x > /v/ro/f; echo z > /v/ro/g; cat /v/ro/f", "-v", f"{d}:/v", "--ro-bind", e, "/v/ro")
        check(r.out == "f\n" and r.err.count("Read-only") == 2 and os.path.exists(f"{d}/y"), r)


def test_read_only_root_refuses_everything():
    r = sh("for f in /etc/x /usr/x /x; do echo x > $f; done; rm /etc/passwd; mkdir /y; chmod 777 /etc; mv /etc/passwd /tmp/p;"
           "echo ok > /tmp/t; echo ok > /dev/shm/t; echo x > /dev/null; cat /tmp/t /dev/shm/t", "--read-only")
    check(r.out == "ok\nok\n" and r.err.count("Read-only") == 7, r)


def test_read_only_root_with_volume():
    with folder() as d:
        r = sh("echo x > /v/f; echo y > /etc/z", "--read-only", "-v", f"{d}:/v")
        check(get(f"{d}/f") == "x\n" and r.err.count("Read-only") == 1, r)


def test_one_file():
    with folder() as d:
        put(f"{d}/f", "f\n")
        put(f"{d}/secret", "secret\n")
        r = sh("cat /etc/hostname; echo more >> /etc/hostname; cat /etc/hostname; ls -l /etc/hostname | cut -c1-10;"
               "rm /etc/hostname 2>&1; mv /etc/hostname /etc/h 2>&1; ls /etc/secret 2>&1", "-v", f"{d}/f:/etc/hostname")
        check(r.out == "f\nf\nmore\n-rw-r--r--\nrm: cannot remove '/etc/hostname': Device or resource busy\n"
              "mv: cannot move '/etc/hostname' to '/etc/h': Device or resource busy\nls: cannot access '/etc/secret': No such file or directory\n", r)
        check(get(f"{d}/f") == "f\nmore\n" and sorted(os.listdir(d)) == ["f", "secret"], os.listdir(d))
        r = sh("cat /etc/hostname; echo x >> /etc/hostname", "--ro-bind", f"{d}/f", "/etc/hostname")
        check(r.out == "f\nmore\n" and "Read-only" in r.err, r)


def test_a_new_file_as_mount_point():
    with folder() as d:
        put(f"{d}/f", "f\n")
        r = sh("cat /opt/some/where/file", "--ro-bind", f"{d}/f", "/opt/some/where/file")
        check((r.status, r.out) == (0, "f\n"), r)
        r = sh("cat /opt/some/dir/f", "--ro-bind", d, "/opt/some/dir")
        check((r.status, r.out) == (0, "f\n"), r)


def test_tmpfs_is_full_and_then_is_not():
    r = sh("cd /t; stat -f -c '%T %S %b' .; head -c 50000 /dev/zero > a; head -c 50000 /dev/zero > b; stat -c %s b; rm a;"
           "head -c 50000 /dev/zero > b && stat -c %s b; rm b; stat -c %a .; stat -f -c %f .; mkdir d; df --output=size,used . | tail -1",
           "--tmpfs", "/t:size=64k")
    check(r.out.split() == ["tmpfs", "4096", "16", "12288", "50000", "1777", "16", "64", "0"] and r.err.count("No space left") == 1, r)


def test_tmpfs_hides_what_was_there():
    with folder() as d:
        put(f"{d}/f")
        r = sh("ls -A /v; echo x > /v/y; ls /v", "-v", f"{d}:/v", "--tmpfs", "/v")
        check(r.out == "y\n" and os.listdir(d) == ["f"], r)


def test_hidden():
    with folder() as d:
        os.mkdir(f"{d}/s")
        put(f"{d}/s/key", "key\n")
        put(f"{d}/f", "f\n")
        r = sh("ls -A /v /v/s; cat /v/s/key 2>&1; echo x > /v/s/new; cat /v/f | wc -c; echo x > /v/f; mv /v/s /v/t 2>&1;"
               "rm -r /v/s 2>&1; cd /v/s && ls /v/s/../..  >/dev/null && echo entered; find /v -name key",
               "-v", f"{d}:/v", "--hide", "/v/s", "--hide", "/v/f")
        check("key\n" not in r.out.replace("/v/s/key", "") and os.path.exists(f"{d}/s/key"), r)
        check("entered\n" in r.out and get(f"{d}/f") == "f\n" and os.listdir(f"{d}/s") == ["key"], r)


def test_hidden_by_symbolic_link():
    with folder() as d:
        os.mkdir(f"{d}/real")
        put(f"{d}/real/key", "key\n")
        os.symlink("real", f"{d}/link")
        r = sh("cat /v/real/key /v/link/key 2>/dev/null; ls -A /v/real", "-v", f"{d}:/v", "--hide", "/v/link")
        check(r.out == "", r)


def test_hiding_nothing():
    check(sh("echo ok", "--hide", "/no/such/thing").out == "ok\n", "hide")


def test_locks_of_the_sandbox_and_many_files():
    with folder() as d:
        r = sh("cd /v; i=0; while [ $i -lt 3000 ]; do echo $i > f$i; i=$((i+1)); done; ls | wc -l; cat f* | tail -1; rm f*; ls | wc -l",
               "-v", f"{d}:/v")
        check(r.out.split() == ["3000", "999", "0"] and os.listdir(d) == [], r)


def test_many_open_files():
    with folder() as d:
        program = ("import os, resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))\nos.chdir('/v')\n"
                   "f = [open(f'f{i}', 'w+') for i in range(900)]\nfor i, x in enumerate(f): x.write(str(i)); x.flush()\n"
                   "for i in range(900): os.unlink(f'f{i}')\nfor x in f: x.seek(0)\nprint(all(x.read() == str(i) for i, x in enumerate(f)))")
        r = run("-v", f"{d}:/v", "python3", "-c", program, cwd="/")
        check(r.out == "True\n" and os.listdir(d) == [], r)


def test_git_and_tar_on_a_volume():
    with folder() as d:
        r = sh("cd /v && export HOME=/v && git init -q . && git config user.email a@b && git config user.name n && "
               "for i in 1 2 3; do echo $i > f$i; git add .; git commit -qm c$i; done && git log --oneline | wc -l && git gc -q && git fsck && "
               "tar cf all.tar f1 f2 && tar tf all.tar && git status --short", "-v", f"{d}:/v")
        check(r.status == 0 and r.out == "3\nf1\nf2\n?? all.tar\n", r)
        r = subprocess.run(["git", "-c", f"safe.directory={d}", "-C", d, "log", "--oneline"], capture_output=True, text=True)
        check(r.stdout.count("\n") == 3, r)


def test_bind_is_volume():
    with folder() as d:
        sh("echo x > /v/f", "--bind", d, "/v")
        check(get(f"{d}/f") == "x\n", "bind")


def test_the_mounts_are_shown():
    with folder() as d:
        r = sh("grep ' /[vt] ' /proc/self/mounts | cut -d' ' -f2-; grep -c . /proc/self/mountinfo", "-v", f"{d}:/v:ro", "--tmpfs", "/t")
        lines = r.out.splitlines()
        check(lines[0].startswith("/v ") and " ro," in lines[0] and lines[1].startswith("/t tmpfs rw,") and int(lines[2]) > 5, r)


def test_time_of_changes_is_the_hosts():
    with folder() as d:
        before = time.time()
        sh("echo x > /v/f", "-v", f"{d}:/v")
        check(before - 1 < os.stat(f"{d}/f").st_mtime < time.time() + 1, "time")


DEEP = """
import os
d = 12000
os.chdir("/v")
open("file", "w").close()
for i in range(d):
    os.mkdir("a")
    os.chdir("a")
os.link("/v/file", "link")
f = os.open("link", os.O_RDONLY)
for i in range(d // 2 // 1000):
    os.chdir("../" * 1000)
print(os.path.exists("a/a/a"), os.path.exists("b"))
open("f", "w").close()
os.chdir("/")
for i in range(20000):
    os.path.exists("/nothing%d" % i)
os.close(f)
os.unlink("/v/file")
print("alive")
"""


def test_a_tree_deeper_than_a_stack():
    with folder() as d:
        r = run("-v", f"{d}:/v", sys.executable, "-c", DEEP)
        subprocess.run(["rm", "-rf", f"{d}/a"], check=True)
        check((r.status, r.out) == (0, "True False\nalive\n"), r)
