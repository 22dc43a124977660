"""The command line without a server: it opens the store itself."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from mpcontinuity.accounts import totp
from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.main import main
from tests.app.running import command

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    config = tmp_path / "mpcontinuity.toml"
    config.write_text('[password]\nscheme = "pbkdf2_sha256"\n')

    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(main, ["--config", str(config), *arguments], input=stdin, prog_name="mpcontinuity")

    return run


def rows(run: Run, *arguments: str, stdin: str = "") -> Any:
    done = run(*arguments, "--json", stdin=stdin)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def commands(group: click.Group, before: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name, member in group.commands.items():
        found.append(((*before, name), member))
        if isinstance(member, click.Group):
            found += commands(member, (*before, name))
    return found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("user", "show", "\udcff@a.org"), "what was given is not UTF-8 text"),
        (("user", "import", "/nonexistent.csv"), "/nonexistent.csv: No such file or directory"),
        (
            ("admin", "token", "root", "--remove", "s3cret"),
            "id: is not the id of a token; `mpcontinuity admin token root --list` shows theirs",
        ),
        (
            ("user", "add", "a\x1b[31m@a.org"),
            "a\\x1b[31m@a.org: not a mail address: the part before the @ is not a valid local part",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.output) == (1, f"mpcontinuity: {said}\n")


def test_every_command_explains_itself_and_its_options(run: Run) -> None:
    for name, member in commands(main):
        done = run(*name, "--help")
        assert done.exit_code == 0, name
        assert member.help, name
        for option in member.params:
            assert not isinstance(option, click.Option) or option.help, (name, option.name)


def test_every_command_that_lists_or_shows_takes_json() -> None:
    for name, member in commands(main):
        if name[-1] in ("list", "show", "status", "report", "track", "import", "doctor"):
            assert any(option.name == "as_json" for option in member.params), name


def test_empty_lists_are_empty_arrays(run: Run) -> None:
    for name in (("domain", "list"), ("user", "list"), ("admin", "list"), ("status",), ("track",), ("queue", "list")):
        assert rows(run, *name) == []
    assert rows(run, "status", "--history") == []
    assert run("status", "--history").stdout == "No home server has changed its state.\n"


HOSTILE = "\x1b]0;\x07\x9b31m\u202eannA\u200b\U000e0041"


def test_nothing_from_outside_acts_on_the_terminal(run: Run) -> None:
    rows(run, "domain", "add", "example.org", "--home", "home.example.org")
    added = run("user", "add", "anna@example.org", "--name", HOSTILE)
    said = [added, run("user", "list"), run("user", "show", "anna@example.org"), run("domain", "show", HOSTILE)]
    said += [run("user", "list", "--json"), run("user", "show", "anna@example.org", "--json")]
    for done in said:
        assert done.output.replace("\n", "").isprintable(), done.output
    assert "\\x1b]0;\\x07\\x9b31m\\u202eannA\\u200b\\U000e0041" in said[1].stdout
    assert rows(run, "user", "list")[0]["name"] == HOSTILE


def test_commands_print_by_what_makes_text_visible() -> None:
    own = Path(output.__file__)
    assert [module.name for module in own.parent.glob("*.py") if "click.echo" in module.read_text()] == [own.name]


ROUTE = "smtp://relay:s3cret@smarthost.example:587"


def test_a_route_with_a_password_is_read_from_standard_input(run: Run, tmp_path: Path) -> None:
    rows(run, "domain", "add", "example.org", "--home", "home.example.org")
    done = run("domain", "set", "example.org", "retention-days=7", "outbound-route", "--stdin", stdin=f"{ROUTE}\n")
    assert (done.exit_code, done.stderr) == (0, "")
    row = rows(run, "domain", "show", "example.org")
    assert (row["outbound-route"], row["retention-days"]) == ("smtp://relay:…@smarthost.example:587", 7)
    refused = run("domain", "set", "example.org", "outbound-route", "--stdin", stdin=f"{ROUTE}?tls=maybe\n")
    assert refused.exit_code == 1
    for one in (done, refused, run("domain", "show", "example.org")):
        assert "s3cret" not in one.output


def test_a_password_among_the_arguments_is_taken_with_a_warning(run: Run) -> None:
    added = run("domain", "add", "example.org", "--home", "home.example.org", "--outbound-route", ROUTE)
    changed = run("domain", "set", "example.org", f"outbound-route={ROUTE}")
    for done in (added, changed):
        assert done.exit_code == 0
        assert "can be seen by others" in done.stderr
        assert "s3cret" not in done.output
    assert run("domain", "set", "example.org", "outbound-route=smtp://smarthost.example").stderr == ""


@pytest.mark.parametrize(
    "arguments", [("outbound-route",), ("mode=enabled", "--stdin"), ("--stdin",), ("outbound-route", "mode")]
)
def test_a_value_is_given_or_read(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("domain", "set", "example.org", *arguments).exit_code == 2


def test_a_domain_and_its_users(run: Run) -> None:
    row = rows(run, "domain", "add", "Example.org", "--home", "home.example.org", "--relay-check", "on")
    assert (row["domain"], row["home"], row["relay-check"]) == ("example.org", "home.example.org:25", True)
    assert rows(run, "domain", "set", "example.org", "mode=enabled", "retention-days=0")["retention-days"] == 0
    user = rows(run, "user", "add", "anna@example.org", "--alias", "a@example.org", "--password-stdin", stdin="x\n")
    assert (user["status"], user["aliases"]) == ("active", ["a@example.org"])
    assert [row["address"] for row in rows(run, "user", "list", "--domain", "example.org")] == ["anna@example.org"]
    assert "anna@example.org" in run("user", "list").stdout
    assert run("user", "remove", "anna@example.org").stdout == "anna@example.org: removed\n"
    assert run("domain", "remove", "example.org").exit_code == 0


def test_copies_for_one_user_or_for_all_of_a_domain(run: Run) -> None:
    run("domain", "add", "example.org", "--home", "home.example.org")
    run("user", "add", "anna@example.org")
    run("user", "add", "bert@example.org")
    one = run("user", "continuity", "anna@example.org", "on")
    assert one.output == "anna@example.org: continuity on\n"
    both = run("user", "continuity", "--domain", "example.org", "--all", "on")
    assert both.output == "example.org: 1 users opted in, mode optional\n"
    said = run("domain", "users-out", "example.org", "on", "--note", "no login")
    assert "home's users are out: said by" in said.output
    assert "mpcontinuity user continuity --domain example.org --all on" in said.output
    for words in (["on"], ["--all", "on"], ["--domain", "example.org", "on"], ["anna@example.org", "maybe"]):
        assert run("user", "continuity", *words).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("domain", "add", "a b", "--home", "x"),
        ("domain", "add", "example.org", "--home", "127.0.0.1:1025"),
        ("domain", "show", "x.org"),
        ("user", "add", "nobody"),
        ("user", "import", "/nonexistent.csv"),
        ("report", "x.org"),
        ("track", "--since", "soon"),
        ("queue", "remove", "x"),
        ("admin", "remove", "x"),
        ("admin", "token", "x", "--list"),
    ],
)
def test_what_is_refused_is_exit_1_and_one_line_on_standard_error(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("mpcontinuity: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("domain", "add", "example.org"),
        ("domain", "set", "example.org", "mode"),
        ("user", "continuity", "anna@example.org", "perhaps"),
        ("user", "password", "anna@example.org"),
        ("track", "--status", "lost"),
        ("track", "--limit", "0"),
        ("status", "--since", "1d"),
        ("queue", "remove"),
        ("admin", "token", "x", "--list", "--remove", "y"),
        ("admin", "token", "x", "--list", "--expires", "1d"),
        ("admin", "token", "x", "--remove", "y", "--read-only"),
        ("admin", "token", "x", "--list", "--scope", "mail"),
        ("admin", "token", "x", "--scope", "everything"),
        ("admin", "session", "revoke", "x"),
        ("admin", "session", "revoke", "x", "y", "--all"),
    ],
)
def test_wrong_usage_is_exit_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_token_is_printed_once_then_listed_and_removed(run: Run) -> None:
    run("admin", "add", "anna", "--password-stdin", stdin="a good one\n")
    token = run("admin", "token", "anna", "--expires", "90d", "--read-only").stdout.strip()
    (row,) = rows(run, "admin", "token", "anna", "--list")
    assert (len(token), row["read_only"], row["expired"], row["last_used"]) == (48, True, False, None)
    shown = run("admin", "token", "anna", "--list").stdout
    assert row["id"] in shown
    assert token not in shown
    assert run("admin", "token", "anna", "--remove", row["id"]).stdout == f"{row['id']}: removed\n"
    again = run("admin", "token", "anna", "--remove", row["id"])
    assert "is no token of anna; `mpcontinuity admin token anna --list` shows theirs" in again.stderr
    assert rows(run, "admin", "token", "anna", "--list") == []


def test_a_second_factor_and_sessions_are_managed_by_commands(run: Run) -> None:
    run("admin", "add", "anna", "--password-stdin", stdin="a good one\n")
    secret = json.loads(run("admin", "totp", "begin", "anna", "--json").stdout)["secret"]
    assert run("admin", "totp", "show", "anna").stdout == "anna: off; a new secret waits to be confirmed\n"
    code = totp.code(secret, totp.step_of(time.time_ns() // 1000))
    assert len(run("admin", "totp", "confirm", "anna", code).stdout.split()) == 10
    assert "10 recovery codes left" in run("admin", "totp", "show", "anna").stdout
    assert run("admin", "totp", "remove", "anna").stdout == "anna: removed\n"
    assert rows(run, "admin", "session", "list") == []
    assert run("admin", "session", "list", "anna").stdout == "Nobody is signed in.\n"
    assert run("admin", "session", "revoke", "anna", "--all").stdout == "anna: 0 sessions ended\n"
    (row,) = [json.loads(run("admin", "token", "anna", "--scope", "mail", "--scope", "users", "--json").stdout)]
    assert row["scopes"] == ["users", "mail"]


def test_an_import_accounts_for_every_line_and_a_bad_one_makes_exit_1(run: Run, tmp_path: Path) -> None:
    run("domain", "add", "example.org", "--home", "home.example.org")
    file = tmp_path / "users.csv"
    file.write_text("address,name\n" + "".join(f"u{number}@example.org,U\n" for number in range(45)))
    done = run("user", "import", str(file))
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == "line 2: u0@example.org added: pending"
    assert len(done.stdout.splitlines()) == 45
    file.write_text("u0@example.org,U\nbad,U\n")
    done = run("user", "import", str(file))
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == "line 1: u0@example.org unchanged"
    assert done.stdout.splitlines()[1].startswith("line 2: bad refused: bad: not a mail address")


def test_a_ledger_that_does_not_add_up_is_exit_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from mpcontinuity.queue import ledger

    run("domain", "add", "example.org", "--home", "home.example.org")
    assert run("report", "example.org").exit_code == 0
    monkeypatch.setattr(ledger, "adds_up", lambda lines: False)
    done = run("report", "example.org")
    assert done.exit_code == 1
    assert "does not add up" in done.stderr


def test_the_configuration_may_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPCONTINUITY_CONFIG", str(tmp_path / "elsewhere.toml"))
    done = CliRunner().invoke(main, ["domain", "list"])
    assert f"{tmp_path}/elsewhere.toml: no such file" in done.stderr


def test_init_makes_what_is_missing_and_keeps_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    done = CliRunner().invoke(main, ["init", str(folder), "--hostname", "mx.example.org"])
    assert done.exit_code == 0, done.output
    assert "administrator: admin   password: " in done.stdout
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"mpcontinuity.toml", "certs/server.pem", "certs/server.key", "data/mpcontinuity.sqlite"} <= made
    assert 'hostname = "mx.example.org"' in (folder / "mpcontinuity.toml").read_text()
    again = CliRunner().invoke(main, ["init", str(folder)])
    assert again.exit_code == 0
    assert "password" not in again.stdout


def test_as_a_process_too(tmp_path: Path) -> None:
    (config := tmp_path / "mpcontinuity.toml").write_text("")
    assert command("domain", "list", "--json", config=config).stdout == "[]\n"
    refused = command("domain", "show", "x.org", config=config)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "mpcontinuity: x.org: no such domain here; `mpcontinuity domain list` shows them\n"
    assert command("fly", config=config).returncode == 2


def test_a_data_folder_whose_path_is_too_long_for_a_socket_is_said_to_be_so(tmp_path: Path) -> None:
    config = tmp_path / "mpcontinuity.toml"
    config.write_text(f'data_dir = "{"long" * 30}"\n')
    done = command("status", config=config)
    assert done.returncode == 1
    assert "is too long for the path of a socket in it; choose a shorter one" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_while_a_command_loads_is_one_line(tmp_path: Path) -> None:
    """Sent at each of some moments of its first second: before, while and after it loads."""
    said = set()
    for delay in range(10, 400, 30):
        process = subprocess.Popen(
            [sys.executable, "-c", "from mpcontinuity.app.program import main; print(flush=True); main()", "--help"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay / 1000)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert b"Traceback" not in error, error
        assert process.returncode in (0, 1, 130)
        said.add(error)
    assert b"mpcontinuity: interrupted\n" in said


def test_a_reader_of_the_output_that_has_seen_enough_is_no_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """``mpcontinuity track | head``."""

    def closed(*_: object, **__: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(output, "table", closed)
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # click replaces them for the rest of the process
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    assert run("status").output == ""
