"""``mpcontinuity migrate``, on both databases, and the commands that open the store themselves on PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import pytest
from click.testing import CliRunner, Result

from mpcontinuity.app.commands.main import main
from mpcontinuity.store.revision import HEAD
from mpcontinuity.store.sqlite.driver import DATABASE
from tests.fakes.postgresql import cluster, fresh_database, name
from tests.store.test_released import RELEASED, on_postgresql, on_sqlite


class Installation:
    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.config = folder / "mpcontinuity.toml"
        self.config.write_text(f'[store]\ndatabase = "{url or "sqlite"}"\n')

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["--config", str(self.config), *arguments])

    def set_revision(self, revision: str) -> None:
        if not self.url:
            path = str(self.folder / "data" / DATABASE)
            with closing(sqlite.connect(path, isolation_level=None)) as connection:
                connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        else:
            with cluster().connect(name(self.url)) as connection:
                connection.execute("UPDATE alembic_version SET version_num = %s", (revision,))


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    """With the first schema that was ever released."""
    url = on_sqlite(tmp_path / "data", RELEASED[0]) if request.param == "sqlite" else on_postgresql(RELEASED[0])
    return Installation(tmp_path, url)


def test_it_says_from_where_to_where_and_each_step(old: Installation) -> None:
    done = old.run("migrate")
    assert done.exit_code == 0, done.output
    first, *steps = done.output.splitlines()
    assert first.endswith(f": from schema {RELEASED[0]} to schema {HEAD}")
    assert steps == [f"schema {number:04}: done" for number in range(int(RELEASED[0]) + 1, int(HEAD) + 1)]
    again = old.run("migrate")
    assert again.exit_code == 0
    assert again.output.endswith(f": has schema {HEAD}, which is the one this version needs\n")


def test_a_newer_schema_is_one_line_and_exit_1(old: Installation) -> None:
    old.set_revision("9999")
    done = old.run("migrate")
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1
    assert "has schema 9999" in done.output


def test_on_postgresql_an_older_schema_waits_for_the_administrator(tmp_path: Path) -> None:
    old = Installation(tmp_path, on_postgresql(RELEASED[0]))
    refused = old.run("status")
    assert refused.exit_code == 1
    assert "; `mpcontinuity migrate` brings it there" in refused.output
    assert old.run("migrate").exit_code == 0
    assert old.run("status").exit_code == 0


def test_commands_work_on_postgresql_without_a_server_and_beside_each_other(tmp_path: Path) -> None:
    url = fresh_database()
    nodes = []
    for number in range(2):
        (tmp_path / f"{number}").mkdir()
        nodes.append(Installation(tmp_path / f"{number}", url))
    assert nodes[0].run("domain", "add", "example.org", "--home", "home.example.org").exit_code == 0
    listed = nodes[1].run("domain", "list")
    assert listed.exit_code == 0, listed.output
    assert "example.org" in listed.output
    cluster().drop(url)
