"""Kinds of attachments that a browser shows by itself."""

from __future__ import annotations

from typing import Final

# How pictures and PDF begin: what begins otherwise is not shown as one, whatever it says that it is.
BEGINNINGS: Final = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
    "application/pdf": (b"%PDF-",),
}
TEXTS: Final = frozenset({"text/plain", "text/csv", "text/x-log", "text/markdown"})
VIEWED: Final = frozenset(BEGINNINGS) | TEXTS  # kinds that a browser shows
