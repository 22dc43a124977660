"""The demo as a user runs it, and that it would not praise a server that doubles mail."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mpcontinuity.app.demo import play
from mpcontinuity.app.demo.home import DemoHome
from mpcontinuity.model.reply import Reply

COMMAND = [sys.executable, "-c", "from mpcontinuity.app.commands.main import main; main()", "demo"]


def test_the_demo_proves_that_nothing_is_lost_or_doubled() -> None:
    played = subprocess.run(COMMAND, capture_output=True, text=True, timeout=600, check=False)
    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stdout.count("proved") == 5
    assert "FAILED" not in played.stdout
    assert "\x1b" not in played.stdout  # plain lines where nobody sees colours
    assert "came home: 202 of 202" in played.stdout


def test_a_message_that_came_home_twice_fails_the_demo_and_keeps_its_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    take = DemoHome.take

    def doubled(home: DemoHome, recipients: list[str], content: bytes) -> Reply:
        if b"Subject: Order 7\r\n" in content:
            take(home, recipients, content)
        return take(home, recipients, content)

    monkeypatch.setattr(DemoHome, "take", doubled)
    monkeypatch.setattr(play, "_FLOOD", 20)
    with tempfile.TemporaryDirectory() as short:  # for the path of a socket in it
        monkeypatch.setattr("tempfile.tempdir", short)
        assert play.play(keep=False) == 1
        shown, error = capsys.readouterr()
        assert "FAILED  nothing was doubled" in shown, shown + error
        (folder,) = Path(short).iterdir()
        assert (folder / "log").exists()
        assert f"Look at {folder}" in shown.replace("\n", "")
