"""The commands ``domain``, ``user`` and ``admin``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from mpcontinuity.app import output
from mpcontinuity.app.configuration import (
    Configuration,
    json_option,
    pass_configuration,
    password_from_stdin,
    value_from_stdin,
    warn_of_password,
)
from mpcontinuity.control.client import Caller
from mpcontinuity.control.domain_settings import SETTINGS
from mpcontinuity.control.imports import lines
from mpcontinuity.model.errors import Refused

F = TypeVar("F", bound=Callable[..., Any])

_BATCH = 20  # lines of an import per request: its account appears while it goes on
_USER_COLUMNS = ("address", "name", "status", "aliases", "source", "messages")
_INSTEAD = "`mpcontinuity domain set NAME outbound-route --stdin` reads it from standard input"
_UNTIL_HELP = "When the mode ends: an ISO 8601 time, or a duration from now as 4h."


@click.group()
def domain() -> None:
    """Domains that this server covers, and how."""


def _setting_options(function: F) -> F:
    for key, setting in reversed(SETTINGS.items()):
        if key != "home":
            help_ = f"{setting.about[0].upper()}{setting.about[1:]}: {setting.allowed}."
            function = click.option(f"--{key}", setting.field, metavar="VALUE", help=help_)(function)
    return function


@domain.command("add")
@click.argument("name")
@click.option(
    "--home",
    required=True,
    metavar="HOST[:PORT][,…]",
    help="The home servers, in order of preference; port 25 if none.",
)
@_setting_options
@click.option("--until", metavar="T", help=_UNTIL_HELP)
@json_option
@pass_configuration
def domain_add(
    configuration: Configuration, /, name: str, home: str, until: str | None, as_json: bool, **settings: str | None
) -> None:
    """Subscribe the domain NAME, whose own mail server is --home.

    \b
      mpcontinuity domain add example.org --home mail.example.org
      mpcontinuity domain add example.org --home 192.0.2.10:25,192.0.2.11:25 --home-tls required
    """
    given = {field.replace("_", "-"): value for field, value in settings.items() if value is not None}
    warn_of_password(given.get("outbound-route", ""), f"{_INSTEAD} afterwards")
    with configuration.connect() as control:
        row = control.call("domain add", name=name, home=home, settings=given, until=until)
    _show(
        row,
        as_json,
        f"{row['domain']}: mail for it is now passed on to {row['home']}, and kept here while that is away",
    )


@domain.command("set")
@click.argument("name")
@click.argument("settings", nargs=-1, metavar="KEY=VALUE…")
@click.option("--until", metavar="T", help=_UNTIL_HELP)
@click.option("--stdin", "from_stdin", is_flag=True, help="A KEY without =VALUE takes its value from a line of it.")
@json_option
@pass_configuration
def domain_set(
    configuration: Configuration,
    name: str,
    settings: tuple[str, ...],
    until: str | None,
    from_stdin: bool,
    as_json: bool,
) -> None:
    """Change settings of the domain NAME: all that are given, or none if one of them will not do.

    \b
      mpcontinuity domain set example.org mode=enabled --until 4h
      mpcontinuity domain set example.org outbound-route --stdin < route    # it has a password
    """
    given = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals and not from_stdin:
            raise click.UsageError(f"{setting}: write it as KEY=VALUE, or KEY with --stdin")
        given[key] = value if equals else value_from_stdin(key)
        if equals and key == "outbound-route":
            warn_of_password(value, _INSTEAD)
    if from_stdin and all("=" in setting for setting in settings):
        raise click.UsageError("--stdin: give a KEY without =VALUE")
    with configuration.connect() as control:
        row = control.call("domain set", name=name, settings=given, until=until)
    _show(row, as_json, f"{row['domain']}: changed")


domain_set.help = f"{domain_set.help}\n\n\b\n" + "\n".join(
    f"  {key:<16} {setting.allowed}" for key, setting in SETTINGS.items()
)


@domain.command("list")
@json_option
@pass_configuration
def domain_list(configuration: Configuration, as_json: bool) -> None:
    """List all domains."""
    with configuration.connect() as control:
        rows = control.call("domain list")
    _list(
        rows,
        ("domain", "home", "continuity", "mode", "users"),
        as_json,
        "No domain yet: mpcontinuity domain add --help",
    )


@domain.command("show")
@click.argument("name")
@json_option
@pass_configuration
def domain_show(configuration: Configuration, name: str, as_json: bool) -> None:
    """Show all settings of the domain NAME."""
    with configuration.connect() as control:
        _show(control.call("domain show", name=name), as_json)


@domain.command("remove")
@click.argument("name")
@click.option("--force", is_flag=True, help="Also when mail is still owed to the home server: it is released.")
@json_option
@pass_configuration
def domain_remove(configuration: Configuration, name: str, force: bool, as_json: bool) -> None:
    """Remove the domain NAME with its users and their mailboxes; tracking and the archive stay."""
    with configuration.connect() as control:
        row = control.call("domain remove", name=name, force=force)
    _show(row, as_json, f"{row['domain']}: removed")


@click.group()
def user() -> None:
    """Users: whose mail is kept while the home server is away, and who may log in."""


@user.command("add")
@click.argument("address")
@click.option("--name", default="", help="The user's own name, as Anna Example.")
@click.option(
    "--alias", "aliases", multiple=True, metavar="ADDRESS", help="Another address of theirs; may be repeated."
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input; makes the user active.")
@click.option("--inactive", is_flag=True, help="Not registered until `user activate`.")
@json_option
@pass_configuration
def user_add(
    configuration: Configuration,
    address: str,
    name: str,
    aliases: tuple[str, ...],
    password_stdin: bool,
    inactive: bool,
    as_json: bool,
) -> None:
    """Register a user. Without a password mail is kept for them all the same; they log in once one is set.

    \b
      echo secret | mpcontinuity user add anna@example.org --name "Anna Example" --password-stdin
    """
    password = password_from_stdin() if password_stdin else None
    with configuration.connect() as control:
        row = control.call(
            "user add", address=address, name=name, aliases=list(aliases), password=password, inactive=inactive
        )
    _show(row, as_json, f"{row['address']}: {row['status']}")


@user.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@pass_configuration
@click.pass_context
def user_import(context: click.Context, configuration: Configuration, file: Path, as_json: bool) -> None:
    """Register users from a CSV file with the columns address, name, aliases (separated by ;) and password.

    Says per line what it did. Users who are there already are brought up to date. A line that will not do stops
    nothing, and makes the exit status 1.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{file}: is not UTF-8 text (byte {error.start}); save it as CSV UTF-8") from None
    rows = []
    with configuration.connect() as control:
        for row in _import(control, text):
            rows.append(row)
            if not as_json:
                why = f": {row['text']}" if row["text"] else ""
                output.say(f"line {row['line']}: {row['address'] or '-'} {row['result']}{why}")
    if as_json:
        output.as_json(rows)
    if any(row["result"] == "refused" for row in rows):
        context.exit(1)


def _import(control: Caller, text: str) -> Iterator[Any]:
    waiting = lines(text)
    while batch := list(islice(waiting, _BATCH)):
        yield from control.call("user import", lines=msgspec.to_builtins(batch))


@user.command("list")
@click.option("--domain", "domain_", metavar="D", help="Only users of this domain.")
@json_option
@pass_configuration
def user_list(configuration: Configuration, domain_: str | None, as_json: bool) -> None:
    """List users."""
    with configuration.connect() as control:
        rows = control.call("user list", domain=domain_)
    _list(rows, _USER_COLUMNS, as_json, "No user yet: mpcontinuity user add --help")


@user.command("show")
@click.argument("address")
@json_option
@pass_configuration
def user_show(configuration: Configuration, address: str, as_json: bool) -> None:
    """Show the user with ADDRESS, their own or an alias."""
    with configuration.connect() as control:
        _show(control.call("user show", address=address), as_json)


@user.command("remove")
@click.argument("address")
@click.option("--force", is_flag=True, help="Also when mail is still owed to the home server: it is released.")
@json_option
@pass_configuration
def user_remove(configuration: Configuration, address: str, force: bool, as_json: bool) -> None:
    """Remove a user with their mailboxes; the archive stays."""
    with configuration.connect() as control:
        row = control.call("user remove", address=address, force=force)
    _show(row, as_json, f"{row['address']}: removed")


@user.command("activate")
@click.argument("address")
@json_option
@pass_configuration
def user_activate(configuration: Configuration, address: str, as_json: bool) -> None:
    """Register an inactive user again."""
    with configuration.connect() as control:
        row = control.call("user activate", address=address)
    _show(row, as_json, f"{row['address']}: {row['status']}")


@user.command("deactivate")
@click.argument("address")
@json_option
@pass_configuration
def user_deactivate(configuration: Configuration, address: str, as_json: bool) -> None:
    """No login and no new mail for a user; what is stored and owed stays."""
    with configuration.connect() as control:
        row = control.call("user deactivate", address=address)
    _show(row, as_json, f"{row['address']}: {row['status']}")


@user.command("password")
@click.argument("address")
@click.option("--stdin", "from_stdin", is_flag=True, required=True, help="Read it from standard input.")
@json_option
@pass_configuration
def user_password(configuration: Configuration, address: str, from_stdin: bool, as_json: bool) -> None:
    """Set a user's password. One who was pending is active then."""
    password = password_from_stdin()
    with configuration.connect() as control:
        row = control.call("user password", address=address, password=password)
    _show(row, as_json, f"{row['address']}: password set, {row['status']}")


@user.group("alias")
def user_alias() -> None:
    """Other addresses of a user."""


@user_alias.command("add")
@click.argument("address")
@click.argument("alias")
@json_option
@pass_configuration
def user_alias_add(configuration: Configuration, address: str, alias: str, as_json: bool) -> None:
    """Let ALIAS reach the user with ADDRESS."""
    with configuration.connect() as control:
        row = control.call("user alias add", address=address, alias=alias)
    _show(row, as_json, f"{row['address']}: {output.text(row['aliases'])}")


@user_alias.command("remove")
@click.argument("address")
@click.argument("alias")
@json_option
@pass_configuration
def user_alias_remove(configuration: Configuration, address: str, alias: str, as_json: bool) -> None:
    """Take ALIAS from the user with ADDRESS."""
    with configuration.connect() as control:
        row = control.call("user alias remove", address=address, alias=alias)
    _show(row, as_json, f"{row['address']}: {output.text(row['aliases'])}")


@user.command("continuity")
@click.argument("address")
@click.argument("switch", metavar="on|off", type=click.Choice(["on", "off"]))
@json_option
@pass_configuration
def user_continuity(configuration: Configuration, address: str, switch: str, as_json: bool) -> None:
    """Opt a user in to continuity, or out, where the domain's mode is `optional`."""
    with configuration.connect() as control:
        row = control.call("user continuity", address=address, on=switch == "on")
    _show(row, as_json, f"{row['address']}: continuity {row['continuity']}")


@user.command("relay")
@click.argument("address")
@click.argument("switch", metavar="on|off", type=click.Choice(["on", "off"]))
@json_option
@pass_configuration
def user_relay(configuration: Configuration, address: str, switch: str, as_json: bool) -> None:
    """Let the home server log in as ADDRESS, to send mail of anybody of the domain to the world: archived and tracked,
    without copies in Sent. See also the domain's setting `home-networks`, which needs no login."""
    with configuration.connect() as control:
        row = control.call("user relay", address=address, on=switch == "on")
    _show(row, as_json, f"{row['address']}: relay {row['relay']}")


@click.group()
def admin() -> None:
    """Administrators of portal and API."""


@admin.command("add")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@click.option("--domain", "domain_", metavar="D", help="Of this domain only.")
@json_option
@pass_configuration
def admin_add(
    configuration: Configuration, name: str, password_stdin: bool, domain_: str | None, as_json: bool
) -> None:
    """Add an administrator."""
    password = password_from_stdin()
    with configuration.connect() as control:
        row = control.call("admin add", name=name, password=password, domain=domain_)
    _show(row, as_json, f"{row['name']}: administrator of {row['domain'] or 'all domains'}")


@admin.command("list")
@json_option
@pass_configuration
def admin_list(configuration: Configuration, as_json: bool) -> None:
    """List administrators."""
    with configuration.connect() as control:
        rows = control.call("admin list")
    _list(rows, ("name", "domain", "created"), as_json, "No administrator yet: mpcontinuity admin add --help")


@admin.command("remove")
@click.argument("name")
@json_option
@pass_configuration
def admin_remove(configuration: Configuration, name: str, as_json: bool) -> None:
    """Remove an administrator with their tokens."""
    with configuration.connect() as control:
        row = control.call("admin remove", name=name)
    _show(row, as_json, f"{row['name']}: removed")


@admin.command("password")
@click.argument("name")
@click.option("--stdin", "from_stdin", is_flag=True, required=True, help="Read it from standard input.")
@json_option
@pass_configuration
def admin_password(configuration: Configuration, name: str, from_stdin: bool, as_json: bool) -> None:
    """Set an administrator's password."""
    password = password_from_stdin()
    with configuration.connect() as control:
        row = control.call("admin password", name=name, password=password)
    _show(row, as_json, f"{row['name']}: password set")


@admin.command("token")
@click.argument("name")
@click.option("--expires", metavar="T", help="An ISO 8601 time, or a duration from now as 90d; else never.")
@json_option
@pass_configuration
def admin_token(configuration: Configuration, name: str, expires: str | None, as_json: bool) -> None:
    """Print a bearer token for the API. It cannot be shown again."""
    with configuration.connect() as control:
        row = control.call("admin token", name=name, expires=expires)
    _show(row, as_json, row["token"])


def _show(row: Any, as_json: bool, line: str | None = None) -> None:
    """As JSON, in one line that says what was done, or in full."""
    if as_json:
        output.as_json(row)
    elif line is not None:
        output.say(line)
    else:
        output.fields(row)


def _list(rows: Any, columns: tuple[str, ...], as_json: bool, empty: str) -> None:
    if as_json:
        output.as_json(rows)
    else:
        output.table(rows, columns, empty)


COMMANDS = (domain, user, admin)
