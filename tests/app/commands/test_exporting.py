"""Exported messages are read back as they were, by others' programs, and what is not complete has another name."""

from __future__ import annotations

import email.utils
import mailbox
import zipfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from mpcontinuity.app.commands.exporting import FORMATS, PART, Export, Format
from mpcontinuity.model.errors import Refused

ROW = {"id": "0rsp18p1qz2zf", "time": "2026-11-02T03:04:05.678901+00:00", "sender": "bob@sender.example"}
TRICKY = (
    b"Subject: x\r\n\r\nFrom here on\r\n>From there\r\n>>From\r\n From\r\nFromage\r\n\r\n.\r\nlast"
    + b">" * 70_000
    + b"From x"
)
LONG = b"Subject: y\r\n\r\n" + b"From me " * 400_000 + b"\r\nFrom you\r\n"  # one line of more than 1 MiB


def say(export: Export, content: bytes, **row: Any) -> None:
    for start in range(0, len(content), 40_000):
        export.take({"data": b64encode(content[start : start + 40_000]).decode()})
    export.take({"message": {**ROW, **row}})


def written(kind: str, path: Path, *contents: bytes) -> None:
    format_ = FORMATS[kind](path)
    export = Export(format_)
    export.take({"found": len(contents)})
    for number, content in enumerate(contents):
        say(export, content, id=f"{number:013}")
    assert not path.exists()
    format_.close()
    export.end()
    assert not path.with_name(path.name + PART).exists()


def unix(content: bytes) -> bytes:
    text = content.replace(b"\r\n", b"\n")
    return text if not text or text.endswith(b"\n") else text + b"\n"


@pytest.mark.parametrize("content", [TRICKY, LONG, b"", b"From bob\r\n", b"\r\n\r\n"])
def test_an_mbox_gives_each_message_back_when_quotes_are_taken_off(tmp_path: Path, content: bytes) -> None:
    written("mbox", tmp_path / "x.mbox", content, TRICKY)
    raw = (tmp_path / "x.mbox").read_bytes()
    messages = raw.split(b"From bob@sender.example Mon Nov  2 03:04:05 2026\n")[1:]
    assert len(messages) == 2
    for message, expected in zip(messages, (content, TRICKY), strict=True):
        assert not [line for line in message.split(b"\n") if line.startswith(b"From ")]
        lines = [
            line[1:] if line.lstrip(b">").startswith(b"From ") and line[:1] == b">" else line
            for line in message.split(b"\n")
        ]
        assert b"\n".join(lines) == unix(expected) + b"\n"
    assert len(mailbox.mbox(tmp_path / "x.mbox")) == 2


def test_the_separator_of_an_mbox_names_who_sent_it_in_one_word(tmp_path: Path) -> None:
    format_ = FORMATS["mbox"](tmp_path / "x.mbox")
    export = Export(format_)
    for sender in ("", '"two words"@x.example', "jörg@x.example"):
        say(export, b"Subject: x\r\n\r\n", sender=sender)
    format_.close()
    export.end()
    senders = [message.get_from().split()[0] for message in mailbox.mbox(tmp_path / "x.mbox")]
    assert senders[:2] == ["MAILER-DAEMON", '"two_words"@x.example']
    assert len(senders) == 3


def test_a_maildir_has_a_file_for_each_with_its_time(tmp_path: Path) -> None:
    written("maildir", tmp_path / "x", TRICKY, LONG)
    box = mailbox.Maildir(tmp_path / "x", create=False)
    assert sorted(box.get_bytes(key) for key in box.iterkeys()) == sorted(
        [TRICKY.replace(b"\r\n", b"\n"), LONG.replace(b"\r\n", b"\n")]
    )
    time = email.utils.parsedate_to_datetime("Mon, 02 Nov 2026 03:04:05 +0000").timestamp()
    assert {path.stat().st_mtime for path in (tmp_path / "x" / "new").iterdir()} == {time}
    assert not list((tmp_path / "x" / "tmp").iterdir())


def test_a_zip_has_each_octet(tmp_path: Path) -> None:
    written("zip", tmp_path / "x.zip", TRICKY, LONG, b"")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.testzip() is None
        assert [archive.read(name) for name in archive.namelist()] == [TRICKY, LONG, b""]
        assert archive.namelist()[0] == f"2026-11-02T030405Z-{0:013}.eml"


@pytest.mark.parametrize("kind", FORMATS)
def test_what_was_begun_of_a_damaged_message_is_left_out(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    format_ = FORMATS[kind](tmp_path / "x")
    export = Export(format_)
    say(export, TRICKY)
    export.take({"data": b64encode(b"half of it").decode()})
    export.take({"damaged": ROW})
    say(export, b"Subject: last\r\n\r\n", id="1" * 13)
    format_.close()
    export.end()
    assert count(kind, tmp_path / "x") == 2
    assert "is damaged" in capsys.readouterr().err


def count(kind: str, path: Path) -> int:
    if kind == "zip":
        return len(zipfile.ZipFile(path).namelist())
    return len(mailbox.mbox(path) if kind == "mbox" else mailbox.Maildir(path, create=False))


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_given_up_leaves_nothing_and_what_is_there_is_not_overwritten(tmp_path: Path, kind: str) -> None:
    format_: Format = FORMATS[kind](tmp_path / "x")
    export = Export(format_)
    say(export, TRICKY)
    export.end()
    with pytest.raises(Refused, match="cut off"):  # by somebody else at the same time
        FORMATS[kind](tmp_path / "x")
    format_.abandon()
    assert not list(tmp_path.iterdir())
    (tmp_path / "x").write_text("mine")
    with pytest.raises(Refused, match="exists"):
        FORMATS[kind](tmp_path / "x")
    assert (tmp_path / "x").read_text() == "mine"
