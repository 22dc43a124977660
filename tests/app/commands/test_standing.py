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
