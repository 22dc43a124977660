"""What a test's own process does with an error that nobody awaits."""

from __future__ import annotations

import sys

from twisted.python.failure import Failure


def tell(failure: Failure) -> None:
    """An errback: the traceback goes to stderr, where the test that started the process finds it."""
    failure.printTraceback(sys.stderr)
