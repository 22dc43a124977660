"""The words of a text, as the archive's index has them and as a query asks for them.

A word is a run of letters, digits and the marks that belong to them, in Unicode's compatibility form and without case
(NFKC, full case folding): "Straße", "STRASSE" and "ｓｔｒａｓｓｅ" are one word. Scripts without blanks between words
(Chinese, Japanese, Thai, Khmer and others), and Korean, which joins particles to its nouns, give each character and
each two that stand beside each other instead, so that a part of a sentence is found too.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Characters of a word that count: longer runs are base64, checksums, and what a hostile message is made of.
LONGEST: Final = 64

# Marks are no letters to `re`, and yet stand within words: the vowels of Hebrew, Arabic, and Indian scripts, accents.
_MARKS = "".join(chr(code) for code in range(0x300, 0x11200) if unicodedata.category(chr(code))[0] == "M")
_WORD = re.compile(rf"[\w{_MARKS}]+")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
# What is normalised at once: composing marks are sorted by insertion, in the square of their number. Marks stay with
# their letter.
_AT_ONCE = 128
_PORTION = re.compile(rf".{{1,96}}[{_MARKS}]{{0,32}}", re.DOTALL)
# Thai to Lao, Burmese, Khmer, Japanese, Chinese, Yi, Korean.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_PIECE = re.compile(f"([{_UNSPACED}]+)|[^{_UNSPACED}]+")
# In the midst of words, and not seen: soft hyphens, joiners, directions, the mark at the beginning of a file.
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


def words(text: str) -> set[str]:
    """Returns the different words of a text, each of at most `LONGEST` characters. It takes time in proportion to the
    text, whatever stands in it."""
    if text.isascii():
        return _of_ascii(text)
    runs = set(text.split())  # many are alike, and normalising is what takes long
    ascii_runs = {run for run in runs if run.isascii()}
    found = _of_ascii(" ".join(ascii_runs))
    for run in runs - ascii_runs:
        found |= _of_run(run)
    return found


def _of_ascii(text: str) -> set[str]:
    return {word[:LONGEST] for word in _ASCII_WORD.findall(text.lower())}


def _of_run(run: str) -> set[str]:
    found: set[str] = set()
    seen = _UNSEEN.sub("", run).replace("_", " ")
    portions = [seen] if len(seen) <= _AT_ONCE else _PORTION.findall(seen)
    forms = {portion: _folded(portion) for portion in set(portions)}
    for word in set(_WORD.findall("".join([forms[portion] for portion in portions]))):
        for piece in _PIECE.finditer(word):
            if piece[1]:
                found.update(piece[1], map("".join, zip(piece[1], piece[1][1:], strict=False)))
            else:
                found.add(piece[0][:LONGEST])
    return found


def _folded(portion: str) -> str:
    """In the form in which words are compared."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", portion).casefold())
