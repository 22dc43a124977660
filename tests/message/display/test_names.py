"""Names of files that strangers chose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.display.names import LONGEST, disposition, file_name, unique


@pytest.mark.parametrize(
    ("given_", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\x\\y.exe", "C__x_y.exe"),
        ("annex\u202egpj.exe", "annexgpj.exe"),
        ("a\r\nSet-Cookie: x.txt", "aSet-Cookie_ x.txt"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        (" . ", "attachment-3.png"),
        ("", "attachment-3.png"),
        ("a" * 300 + ".docx", "a" * 115 + ".docx"),
        ("x.", "x"),
    ],
)
def test_a_name_misleads_no_system_and_no_eye(given_: str, name: str) -> None:
    assert file_name(given_, "image/png", 3) == name


@given(st.text(max_size=400))
def test_whatever_it_is_it_is_a_name_of_a_file(text: str) -> None:
    name = file_name(text, "x/y", 1)
    assert 0 < len(name) <= LONGEST
    assert len(name.encode()) <= 255
    assert not set(name) & set('\\/:*?"<>|\r\n\0')
    assert not name.startswith(".")
    value = disposition(name)
    assert value.isascii()
    assert b"\n" not in value
    assert value.count(b'"') == 2


def test_files_of_one_name_are_numbered() -> None:
    assert unique(["a.pdf", "A.pdf", "a.pdf", "a (2).pdf", "b"]) == [
        "a.pdf",
        "A (2).pdf",
        "a (3).pdf",
        "a (2) (2).pdf",
        "b",
    ]


def test_a_disposition_has_a_plain_name_and_the_true_one() -> None:
    assert disposition("a.pdf") == b'attachment; filename="a.pdf"'
    assert disposition("ä%.pdf") == b"attachment; filename=\"__.pdf\"; filename*=UTF-8''%C3%A4%25.pdf"
