"""Inputs that failed once, in ``corpus/TARGET/``, named after what was wrong."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def kept(target: str) -> list[bytes]:
    """In the order of their names."""
    return [file.read_bytes() for file in sorted((FOLDER / target).glob("*"))]
