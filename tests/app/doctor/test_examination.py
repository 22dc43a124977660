from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from mpcontinuity.app.commands.client import connect
from mpcontinuity.app.commands.main import main
from mpcontinuity.app.doctor import database
from mpcontinuity.app.doctor.examination import examine
from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.config.read import read
from mpcontinuity.store.postgresql.url import conninfo
from tests.fakes.postgresql import fresh_database


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Initialised, on ports that are free at the moment."""
    path = tmp_path / "mpcontinuity.toml"
    path.write_text(
        "[listen]\nsmtp = []\nsubmission = []\nsubmissions = []\nimap = []\nimaps = []\npop3 = []\npop3s = []\n"
        "metrics = []\n[home]\nconnect_timeout = 1\n"
    )
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
    for finding in examine(config, partial(connect, by="root")):
        if finding.check not in worst or finding.verdict != "good":
            worst[finding.check] = finding
    return worst


def run(config: Path, *arguments: str) -> int:
    return CliRunner().invoke(main, ["--config", str(config), *arguments]).exit_code


def test_a_fresh_server_has_warnings_and_nothing_wrong(config: Path) -> None:
    verdicts = {finding.verdict for finding in examine(config, partial(connect, by="root"))}
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
    checks = [finding for finding in examine(config, partial(connect, by="root")) if finding.check == "example.org"]
    assert [finding.verdict for finding in checks] == ["good", "warning", "warning"]
    assert checks[1].text == "has no user: nothing would be kept"


@pytest.mark.parametrize(
    ("postmaster", "verdict", "text"),
    [
        (b"250 ok", "warning", "does not take the null sender: 451 4.7.1 no empty senders"),
        (b"451 4.3.2 busy", "good", "answers to EHLO"),
    ],
)
def test_a_home_server_that_dislikes_the_null_sender_alone_is_named(
    config: Path, postmaster: bytes, verdict: str, text: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, client.makefile("rwb") as stream:
                for reply in (b"220 home", b"250 home", b"451 4.7.1 no empty senders", postmaster):
                    stream.write(reply + b"\r\n")
                    stream.flush()
                    stream.readline()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        home = f"127.0.0.1:{listener.getsockname()[1]}"
        assert run(config, "domain", "add", "example.org", "--home", home) == 0
        found, *_ = (each for each in examine(config, partial(connect, by="root")) if each.check == "example.org")
        thread.join(timeout=5)
    assert (found.verdict, found.text) == (verdict, f"home server {home} {text}")


def test_a_home_server_that_does_not_is_wrong(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    run(config, "domain", "add", "example.org", "--home", f"127.0.0.1:{port}")
    assert run(config, "doctor") == 1


def test_a_password_in_a_file_that_everybody_reads_is_wrong(config: Path) -> None:
    config.write_text(config.read_text() + '[outbound]\nroute = "smtp://user:secret@smarthost.example"\n')
    config.chmod(0o644)
    found = findings(config)["configuration"]
    assert found.verdict == "wrong"
    assert "outbound.route" in found.text
    assert "secret" not in found.line()
    config.chmod(0o640)
    assert findings(config)["configuration"].verdict == "good"
    config.chmod(0o642)
    assert "can be written by everybody" in findings(config)["configuration"].text


def test_a_damaged_database_is_wrong_and_a_whole_one_good(config: Path) -> None:
    assert findings(config)["database"].verdict == "good"
    path = config.parent / "data" / "mpcontinuity.sqlite"
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * 4096 * 4)
    found = findings(config)["database"]
    assert found.verdict == "wrong"
    assert "mpcontinuity check" in found.advice


def test_a_database_that_is_older_than_its_packs_is_wrong(config: Path) -> None:
    (config.parent / "data" / "packs" / "generation").write_text("1000\n")
    found = findings(config)["database"]
    assert (found.verdict, "older than the packs" in found.text) == ("wrong", True)
    assert "check --repair" in found.advice


def test_a_disk_below_the_floor_is_wrong(config: Path) -> None:
    config.write_text(config.read_text() + f"[limits]\nfree_space = {1 << 50}\n")
    assert findings(config)["disk"].verdict == "wrong"


def test_a_store_written_in_the_future_shows_a_clock_that_is_behind(config: Path) -> None:
    path = config.parent / "data" / "mpcontinuity.sqlite"
    ahead = time.time() + 3600
    os.utime(path, (ahead, ahead))
    found = findings(config)["clock"]
    assert (found.verdict, "behind what the store was written at last" in found.text) == ("wrong", True)


def test_a_postgresql_that_does_not_answer_is_wrong_and_its_password_is_not_shown(config: Path) -> None:
    url = "postgresql+psycopg://user:secret@127.0.0.1:1/mail"
    config.write_text(config.read_text() + f'[store]\ndatabase = "{url}"\n')
    found = findings(config)["PostgreSQL"]
    assert found.verdict == "wrong"
    assert "secret" not in found.line()


def test_json_has_a_row_per_finding(config: Path) -> None:
    done = CliRunner().invoke(main, ["--config", str(config), "doctor", "--json"])
    rows = json.loads(done.stdout)
    assert {"check", "verdict", "text", "advice"} == set(rows[0])
    assert {row["verdict"] for row in rows} == {"good", "warning"}


def test_the_schema_of_a_postgresql_is_looked_at(config: Path) -> None:
    url = fresh_database()
    config.write_text(config.read_text() + f'[store]\ndatabase = "{url}"\n')
    settings = read(config)

    def look() -> dict[str, Finding]:
        return {finding.check: finding for finding in database.examine(settings)}

    assert {finding.verdict for finding in look().values()} == {"good"}
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
        assert (look()["schema"].verdict, look()["schema"].advice) == ("wrong", "run `mpcontinuity migrate`")
        connection.execute("DROP TABLE alembic_version")
        assert look()["schema"].verdict == "warning"
    assert look()["PostgreSQL"].verdict == "good"
