"""QR codes (ISO/IEC 18004) as images within a page."""

from __future__ import annotations

import segno


def drawn(text: str) -> str:
    """Returns an image of the text as a data URI: SVG, black on nothing, to be shown on a white ground."""
    return str(segno.make(text, micro=False).svg_data_uri(border=2, scale=4))
