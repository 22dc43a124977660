"""`domain dkim` and `domain test` on the command line, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mpcontinuity.app.commands.main import main

Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    config = tmp_path / "mpcontinuity.toml"
    config.write_text("")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["--config", str(config), *arguments])

    assert run("domain", "add", "example.org", "--home", "home.example.org").exit_code == 0
    return run


def test_a_key_is_printed_as_a_line_of_a_zone_file(cli: Cli) -> None:
    done = cli("domain", "dkim", "example.org", "--selector", "s1")
    assert done.exit_code == 0
    comment, record = done.output.splitlines()
    assert comment == "; s1: signs"
    assert record.startswith('s1._domainkey.example.org. IN TXT ( "v=DKIM1; k=rsa; p=MII')
    assert "PRIVATE" not in done.output


def test_the_private_half_is_never_shown(cli: Cli) -> None:
    done = cli("domain", "dkim", "example.org", "--json")
    (record,) = json.loads(done.output)["records"]
    assert set(record) == {"selector", "state", "name", "type", "value", "zone"}
    assert "PRIVATE" not in done.output
    assert len(cli("domain", "dkim", "example.org", "--rotate").output.splitlines()) == 4
    assert "not signed any more" in cli("domain", "dkim", "example.org", "--remove").output


@pytest.mark.parametrize("options", [("--rotate", "--now"), ("--rotate", "--remove"), ("--now", "--remove")])
def test_what_excludes_each_other_is_wrong_usage(cli: Cli, options: tuple[str, ...]) -> None:
    assert cli("domain", "dkim", "example.org", *options).exit_code == 2


def test_a_home_server_is_tested_by_a_running_server_only(cli: Cli) -> None:
    done = cli("domain", "test", "example.org")
    assert done.exit_code == 1
    assert "only a running server can test a home server" in done.output


def test_a_query_without_a_file_is_not_taken_for_the_file(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    done = cli("archive", "export", "walrus")
    assert done.exit_code == 2
    assert "walrus: name the file to write behind the query, with the ending .mbox" in done.output
    assert sorted(tmp_path.iterdir()) == before


def test_status_says_that_users_cannot_use_home(cli: Cli) -> None:
    said = cli("domain", "users-out", "example.org", "on", "--note", "no login").output.splitlines()
    assert said == [
        "example.org: home's users are out: said by root: no login",
        "Copies for everybody: mpcontinuity user continuity --domain example.org --all on",
    ]
    assert "example.org: home's users cannot use it: said by root: no login\n" in cli("status").output


def test_the_list_of_plans_says_when_one_ended_early(cli: Cli) -> None:
    assert cli("domain", "plan", "example.org", "--from", "1s", "--until", "1h").exit_code == 0
    heads = cli("domain", "plan", "example.org", "--list").output.split()[:7]
    assert heads == ["id", "from", "until", "state", "ended", "by", "note"]
