"""QR codes (ISO/IEC 18004) as images within a page."""

from __future__ import annotations

from typing import Final

import segno

# To find the best of eight masks (§7.8) takes four fifths of the time: 4.8 ms of 5.6 for the key of an authenticator,
# in which nothing else of the server runs. The code says which mask it has, so that readers read any of them.
_MASK: Final = 3
LONGEST: Final = 300  # characters: 3 ms, and what is longer is too fine to be read from paper


def drawn(text: str) -> str:
    """Returns an image of the text as a data URI: SVG, black on nothing, to be shown on a white ground.

    It is empty for a text of more than `LONGEST` characters, which has to be shown as it is.
    """
    if len(text) > LONGEST:
        return ""
    return str(segno.make(text, micro=False, mask=_MASK).svg_data_uri(border=2, scale=4))
