"""The program ``mpcontinuity``. Its commands take most of a second to load; Ctrl-C ends it meanwhile, too."""

from __future__ import annotations

import os
import signal

from mpcontinuity.app.process.permissions import PRIVATE


def main() -> None:
    """Runs the command that the arguments name."""
    os.umask(PRIVATE)
    signal.signal(signal.SIGINT, _interrupted)
    from mpcontinuity.app.commands.main import main as command

    signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


def _interrupted(*_: object) -> None:
    """Nothing has begun: no traceback out of the middle of somebody's import, which might even swallow it."""
    os.write(2, b"mpcontinuity: interrupted\n")
    os._exit(130)
