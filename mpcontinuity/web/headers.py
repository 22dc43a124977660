"""What a browser is told to do with an answer, and not to do, beside its content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mpcontinuity.web.answers import HTML, Answer
from mpcontinuity.web.templates import look

# Only our own scripts and styles, which are files: nothing inline, no frame, nothing from elsewhere, and no text that
# becomes a script (Content Security Policy 3, Trusted Types).
_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; "
    b"trusted-types 'none'"
)
_ALWAYS: Final[Mapping[bytes, bytes]] = {
    b"x-frame-options": b"DENY",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"x-robots-tag": b"noindex",
}


@dataclass(frozen=True, slots=True, eq=False)
class Guards:
    """The header fields of every answer of a route, and how it says that something is wrong: by a status code and a
    sentence."""

    fields: Mapping[bytes, bytes]
    explain: Callable[[int, str], Answer]


def _page(code: int, sentence: str) -> Answer:
    return Answer(look().render("error.html", code=code, sentence=sentence), code, HTML)


def _plain(code: int, sentence: str) -> Answer:
    return Answer(f"{sentence}\n".encode(), code)


# Other sites do not hear where one came from, since a path may be a secret. Our own do: without it browsers call the
# origin of a form null (Fetch, "append a request Origin header").
PAGES: Final = Guards(
    {**_ALWAYS, b"content-security-policy": _POLICY, b"referrer-policy": b"same-origin"},
    _page,
)
DATA: Final = Guards(
    {
        **_ALWAYS,
        b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
        b"referrer-policy": b"no-referrer",
    },
    _plain,
)
