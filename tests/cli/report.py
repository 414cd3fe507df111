# SPDX-License-Identifier: Apache-2.0
"""--json and --json-fd."""
import json
import os
import subprocess

from harness import HANG, SBX, check, folder, run, sbx


def report(*args, **kw):
    with folder() as d:
        path = os.path.join(d, "report.json")
        r = run("--json", path, *args, **kw)
        return r, json.load(open(path))


def test_of_a_program_that_exits():
    r, j = report("sh", "-c", "exit 3")
    check((j["verdict"], j["status"], j["exit_status"]) == ("exited", 3, 3), j)
    check(j["calls"]["exit_group"]["count"] == 1 and j["processes"] == 1 and j["wall_time"] > 0, j)
    check(j["arguments"] == ["sh", "-c", "exit 3"] and "stub-filter" in j["layers"] and "sentry-filter" in j["layers"], j)


def test_tells_a_signal_from_a_status():
    check(report("sh", "-c", "kill -9 $$")[1]["verdict"] == "signalled", "signal")
    r, j = report("sh", "-c", "exit 137")
    check((j["verdict"], j["status"]) == ("exited", 137), j)


def test_tells_a_missing_program_from_a_status():
    r, j = report("no-such-program")
    check((j["verdict"], j["exit_status"]) == ("not-started", 127), j)


def test_of_a_time_limit():
    r, j = report("--time", "0.3", "sleep", "60")
    check((j["verdict"], j["exit_status"], r.status) == ("time-limit", 124, 124), j)


def test_unknown_calls_are_named():
    code = "import ctypes; l=ctypes.CDLL(None,use_errno=True); print(l.syscall(999), ctypes.get_errno())"
    r, j = report("python3", "-c", code)
    check(r.out == "-1 38\n" and j["unknown_calls"].get("no such number") == 1, (r, j["unknown_calls"]))


def test_through_a_descriptor():
    r = subprocess.run(["sh", "-c", f"{SBX} run --json-fd 3 true 3>&1 >/dev/null"], capture_output=True, text=True, timeout=HANG)
    check(json.loads(r.stdout)["verdict"] == "exited", r)


def test_not_through_a_symbolic_link():
    with folder() as d:
        os.symlink("/etc/sbx-report", os.path.join(d, "r"))
        r = run("--json", os.path.join(d, "r"), "true")
        check(r.status == 125 and not os.path.exists("/etc/sbx-report"), r)


def test_an_unwritable_place_is_refused_at_once():
    check(run("--json", "/no/such/dir/r", "true").status == 125, "unwritable")


def test_other_verbs():
    check(sbx("version").out.startswith("sbx "), "version")
    check("| 0 | read | yes |" in sbx("syscalls", "--markdown").out, "syscalls")
    r = sbx("doctor")
    check(r.status == 0 and "stub-filter" in r.out, r)


def test_help_and_manual_page_name_every_option():
    help_text, man = sbx("run", "--help").out, sbx("help", "--man").out.replace("\\-", "-")
    options = [w.split()[0] for w in help_text.split("--")[1:] if w[0].isalpha()]
    check(len(options) > 10 and all(f"--{o}" in man for o in options), options)
