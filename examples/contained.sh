#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a program sees from inside: `make run` shows it. Only for the sandbox: it changes a file of the system.
[ "$(uname -n)" = sbx ] || { echo "run me in the sandbox: sbx run -- sh $0" >&2; exit 1; }
echo "hello from process $$ on $(uname -n), kernel $(uname -r)"
echo "user $(id -u), capabilities $(sed -n 's/^CapEff:[^0-9]*//p' /proc/self/status)"
echo 'mine now' >/etc/hostname && echo "/etc/hostname is '$(cat /etc/hostname)' in here; outside it is as it was"
echo "processes that I see: $(ls /proc | grep -c '^[0-9]')"
command -v python3 >/dev/null && python3 -c '
import socket
try: socket.create_connection(("192.0.2.1", 80), 2)
except OSError as e: print("network:", e.strerror)'
:
