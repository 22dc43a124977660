"""A server whose readers take nothing from HTML: ``python -m tests.browser.unsanitised``, with twistd's arguments.

What must hold without any sanitiser is tried with it. It is made so here, and by no setting.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from twisted.scripts.twistd import run

from mpcontinuity.children import readers
from mpcontinuity.message.display import sanitised, show, work
from mpcontinuity.message.display.sanitised import Sanitised

NAME = "tests.browser.unsanitised"


def _untouched(html: str, *, images: Mapping[str, str], remote: bool = False) -> Sanitised:
    sanitised.check(html)  # how much there is in it is another question
    return Sanitised(html, "", 0, False)


vars(show)["sanitise"] = _untouched
Work = work.Work  # of the readers, which load this module
rehearse = work.rehearse


def main() -> None:
    vars(readers)["KIND"] = NAME
    sys.argv[0] = "twistd"
    run()


if __name__ == "__main__":
    main()
