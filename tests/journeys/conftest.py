"""A server for all journeys of a module; a domain with its home server for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World, configuration


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    chosen = getattr(request, "param", None) or request.config.getoption("database")
    with Server(tmp_path_factory.mktemp("server"), configuration(chosen)) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


@pytest.fixture
def configured(database: str) -> str:
    """The configuration for a server of one's own, on a database of its own."""
    return configuration(database)


@pytest.fixture
def home() -> Iterator[ScriptedHome]:
    with ScriptedHome() as running:
        yield running


@pytest.fixture
def world(server: Server, home: ScriptedHome) -> World:
    return World(server, home)
