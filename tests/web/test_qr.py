"""QR codes are read as they were written, and cost the reactor little."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import unquote

import pytest

from mpcontinuity.accounts import totp
from mpcontinuity.web import qr

TEXTS = (
    totp.uri("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "rita", "mail.example.net"),
    "https://mail.example.net:8443/invite/abcdefghijklmnopqrstuvwxyz234567abcdefgh",
    "https://mail.example.net/setup?email=anna@example.org",
    "x" * qr.LONGEST,
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_code_takes_less_than_five_milliseconds_of_the_reactor(text: str) -> None:
    def once() -> float:
        begun = time.process_time()
        qr.drawn(text)
        return time.process_time() - begun

    assert min(once() for _ in range(10)) < 0.005


def test_what_nobody_could_read_from_paper_is_not_drawn() -> None:
    assert qr.drawn("x" * (qr.LONGEST + 1)) == ""


@pytest.mark.skipif(shutil.which("zbarimg") is None, reason="no reader of QR codes (Debian: zbar-tools)")
@pytest.mark.parametrize("text", TEXTS)
def test_a_reader_of_others_reads_what_was_written(text: str, tmp_path: Path) -> None:
    picture = _picture(unquote(qr.drawn(text).partition(",")[2]), tmp_path / "code.pgm")
    read = subprocess.run(["zbarimg", "-q", "--raw", picture], capture_output=True, text=True, check=True, timeout=20)
    assert read.stdout.rstrip("\n") == text


def _picture(svg: str, path: Path) -> Path:
    """The code as grey pixels: lines of segno's path are ``m``oved to and drawn ``h``orizontally, a module high."""
    size = int(re.search(r"width='(\d+)'", svg)[1]) // 4  # type: ignore[index]
    dark = [bytearray(b"\xff" * size) for _ in range(size)]
    x = y = 0.0
    steps = re.findall(r"([Mmh])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?", re.search(r" d='([^']+)'", svg)[1])  # type: ignore[index]
    for step, first, second in steps:
        if step == "h":
            for column in range(int(x), int(x) + int(first)):
                dark[int(y)][column] = 0
            x += float(first)
        else:
            x, y = (x, y) if step == "m" else (0.0, 0.0)
            x, y = x + float(first), y + float(second)
    rows = [bytes(octet for octet in row for _ in range(4)) for row in dark for _ in range(4)]
    path.write_bytes(b"P5 %d %d 255\n" % (size * 4, size * 4) + b"".join(rows))
    return path
