# SPDX-License-Identifier: Apache-2.0
"""What `sbx run` exits with, and what it says."""
import os
import signal
import subprocess

from harness import check, folder, run, sbx, start


def test_the_programs_own_status():
    for status in (0, 1, 77, 124, 125, 255):
        r = run("sh", "-c", f"exit {status}")
        check(r.status == status and r.err == "", r)


def test_a_signal_is_128_plus_n():
    for sig in (1, 6, 9, 11, 15):
        r = run("sh", "-c", f"kill -{sig} $$")
        check(r.status == 128 + sig and r.err == "", r)


def test_a_limit_on_files_holds_for_standard_output():
    for mode, before in (("wb", 0), ("ab", 100)):
        with folder() as d:
            path = os.path.join(d, "out")
            with open(path, "wb") as f:
                f.write(b"x" * before)
            with open(path, mode) as f:
                p = start("sh", "-c", "ulimit -f 1; exec head -c 4096 /dev/zero", stdout=f, stderr=subprocess.DEVNULL)
                status = p.wait(20)
            check((status, os.path.getsize(path)) == (128 + signal.SIGXFSZ, 512), (mode, status, os.path.getsize(path)))


def test_output_is_the_guests_alone():
    r = run("sh", "-c", "echo out; echo err >&2")
    check((r.out, r.err) == ("out\n", "err\n"), r)


def test_missing_program():
    for name in ("no-such-program", "./no-such-program", "/no/such/program"):
        r = run(name)
        check(r.status == 127 and r.err == f"sbx: cannot execute {name}: No such file or directory\n", r)


def test_directory():
    r = run("/usr")
    check(r.status == 126 and r.err == "sbx: cannot execute /usr: Permission denied\n", r)


def test_not_executable():
    with folder() as d:
        open(os.path.join(d, "x"), "w").write("#!/bin/sh\n")
        r = run("./x", cwd=d)
        check(r.status == 126 and r.err == "sbx: cannot execute ./x: Permission denied\n", r)


def test_truncated_elf():
    whole = open("/bin/true", "rb").read()
    for size in (0, 1, 4, 63, 64, 100, 400):
        with folder() as d:
            path = os.path.join(d, "x")
            open(path, "wb").write(whole[:size])
            os.chmod(path, 0o755)
            r = run("./x", cwd=d)
            check(r.status in (126, 127, 139) and r.out == "", r)


def test_control_characters_in_a_name_are_escaped():
    r = run("./a\x1b[31m\nb")
    check(r.status == 127 and "\x1b" not in r.err and r.err.count("\n") == 1, r)


def test_unknown_option():
    r = run("--no-such-option", "true")
    check(r.status == 125 and r.err.startswith("sbx: ") and r.err.count("\n") == 1, r)


def test_option_without_its_argument():
    for option in ("-m", "--time", "--bind", "-v"):
        r = run(option)
        check(r.status == 125 and r.err.count("\n") == 1, r)


def test_bad_option_values():
    for args in (["-m", "x"], ["-m", "0"], ["-m", "-1"], ["--time", "soon"], ["--time", "-1"], ["-v", "nocolon"], ["--network", "bridge"],
                 ["--json-fd", "x"], ["--hostname", ""], ["-e", "=x"], ["--tmpfs", "rel"], ["--tmpfs", "/x:mode=1"]):
        r = run(*args, "true")
        check(r.status == 125 and r.err.count("\n") == 1, r)


def test_no_program():
    check(run().status == 125, "run")
    check(sbx("frobnicate").status == 125, "frobnicate")


def test_time_limit():
    r = run("--time", "0.5", "sleep", "30")
    check(r.status == 124, r)


def test_time_limit_of_a_program_that_computes():
    r = run("--time", "500ms", "sh", "-c", "while :; do :; done")
    check(r.status == 124, r)


def test_a_script_and_its_missing_interpreter():
    with folder() as d:
        for name, line in (("good", "#!/bin/sh\necho $0 $1\n"), ("bad", "#!/no/such/interpreter\n")):
            open(os.path.join(d, name), "w").write(line)
            os.chmod(os.path.join(d, name), 0o755)
        r = run("./good", "arg", cwd=d)
        check((r.status, r.out) == (0, "./good arg\n"), r)
        check(run("./bad", cwd=d).status == 127, r)
