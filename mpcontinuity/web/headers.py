"""What a browser is told to do with an answer, and not to do, beside its content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mpcontinuity.web.answers import HTML, Answer
from mpcontinuity.web.languages import Language
from mpcontinuity.web.templates import look

_NOBODY: Final[Mapping[bytes, bytes]] = {
    b"x-frame-options": b"DENY",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"x-robots-tag": b"noindex",
}


@dataclass(frozen=True, slots=True, eq=False)
class Guards:
    """The header fields of every answer of a route, and how it says that something is wrong: by a status code, a
    sentence, and the language that this is in.

    ``policy`` is the Content Security Policy, by its directives. ``forms`` says that a body that is held in memory has
    to be a form. ``sent`` are all the fields, the policy's among them.
    """

    policy: Mapping[str, str]
    fields: Mapping[bytes, bytes]
    explain: Callable[[int, str, Language], Answer]
    forms: bool = False
    sent: Mapping[bytes, bytes] = field(init=False)

    def __post_init__(self) -> None:
        policy = "; ".join(f"{name} {value}" for name, value in self.policy.items())
        object.__setattr__(self, "sent", {**self.fields, b"content-security-policy": policy.encode("ascii")})

    def but(self, policy: Mapping[str, str], fields: Mapping[bytes, bytes] | None = None) -> Guards:
        """Returns guards with these directives of the policy, and these fields, instead of those of that name."""
        return Guards({**self.policy, **policy}, {**self.fields, **(fields or {})}, self.explain, self.forms)


def _page(code: int, sentence: str, language: Language) -> Answer:
    return Answer(look().render("error.html", language, code=code, sentence=sentence), code, HTML)


def _plain(code: int, sentence: str, language: Language) -> Answer:
    return Answer(f"{sentence}\n".encode(), code)


# Only our own scripts and styles, which are files: nothing inline, no frame, nothing from elsewhere, and no text that
# becomes a script (Content Security Policy 3, Trusted Types).
#
# Other sites do not hear where one came from, since a path may be a secret. Our own do: without it browsers call the
# origin of a form null (Fetch, "append a request Origin header").
PAGES: Final = Guards(
    {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "manifest-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    },
    {
        **_NOBODY,
        b"referrer-policy": b"same-origin",
        b"vary": b"accept-language, cookie",  # in which language a page is (RFC 9110 §12.5.5)
    },
    _page,
    forms=True,
)
DATA: Final = Guards(
    {"default-src": "'none'", "frame-ancestors": "'none'"},
    {**_NOBODY, b"referrer-policy": b"no-referrer"},
    _plain,
)

# What a stranger wrote as HTML is a document of its own, in a frame of a page of ours. The sandbox makes its origin
# an opaque one: it has no script, no form, no cookie of ours, and cannot lead the page around it elsewhere. A link in
# it opens a window that is free of the sandbox. It may have styles of its own, which no stylesheet of ours can know.
#
# A document of a sandbox that is opened by itself is refused by browsers if it asks for an opener policy (HTML,
# "navigation params"): so this has none.
DOCUMENT: Final = Guards(
    {
        "default-src": "'none'",
        "img-src": "'self'",
        "style-src": "'unsafe-inline'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
        "base-uri": "'none'",
        "sandbox": "allow-popups allow-popups-to-escape-sandbox",
    },
    {
        b"x-frame-options": b"SAMEORIGIN",
        b"cross-origin-opener-policy": b"unsafe-none",
        b"cross-origin-resource-policy": b"same-origin",
        b"x-robots-tag": b"noindex",
        b"referrer-policy": b"no-referrer",
    },
    _plain,
)
PAGES_WITH_DOCUMENT: Final = PAGES.but({"frame-src": "'self'"})  # of a page that has the frame

# Where a user writes with formatting: a document of its own, in a frame without an origin. It has scripts of ours, the
# cookies of nobody, and nothing that it could ask anybody for, so that what is pasted there finds nothing to take even
# where it came to run. It cleans with a policy of its own (Trusted Types), and text has the styles it was given.
EDITOR: Final = Guards(
    {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "blob:",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
        "base-uri": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "dompurify",
        "sandbox": "allow-scripts",
    },
    DOCUMENT.fields,
    _plain,
)

# To an opaque origin every other one is foreign, this server's too: a picture of a DOCUMENT has to be for anybody who
# knows its path, which therefore is a secret.
PICTURES_OF_DOCUMENT: Final = DATA.but({}, {b"cross-origin-resource-policy": b"cross-origin"})
FILES: Final = PICTURES_OF_DOCUMENT  # scripts and styles, which are no secret: the editor's frame has them too
