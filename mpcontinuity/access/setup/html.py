"""How a page for people is written: HTML without script, that is read at 360 pixels as well as on a desk."""

from __future__ import annotations

from html import escape
from typing import Final

from mpcontinuity.web.answers import HTML, Answer

STYLE_PATH: Final = b"/setup/style.css"

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{style}">
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""

STYLE: Final = b"""\
:root { color-scheme: light dark; }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0; }
main { margin: 0 auto; max-width: 34rem; padding: 1.5rem 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
p, td, th { overflow-wrap: anywhere; }
label { display: block; font-weight: 600; margin-top: 1rem; }
input { border: 1px solid; border-radius: .3rem; font: inherit; padding: .6rem; width: 100%; }
input[readonly] { border-style: dotted; }
button { border: 0; border-radius: .3rem; font: inherit; font-weight: 600; margin-top: 1.5rem; padding: .7rem 1.2rem;
  background: #1a4f8b; color: #fff; }
.error { border-left: .3rem solid #b3261e; padding: .3rem .8rem; }
th { padding-right: 1rem; text-align: left; vertical-align: top; font-weight: 600; }
"""


def page(title: str, body: str, code: int = 200) -> Answer:
    """Returns a page as an answer. ``title`` is text, ``body`` is HTML: what came from elsewhere is escaped in it."""
    written = _PAGE.format(title=escape(title), style=STYLE_PATH.decode(), body=body)
    return Answer(written.encode(), code, HTML)


def paragraph(text: str, kind: str = "") -> str:
    """Returns a paragraph of text as HTML. The ``kind`` "error" is read out at once by screen readers."""
    marked = ' class="error" role="alert"' if kind == "error" else ""
    return f"<p{marked}>{escape(text)}</p>"
