"""The program of a reader process, ``python -m mpcontinuity.children.reader MODULE…``.

It is a child that has less: once its modules are loaded, it can open, write and begin nothing any more, and it says
that it is ready. A module may have a function ``rehearse``, which loads what is otherwise loaded when it is needed.
"""

from __future__ import annotations

import importlib
import sys
from typing import Final

from mpcontinuity.children import child, confinement
from mpcontinuity.children.frames import FrameKind, frame

MEMORY: Final = 512 << 20  # octets of address space: a message of 100 MiB, and twenty times the longest HTML
SECONDS: Final = 2  # of processor time for one message


def main() -> None:
    """Works until the parent closes the pipe."""
    child.limit(MEMORY)
    for name in sys.argv[1:]:
        rehearse = getattr(importlib.import_module(name), "rehearse", None)
        if rehearse is not None:
            rehearse()
    confined = confinement.confine()
    child.say(frame(FrameKind.DONE, b"confined" if confined else b"limited"))
    child.serve(SECONDS)


if __name__ == "__main__":
    main()
