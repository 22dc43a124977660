"""The document in which a message is shown: it is one of its own, which a frame without an origin holds.

The style here is ours. Links and texts of the sender are in it only as sanitised.py gave them; nothing is edited.
"""

from __future__ import annotations

from typing import Final

from mpcontinuity.message.display.shown import Shown

# `sandbox` of the frame and of the answer: no script, no form, no origin; links open outside (HTML, "iframe sandbox").
SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox"

_HEAD: Final = (
    '<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>{style}</style>'
    "{css}</head><body>"
)
_END: Final = "</body></html>"
# A message with colours of its own was written for a white page. One without has those of the reader's choice.
_LIGHT: Final = ":root{color-scheme:light;background:#fff;color:#111}"
_EITHER: Final = (
    ":root{color-scheme:light dark;background:#fff;color:#1b1b1f}"
    "@media(prefers-color-scheme:dark){:root{background:#1b1b1f;color:#e6e6ea}a{color:#9db8ff}}"
)
_STYLE: Final = (
    "body{margin:0;padding:12px;font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto}pre{white-space:pre-wrap}"
    "blockquote{margin:4px 0 4px 2px;padding:0 0 0 12px;border-left:2px solid #8a8fa3}"
    ".mpc-text{white-space:pre-wrap;tab-size:8}table{max-width:100%}"
)


def document(shown: Shown, *, head: str = "") -> str:
    """Returns the document. ``head`` is HTML of ours that stands above the message, as on paper."""
    return around(head + shown.html, css=shown.css, coloured=shown.coloured)


def around(html: str, *, css: str = "", coloured: bool = False) -> str:
    """Returns the document around HTML that can do nothing. ``coloured`` says that it has colours of its own."""
    style = (_LIGHT if coloured else _EITHER) + _STYLE
    sheet = f"<style>{css}</style>" if css else ""
    return _HEAD.format(title="Message", style=style, css=sheet) + html + _END


def policy(images: str, *, remote: bool = False) -> bytes:
    """Returns the Content Security Policy of the document: it would hold if the message were as its sender wrote it.

    ``images`` is where the pictures of this very message are, with the origin; empty: there are none. With ``remote``
    the browser may load pictures from elsewhere.
    """
    sources = " ".join(filter(None, (images, "https: http:" if remote else ""))) or "'none'"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src {sources}; sandbox {SANDBOX}; form-action 'none'; "
        "base-uri 'none'; frame-ancestors 'self'"
    ).encode("ascii")
