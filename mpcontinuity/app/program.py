"""The program ``mpcontinuity``: its commands, which take most of a second to load, and Ctrl-C meanwhile."""

from __future__ import annotations

import os
import signal

# What a command or the server makes is for the user that it runs as: a store, keys, copies of mail. What others may
# read (the certificate, the configuration) is opened to them where it is made.
PRIVATE = 0o077


def main() -> None:
    os.umask(PRIVATE)
    signal.signal(signal.SIGINT, _interrupted)
    from mpcontinuity.app.commands import main as command

    signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


def _interrupted(*_: object) -> None:
    """Nothing has begun: no traceback out of the middle of somebody's import, which might even swallow it."""
    os.write(2, b"mpcontinuity: interrupted\n")
    os._exit(130)
