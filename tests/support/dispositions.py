# SPDX-License-Identifier: Apache-2.0
"""Signals as a program finds them that a shell has started."""
import signal


def restore():
    """Whoever started the tests may ignore signals, as nohup does, and what is started here must not inherit that."""
    for number in signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
