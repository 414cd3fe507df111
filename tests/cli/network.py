# SPDX-License-Identifier: Apache-2.0
"""--network host: guests talk to the host's processes and the host's to guests, by TCP and UDP and nothing else; --network none lets neither.
Every port is the kernel's choice."""
import contextlib
import functools
import hashlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading

from harness import HANG, SBX, check, descendants, folder, run, start

HOST = ("--network", "host", "--time", "120")  # a hang is an end with another status, not a test that never ends
HOMES = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
BIG = bytes(range(256)) * 8192  # 2 MiB


def python(code, *args, network=HOST, **kw):
    return run(*network, "--", "python3", "-c", code, *map(str, args), **kw)


@contextlib.contextmanager
def serving(fn, *args):
    """fn in a thread; what it raised is raised at the end."""
    wrong = []

    def body():
        try:
            fn(*args)
        except Exception as e:  # noqa: BLE001
            wrong.append(e)
    t = threading.Thread(target=body, daemon=True)
    t.start()
    yield
    t.join(30)
    assert not t.is_alive(), "the host's side did not end"
    if wrong:
        raise wrong[0]


def bound(family, address, kind=socket.SOCK_STREAM):
    s = socket.socket(family, kind)
    s.settimeout(300)
    s.bind((address, 0))
    return s


def echo_once(server):
    """Takes one client, sends back all it sends until it shuts down."""
    c, _ = server.accept()
    with c:
        c.settimeout(300)
        data = b""
        while piece := c.recv(1 << 16):
            data += piece
        c.sendall(data)


CLIENT = """
import hashlib, socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 30)
s.settimeout(None)
s.sendall(bytes(range(256)) * 8192)
s.shutdown(socket.SHUT_WR)
got = s.recv(2 << 20, socket.MSG_WAITALL)
print(len(got), hashlib.sha256(got).hexdigest(), s.recv(1))
"""


def test_guest_is_a_tcp_client():
    for family, address in HOMES:
        with bound(family, address) as server:
            server.listen()
            with serving(echo_once, server):
                r = python(CLIENT, address, server.getsockname()[1])
        check(r.out == f"{len(BIG)} {hashlib.sha256(BIG).hexdigest()} b''\n", r)


SERVER = """
import socket, sys
s = socket.socket(int(sys.argv[1]))
s.bind((sys.argv[2], 0))
s.listen()
print(s.getsockname()[1], flush=True)
c, peer = s.accept()
data = b""
while piece := c.recv(1 << 16):
    data += piece
c.sendall(data)
print(peer[0], peer == c.getpeername(), c.getsockname() == s.getsockname())
"""


def test_guest_is_a_tcp_server():
    for family, address in HOMES:
        guest = start(*HOST, "--", "python3", "-c", SERVER, str(int(family)), address, stdout=subprocess.PIPE, text=True)
        with guest, socket.create_connection((address, int(guest.stdout.readline())), 30) as c:
            threading.Thread(target=lambda: (c.sendall(BIG), c.shutdown(socket.SHUT_WR)), daemon=True).start()
            data = b""
            while piece := c.recv(1 << 16):
                data += piece
            out = guest.stdout.read()
        check(data == BIG and out == f"{address} True True\n" and guest.returncode == 0, (len(data), out))


ASK = """
import socket, sys
s = socket.socket(int(sys.argv[1]), socket.SOCK_DGRAM)
s.settimeout(300)
s.connect((sys.argv[2], int(sys.argv[3])))
s.send(b"what?")
print(s.recv(3), s.recv(100))
"""


def test_guest_asks_by_udp():
    def answer(server):
        question, who = server.recvfrom(100)
        assert question == b"what?"
        server.sendto(b"too long", who)
        server.sendto(b"that", who)
    for family, address in HOMES:
        with bound(family, address, socket.SOCK_DGRAM) as server:
            with serving(answer, server):
                r = python(ASK, int(family), address, server.getsockname()[1])
        check(r.out == "b'too' b'that'\n", r)


ANSWER = """
import socket, sys
s = socket.socket(int(sys.argv[1]), socket.SOCK_DGRAM)
s.bind((sys.argv[2], 0))
print(s.getsockname()[1], flush=True)
data, who = s.recvfrom(1 << 16)
s.sendto(data[::-1], who)
"""


def test_guest_answers_by_udp():
    for family, address in HOMES:
        guest = start(*HOST, "--", "python3", "-c", ANSWER, str(int(family)), address, stdout=subprocess.PIPE, text=True)
        with guest, bound(family, address, socket.SOCK_DGRAM) as s:
            s.sendto(BIG[:60000], (address, int(guest.stdout.readline())))
            data = s.recv(1 << 16)
            guest.wait(30)
        check(data == BIG[:60000][::-1] and guest.returncode == 0, len(data))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


# curl's exit status says that the connection was the one that was asked for; where there is no curl, Python fetches.
FETCH = "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=300).read())"


def fetcher(url):
    return ["curl", "-sS", "--noproxy", "*", "-m", "30", url] if shutil.which("curl") else ["python3", "-c", FETCH, url]


def test_http_from_outside_is_fetched_inside():
    with folder() as d:
        open(f"{d}/file", "wb").write(BIG)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=d))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        r = subprocess.run([SBX, "run", *HOST, "--", *fetcher(f"http://localhost:{server.server_port}/file")], capture_output=True, timeout=HANG)
        server.shutdown()
        check(r.returncode == 0 and r.stdout == BIG, r.stderr)


def test_http_from_inside_is_fetched_outside():
    serve = ("import functools, http.server as h\n"
             "s = h.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(h.SimpleHTTPRequestHandler, directory='/srv'))\n"
             "print(s.server_port, flush=True)\ns.serve_forever()")
    with folder() as d:
        open(f"{d}/file", "wb").write(BIG)
        guest = start(*HOST, "--ro-bind", d, "/srv", "--", "python3", "-c", serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        url = f"http://127.0.0.1:{int(guest.stdout.readline())}/file"
        fetches = [subprocess.Popen(fetcher(url), stdout=subprocess.PIPE) for _ in range(3)]
        data = [f.communicate(timeout=HANG)[0] for f in fetches]
        guest.terminate()
        guest.communicate(timeout=HANG)
        check(data == [BIG] * 3, [len(x) for x in data])


REACH = """
import errno, socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
    print("reached")
except OSError as e:
    print(errno.errorcode[e.errno])
"""


def test_none_reaches_no_server_of_the_host():
    with bound(*HOMES[0]) as server:
        server.listen()
        port = server.getsockname()[1]
        check(python(REACH, port).out == "reached\n", "with --network host")
        for network in ((), ("--network", "none"), (*HOST, "--network", "none")):
            r = python(REACH, port, network=network)
            check(r.out == "ECONNREFUSED\n", r)


def test_none_is_reached_by_nobody():
    code = "import socket, sys\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\ns.listen()\nprint(s.getsockname()[1], flush=True)\ninput()"
    for network, reached in ((("--network", "none"), False), (HOST, True)):
        guest = start(*network, "--", "python3", "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with guest, socket.socket() as c:
            port = int(guest.stdout.readline())
            check((c.connect_ex(("127.0.0.1", port)) == 0) == reached, (network, port))
            guest.communicate("\n", timeout=HANG)


def test_other_kinds_of_sockets_are_refused():
    code = ("import errno, socket as s\n"
            "for what in [(s.AF_INET, s.SOCK_RAW, 1), (s.AF_INET6, s.SOCK_RAW, 58), (s.AF_PACKET, s.SOCK_RAW, 3), (s.AF_VSOCK, s.SOCK_STREAM, 0),\n"
            "             (s.AF_NETLINK, s.SOCK_RAW, 4), (s.AF_INET, s.SOCK_DGRAM, 1), (s.AF_INET, s.SOCK_STREAM, 132), (s.AF_INET, s.SOCK_STREAM, 262)]:\n"
            "    try:\n        s.socket(*what)\n        print('made', what)\n"
            "    except OSError as e: print(errno.errorcode[e.errno])")
    r = python(code)
    check(r.out.split() == ["EPERM", "EPERM", "EAFNOSUPPORT", "EAFNOSUPPORT", "EPROTONOSUPPORT", "EACCES", "EPROTONOSUPPORT", "EPROTONOSUPPORT"], r)


def test_unix_sockets_stay_the_sandboxs_own():
    with socket.socket(socket.AF_UNIX) as server, folder() as d, socket.socket(socket.AF_UNIX) as named:
        server.bind("")  # an abstract name of the kernel's choice
        server.listen()
        named.bind(f"{d}/socket")
        named.listen()
        code = ("import errno, socket, sys\nfor name in bytes.fromhex(sys.argv[1]), '/there/socket':\n s = socket.socket(socket.AF_UNIX)\n"
                " print(errno.errorcode.get(s.connect_ex(name), 'reached'))")
        r = run(*HOST, "-v", f"{d}:/there", "--", "python3", "-c", code, server.getsockname().hex())
    check(r.out == "ECONNREFUSED\nECONNREFUSED\n", r)


def test_privileged_ports_need_what_the_caller_lacks():
    first = int(open("/proc/sys/net/ipv4/ip_unprivileged_port_start").read())
    r = python("import errno, socket\ns = socket.socket()\nfor p in 1,:\n try: s.bind(('127.0.0.1', p)); print('bound')\n"
               " except OSError as e: print(errno.errorcode[e.errno])")
    check(r.out == ("EACCES\n" if first > 1 else "bound\n"), r)


# Connections are opened and closed in many ways; between the two lines that it prints nothing may have been left open.
CHURN = """
import os, select, socket, sys
port, dead = int(sys.argv[1]), int(sys.argv[2])
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(512)
ep = select.epoll()
def churn(n):
    for i in range(n):
        c = socket.create_connection(("127.0.0.1", port))
        if i % 2:
            ep.register(c, select.EPOLLIN | select.EPOLLET)
        if i % 3 == 0:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
        socket.create_connection(listener.getsockname()).close()
        a, _ = listener.accept()
        a.recv(1)
        a.close()
        d = socket.socket()
        assert d.connect_ex(("127.0.0.1", dead)) == 111
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        u.sendto(b"x", ("127.0.0.1", dead))
        d.close(), u.close(), c.close()
churn(5)
print(flush=True)
input()
churn(300)
print(flush=True)
input()
"""


def test_many_connections_leave_nothing_behind():
    def take(server):
        with contextlib.suppress(OSError):
            while True:
                server.accept()[0].close()

    def descriptors(guest):
        return [len(os.listdir(f"/proc/{p}/fd")) for p in sorted(descendants(guest.pid))]

    with bound(*HOMES[0]) as server, bound(*HOMES[0]) as dead:
        server.settimeout(None)
        server.listen(512)
        threading.Thread(target=take, args=(server,), daemon=True).start()
        guest = start(*HOST, "--", "python3", "-c", CHURN, str(server.getsockname()[1]), str(dead.getsockname()[1]),
                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        counts = []
        for _ in range(2):
            check(guest.stdout.readline() == "\n", "a round ended")
            counts.append(descriptors(guest))
            guest.stdin.write("\n")
            guest.stdin.flush()
        guest.communicate(timeout=HANG)
        server.shutdown(socket.SHUT_RDWR)
    check(guest.returncode == 0 and counts[0] == counts[1], counts)


def test_refused_without_waiting():
    code = ("import errno, select, socket, sys\ns = socket.socket()\ns.setblocking(False)\n"
            "print(errno.errorcode[s.connect_ex(('127.0.0.1', int(sys.argv[1])))])\n"
            "ep = select.epoll()\nep.register(s, select.EPOLLOUT)\n(fd, events), = ep.poll(30)\n"
            "print(events == select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP)\n"
            "print(*(errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0) for _ in range(2)))")
    with bound(*HOMES[0]) as dead:
        r = python(code, dead.getsockname()[1])
    check(r.out == "EINPROGRESS\nTrue\nECONNREFUSED 0\n", r)


# Reads one byte of two, so that what is left unread must not hide the news.
EDGES = """
import select, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
ep = select.epoll()
ep.register(s, select.EPOLLIN | select.EPOLLET)
for turn in range(3):
    print(len(ep.poll(30)), s.recv(1), flush=True)
    quiet = any(not ep.poll(0.1) for _ in range(5))
    print("quiet", quiet, flush=True)
once = select.epoll()
once.register(s, select.EPOLLIN | select.EPOLLONESHOT)
print(len(once.poll(30)), len(once.poll(0)))
once.modify(s, select.EPOLLIN | select.EPOLLONESHOT)
level = select.epoll()
level.register(s, select.EPOLLIN)
print(len(once.poll(30)), len(level.poll(0)), len(level.poll(0)))
"""


def test_epoll_tells_edges_once_and_levels_for_ever():
    with bound(*HOMES[0]) as server:
        server.listen()
        guest = start(*HOST, "--", "python3", "-c", EDGES, str(server.getsockname()[1]), stdout=subprocess.PIPE, text=True)
        with guest, server.accept()[0] as c:
            for turn in range(3):
                c.sendall(b"ab")
                check(guest.stdout.readline().startswith("1 b'"), turn)
                check(guest.stdout.readline() == "quiet True\n", turn)
            out = guest.stdout.read()  # communicate() would miss what readline() has read ahead
    check(out == "1 0\n1 1 1\n", out)


def test_time_limits_of_sockets():
    code = ("import errno, socket, struct, sys\nlimit = struct.pack('ll', 0, 100000)\n"
            "def say(f):\n try: f(); print('done')\n except OSError as e: print(errno.errorcode[e.errno])\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)\n"
            "s.bind(('127.0.0.1', 0))\nsay(lambda: s.recv(1))\n"
            "l = socket.socket()\nl.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)\nl.listen()\nsay(l.accept)\n"
            "c = socket.socket()\nc.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)\nc.connect(l.getsockname())\n"
            "say(lambda: c.sendall(bytes(64 << 20)))\n"
            "print(c.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16) == limit)")
    r = python(code)
    check(r.out == "EAGAIN\nEAGAIN\nEAGAIN\nTrue\n", r)


# In order: of shut UDP sockets without and with a peer, one that waits in recv while another thread shuts it, a listener that is shut under accept.
SHUT = """
import errno, socket, threading, time
def say(f):
    try: print(f())
    except OSError as e: print(errno.errorcode[e.errno])
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    s.connect(s.getsockname())
    return s
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
say(lambda: s.shutdown(socket.SHUT_RD))
say(lambda: s.recv(1))
s = udp()
s.shutdown(socket.SHUT_RD)
say(lambda: s.recv(1))
say(lambda: s.recv(1, socket.MSG_DONTWAIT))
s = udp()
l = socket.socket()
l.listen()
for fd, wait in (s, lambda: s.recv(1)), (l, l.accept):
    t = threading.Thread(target=say, args=(wait,))
    t.start()
    time.sleep(0.1)
    fd.shutdown(socket.SHUT_RD)
    t.join()
"""


def test_shutting_ends_waits():
    native = subprocess.run(["python3", "-c", SHUT], capture_output=True, text=True, timeout=HANG).stdout
    r = python(SHUT)
    check(native == "ENOTCONN\nb''\nb''\nEAGAIN\nb''\nEINVAL\n" == r.out, (native, r))


def test_options_reach_the_host_and_programs_do_not():
    code = ("import errno, socket\ns = socket.socket()\n"
            "s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 600)\nprint(len(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)) > 100)\n"
            "for level, name in (socket.SOL_SOCKET, 26), (socket.SOL_SOCKET, 50), (socket.IPPROTO_TCP, 31), (socket.IPPROTO_TCP, 30), (socket.IPPROTO_TCP, 35), (socket.SOL_SOCKET, 1234):\n"
            "    try: s.setsockopt(level, name, bytes(16)); print('set')\n"
            "    except OSError as e: print(errno.errorcode[e.errno])")
    r = python(code)
    check(r.out == "True\n" + "ENOPROTOOPT\n" * 6, r)


# A datagram with control data in and out, buffers more scattered than can be pinned at once, and its truth about truncation.
SCATTER = """
import socket, struct
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
for s in a, b:
    s.bind(("127.0.0.1", 0))
b.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
b.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
a.sendmsg([bytes([i]) * 10 for i in range(200)], [(socket.IPPROTO_IP, socket.IP_TTL, struct.pack("i", 7))], 0, b.getsockname())
into = [bytearray(3) for _ in range(600)]
n, control, flags, who = b.recvmsg_into(into, 1024)
data = b"".join(into)
print(n, flags == socket.MSG_TRUNC, who == a.getsockname(), data == b"".join(bytes([i]) * 10 for i in range(180)))
print([(level, kind, struct.unpack("i", d[:4])[0]) for level, kind, d in sorted(control)])
try:
    a.sendmsg([b"x"], [(socket.IPPROTO_IP, 99, b"1234")], 0, b.getsockname())
except OSError as e:
    print(e.errno)
a.sendto(b"longer", b.getsockname())
print(b.recv_into(bytearray(2), 2, socket.MSG_PEEK | socket.MSG_TRUNC), b.recv(2))
"""


def test_scattered_datagrams_and_control_data():
    r = python(SCATTER)
    check(r.out == "1800 True True True\n[(0, 2, 7), (0, 8, 1)]\n22\n6 b'lo'\n", r)


def test_descriptors_are_shared_and_passed():
    code = ("import os, socket, sys\ns = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\nl, r = socket.socketpair()\n"
            "socket.send_fds(l, [b'x'], [s.fileno()])\ns.close()\n_, (fd,), _, _ = socket.recv_fds(r, 1, 1)\n"
            "p = os.fork()\n"
            "if not p: os.write(fd, b'child '); os._exit(0)\n"
            "os.waitpid(p, 0)\nos.write(os.dup(fd), b'parent ')\n"
            "with open('/tmp/f', 'wb+') as f:\n f.write(b'file' * 50000); f.flush()\n"
            " left = 200000\n while left: left -= os.sendfile(fd, f.fileno(), 200000 - left, left)\n"
            "pr, pw = os.pipe()\nos.write(pw, b' pipe')\nassert os.splice(pr, fd, 5) == 5\n") + "os.close(fd)"

    def take(server, got):
        c, _ = server.accept()
        with c:
            c.settimeout(300)
            while piece := c.recv(1 << 16):
                got.append(piece)
    got = []
    with bound(*HOMES[0]) as server:
        server.listen()
        with serving(take, server, got):
            r = python(code, server.getsockname()[1])
    check(r.status == 0 and b"".join(got) == b"child parent " + b"file" * 50000 + b" pipe", (r, len(b"".join(got))))


def test_names_are_found_as_outside():
    code = "import socket; print(socket.getaddrinfo('localhost', 80), socket.if_nameindex())"
    outside = subprocess.run(["python3", "-c", code], capture_output=True, text=True).stdout
    r = python(code)
    check(outside and r.out == outside, (r, outside))


def test_the_report_names_the_network():
    with folder() as d:
        for network in "none", "host":
            run("--network", network, "--json", f"{d}/report", "--", "true")
            check(json.load(open(f"{d}/report"))["network"] == network, network)
