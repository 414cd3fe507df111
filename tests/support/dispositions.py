# SPDX-License-Identifier: Apache-2.0
"""Signals as a program finds them that a shell has started."""
import signal


def restore():
    """Whoever started the tests may ignore signals, as nohup does, and what is started here must not inherit that."""
    pythons_own = {signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ}
    for number in signal.valid_signals() - pythons_own - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
