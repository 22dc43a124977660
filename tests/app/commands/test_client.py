from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from mpcontinuity.app.commands.client import connect
from mpcontinuity.config.read import parse
from mpcontinuity.control.client import ControlClient
from mpcontinuity.control.operation import Progress
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.lock import lock

OF_ANOTHER_VERSION = [b"", b"null", b"[]", b'"refused"', b"{}", b'{"refused": 7}', b"\xff", b'{"result"']


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return parse('[password]\nscheme = "pbkdf2_sha256"', tmp_path)


def test_without_a_server_the_store_is_opened_and_closed_again(settings: Settings) -> None:
    for _ in range(2):
        with connect(settings, "root") as control:
            assert not control.running
            assert control.call("domain list") == []


def test_arguments_that_are_none_are_left_out(settings: Settings) -> None:
    with connect(settings, "root") as control:
        assert control.call("status", domain=None) == []


def test_what_is_refused_is_raised(settings: Settings) -> None:
    with connect(settings, "root") as control, pytest.raises(Refused, match="no such domain"):
        control.call("domain show", name="x.org")


class Said:
    """A server that says the same whatever it is asked."""

    running = True

    def __init__(self, reply: bytes) -> None:
        self._reply = reply

    def ask(self, line: bytes, progress: Progress) -> bytes:
        return self._reply

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b'{"refused": "because"}', "because"),
        (b'{"refused": "because", "kind": "of a newer version"}', "because"),
        *((reply, "the server's answer cannot be read; is its version another one?") for reply in OF_ANOTHER_VERSION),
    ],
)
def test_the_reply_of_another_version_is_refused_in_one_line(reply: bytes, said: str) -> None:
    with ControlClient(Said(reply), "root") as control, pytest.raises(Refused) as refused:
        control.call("domain list")
    assert (str(refused.value), refused.value.kind) == (said, "conflict")


def test_a_process_that_has_the_lock_and_does_not_answer_is_waited_for_and_then_named(settings: Settings) -> None:
    folder = Path(settings.data_dir)
    folder.mkdir()
    held = lock(folder)
    with pytest.raises(Refused, match="is in use by another process that does not answer"):
        connect(settings, "root", patience=0.2)
    threading.Timer(0.3, held.release).start()
    with connect(settings, "root") as control:
        assert control.call("user list") == []


def test_a_socket_that_nobody_listens_on_is_no_server(settings: Settings) -> None:
    folder = Path(settings.data_dir)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(folder / "control.sock"))
    begin = time.monotonic()
    with connect(settings, "root") as control:
        assert not control.running
    assert time.monotonic() - begin < 3


def test_a_server_that_goes_away_in_the_middle_is_said(settings: Settings) -> None:
    folder = Path(settings.data_dir)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "control.sock"))
        listener.listen()

        def hang_up() -> None:
            client, _ = listener.accept()
            client.recv(100)
            client.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with (
            connect(settings, "root") as control,
            pytest.raises(Refused, match="the server stopped before it answered"),
        ):
            control.call("domain list")
        thread.join()
