from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from mpcontinuity.app.commands import main
from mpcontinuity.app.doctor import Finding, examine


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Initialised, on ports that are free at the moment."""
    path = tmp_path / "mpcontinuity.toml"
    path.write_text("[listen]\nsmtp = []\nimap = []\nimaps = []\n[home]\nconnect_timeout = 1\n")
    assert CliRunner().invoke(main, ["--config", str(path), "init"]).exit_code == 0
    return path


@pytest.fixture
def home() -> Iterator[int]:
    """A home server's port that says what the test wants."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, client.makefile("rwb") as stream:
                stream.write(b"220 home\r\n")
                stream.flush()
                stream.readline()
                stream.write(b"250 home\r\n")
                stream.flush()
                stream.readline()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(timeout=5)


def findings(config: Path) -> dict[str, Finding]:
    """The worst of each check."""
    worst: dict[str, Finding] = {}
    for finding in examine(config, "root"):
        if finding.check not in worst or finding.verdict != "good":
            worst[finding.check] = finding
    return worst


def run(config: Path, *arguments: str) -> int:
    return CliRunner().invoke(main, ["--config", str(config), *arguments]).exit_code


def test_a_fresh_server_has_warnings_and_nothing_wrong(config: Path) -> None:
    verdicts = {finding.verdict for finding in examine(config, "root")}
    assert verdicts == {"good", "warning"}
    assert run(config, "doctor") == 0


def test_a_broken_configuration_is_wrong(config: Path) -> None:
    config.write_text("x = 1")
    assert findings(config)["configuration"].verdict == "wrong"
    assert run(config, "doctor") == 1


def test_what_others_can_read_is_wrong_and_the_cure_is_said(config: Path) -> None:
    key = config.parent / "certs" / "server.key"
    key.chmod(0o644)
    (config.parent / "data").chmod(0o755)
    found = findings(config)
    assert found["private key"].advice == f"chmod 600 {key}"
    assert found["data folder"].verdict == "wrong"


def test_a_key_that_does_not_fit_is_wrong(config: Path) -> None:
    (config.parent / "certs" / "server.key").write_text("nonsense")
    assert findings(config)["certificate"].verdict == "wrong"


def test_a_port_that_is_taken_is_wrong(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config.write_text(config.read_text().replace("smtp = []", f"smtp = ['tcp:{port}:interface=127.0.0.1']"))
        assert findings(config)["listener"].text == f"127.0.0.1:{port}: Address already in use"


def test_a_home_server_that_answers_is_good(config: Path, home: int) -> None:
    assert run(config, "domain", "add", "example.org", "--home", f"127.0.0.1:{home}") == 0
    checks = [finding for finding in examine(config, "root") if finding.check == "example.org"]
    assert [finding.verdict for finding in checks] == ["good", "warning"]
    assert checks[1].text == "has no user: nothing would be kept"


def test_a_home_server_that_does_not_is_wrong(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    run(config, "domain", "add", "example.org", "--home", f"127.0.0.1:{port}")
    assert run(config, "doctor") == 1
