"""Where Anna and Ben write by webmail, while their home server is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser.site import serving
from tests.browser.window import Window
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World


class Study(World):
    """Anna and Ben, whose home server is away."""

    def count(self, folder: str) -> int:
        with self.imap() as session:
            return int(session.select(folder, readonly=True)[1][0] or b"0")

    def text(self, folder: str) -> bytes:
        with self.imap() as session:
            session.select(folder, readonly=True)
            found: Any = session.fetch("*", "(BODY.PEEK[])")[1]
            return bytes(found[0][1])


@contextmanager
def studying(path: Path) -> Iterator[Study]:
    with ScriptedHome() as home, serving(path, require_totp=False) as server:
        study = Study(server, home)
        study.home.stop()
        yield study


def sign_in(opened: Window, study: Study) -> None:
    opened.go("/")
    opened.fill(address=study.anna, password="secret")
    opened.press("Log in")
