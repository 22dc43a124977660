"""The command ``user``: who has mail here, added one by one or from a file, changed and removed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.app_password import app_password
from mpcontinuity.app.commands.configuration import (
    Configuration,
    json_option,
    pass_configuration,
    password_from_stdin,
    value_from_stdin,
)
from mpcontinuity.app.commands.second_factor import second_factor
from mpcontinuity.app.process.refusal import why
from mpcontinuity.control.client import ControlClient
from mpcontinuity.control.user_file import BATCH, read
from mpcontinuity.model.errors import Refused

_ADOPTED_AT_ONCE = 1000  # addresses of a request
_COLUMNS = ("address", "name", "status", "aliases", "alternate", "source", "messages")


@click.group()
def user() -> None:
    """Users: whose mail is kept while the home server is away, and who may log in."""


user.add_command(app_password)
user.add_command(second_factor)


@user.command("add")
@click.argument("address")
@click.option("--name", default="", help="The user's own name, as Anna Example.")
@click.option(
    "--alias", "aliases", multiple=True, metavar="ADDRESS", help="Another address of theirs; may be repeated."
)
@click.option(
    "--alternate",
    default="",
    metavar="ADDRESS",
    help="Where they read mail while their own domain is away: for their invitation, and for news of outages.",
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
    alternate: str,
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
            "user add",
            address=address,
            name=name,
            aliases=list(aliases),
            password=password,
            inactive=inactive,
            alternate=alternate,
        )
    output.result(row, as_json, f"{row['address']}: {row['status']}")


@user.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--preview", is_flag=True, help="Change nothing; say what each line would do.")
@json_option
@pass_configuration
@click.pass_context
def user_import(context: click.Context, configuration: Configuration, file: Path, preview: bool, as_json: bool) -> None:
    """Register users from a CSV file with the columns address, name, aliases (separated by ;), password and alternate.

    Says per line what it did. Users who are there already are brought up to date. A line that will not do stops
    nothing, and makes the exit status 1.
    """
    rows = []
    with file.open("rb") as octets, configuration.connect() as control:
        for row in _import(control, octets, preview):
            rows.append(row)
            if not as_json:
                why = f": {row['text']}" if row["text"] else ""
                output.say(f"line {row['line']}: {row['address'] or '-'} {row['result']}{why}")
    if as_json:
        output.as_json(rows)
    if any(row["result"] == "refused" for row in rows):
        context.exit(1)


def _import(control: ControlClient, file: BinaryIO, preview: bool) -> Iterator[Any]:
    waiting = read(file)
    while batch := list(islice(waiting, BATCH)):
        yield from control.call("user import", lines=msgspec.to_builtins(batch), preview=preview)


@user.command("list")
@click.option("--domain", "domain_", metavar="D", help="Only users of this domain.")
@click.option("--never", is_flag=True, help="Only users who have never logged in; inactive ones could not.")
@click.option("--search", default="", metavar="TEXT", help="Only users with that in their address or name.")
@json_option
@pass_configuration
def user_list(configuration: Configuration, domain_: str | None, never: bool, search: str, as_json: bool) -> None:
    """List users."""
    nobody = (
        "Nobody fits" if search else "Everybody has logged in" if never else "No user yet: mpcontinuity user add --help"
    )
    with configuration.connect() as control:
        output.listing(
            control.pages("user list", domain=domain_, never=never, search=search), _COLUMNS, as_json, nobody
        )


@user.command("show")
@click.argument("address")
@json_option
@pass_configuration
def user_show(configuration: Configuration, address: str, as_json: bool) -> None:
    """Show the user with ADDRESS, their own or an alias. The line `continuity` is their own choice, which counts only
    where the domain's mode is `optional`; whether mail is kept in an outage does not depend on it."""
    with configuration.connect() as control:
        output.result(control.call("user show", address=address), as_json)


@user.command("set")
@click.argument("address")
@click.option("--name", help="The user's own name; an empty one takes it away.")
@click.option(
    "--alternate", metavar="ADDRESS", help="Where they read mail while their own domain is away; empty: nowhere."
)
@json_option
@pass_configuration
def user_set(
    configuration: Configuration, address: str, name: str | None, alternate: str | None, as_json: bool
) -> None:
    """Change the name, or the alternate address, of the user with ADDRESS."""
    with configuration.connect() as control:
        row = control.call("user set", address=address, name=name, alternate=alternate)
    output.result(row, as_json, f"{row['address']}: changed")


@user.command("remove")
@click.argument("address")
@click.option("--force", is_flag=True, help="Also when mail is still owed to the home server: it is released.")
@json_option
@pass_configuration
def user_remove(configuration: Configuration, address: str, force: bool, as_json: bool) -> None:
    """Remove a user with their mailboxes; the archive stays."""
    with configuration.connect() as control:
        row = control.call("user remove", address=address, force=force)
    output.result(row, as_json, f"{row['address']}: removed")


@user.command("activate")
@click.argument("address")
@json_option
@pass_configuration
def user_activate(configuration: Configuration, address: str, as_json: bool) -> None:
    """Register an inactive user again."""
    with configuration.connect() as control:
        row = control.call("user activate", address=address)
    output.result(row, as_json, f"{row['address']}: {row['status']}")


@user.command("deactivate")
@click.argument("address")
@json_option
@pass_configuration
def user_deactivate(configuration: Configuration, address: str, as_json: bool) -> None:
    """No login and no new mail for a user; what is stored and owed stays."""
    with configuration.connect() as control:
        row = control.call("user deactivate", address=address)
    output.result(row, as_json, f"{row['address']}: {row['status']}")


@user.command("password")
@click.argument("address")
@click.option("--stdin", "from_stdin", is_flag=True, required=True, help="Read it from standard input.")
@click.option("--link", is_flag=True, help="Use up the user's invitation: its link comes first, in a line of its own.")
@json_option
@pass_configuration
def user_password(configuration: Configuration, address: str, from_stdin: bool, link: bool, as_json: bool) -> None:
    """Set a user's password. One who was pending is active then."""
    token = value_from_stdin("link").strip().rpartition("/")[2] if link else None
    password = password_from_stdin()
    with configuration.connect() as control:
        row = control.call("user password", address=address, password=password, token=token)
    output.result(row, as_json, f"{row['address']}: password set, {row['status']}")


@user.command("invite")
@click.argument("addresses", nargs=-1, metavar="ADDRESS…")
@click.option("--pending", is_flag=True, help="All users who have no password yet.")
@click.option("--domain", "domain_", metavar="D", help="With --pending: only those of this domain.")
@click.option("--print", "print_", is_flag=True, help="Print the links, to hand them out, instead of mailing them.")
@json_option
@pass_configuration
@click.pass_context
def user_invite(
    context: click.Context,
    configuration: Configuration,
    addresses: tuple[str, ...],
    pending: bool,
    domain_: str | None,
    print_: bool,
    as_json: bool,
) -> None:
    """Give users a link by which they set their password, good once and for a week, and mail it to their alternate
    addresses. Another invitation ends the one before. Exit status 1 if somebody could not be invited.

    \b
      mpcontinuity user invite anna@example.org
      mpcontinuity user invite --pending --domain example.org
    """
    if bool(addresses) == pending:
        raise click.UsageError("give addresses, or --pending")
    if domain_ is not None and not pending:
        raise click.UsageError("--domain: goes with --pending")
    rows = []
    with configuration.connect() as control:
        for address in addresses or _pending(control, domain_):
            rows.append(_invite(control, address, print_))
            if not as_json:
                _say_invited(rows[-1])
    if as_json:
        output.as_json(rows)
    elif not rows:
        output.say("nobody waits for a password")
    if any("error" in row for row in rows):
        context.exit(1)


def _pending(control: ControlClient, domain: str | None) -> list[str]:
    """Read to the end before anybody is invited."""
    rows = control.rows("user list", domain=domain)
    return [row["address"] for row in rows if row["status"] == "pending"]


def _invite(control: ControlClient, address: str, print_: bool) -> dict[str, Any]:
    """What became of it; one who cannot be invited stops nothing."""
    try:
        row: dict[str, Any] = control.call("user invite", address=address, print=print_)
    except Refused as error:
        return {"address": address, "error": why(error)}
    return row


def _say_invited(row: dict[str, Any]) -> None:
    if "error" in row:
        output.say(row["error"], err=True)
    elif row["link"] is not None:
        output.say(f"{row['address']}  {row['link']}")
    else:
        output.say(f"{row['address']}: invited by mail to {row['sent_to']}")


@user.command("adopt")
@click.argument("domain")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS…]")
@click.option("--all", "all_", is_flag=True, help="All addresses of the domain for which mail is held.")
@json_option
@pass_configuration
@click.pass_context
def user_adopt(
    context: click.Context,
    configuration: Configuration,
    domain: str,
    addresses: tuple[str, ...],
    all_: bool,
    as_json: bool,
) -> None:
    """List the addresses of DOMAIN that mail is held for without a mailbox (`unregistered = hold`), with counts; or
    make users of them: they wait for a password then, and their mail is in their INBOX.

    \b
      mpcontinuity user adopt example.org
      mpcontinuity user adopt example.org anna@example.org bert@example.org
      mpcontinuity user adopt example.org --all
    """
    if addresses and all_:
        raise click.UsageError("give addresses, or --all")
    rows: list[Any] = []
    with configuration.connect() as control:
        pages = control.pages("user adopt list", domain=domain)
        if not addresses and not all_:
            columns = ("address", "messages", "oldest", "newest")
            output.listing(pages, columns, as_json, "No mail is held without a mailbox")
            return
        wanted = list(addresses) or [row["address"] for page in pages for row in page]
        for first in range(0, len(wanted), _ADOPTED_AT_ONCE):
            some = wanted[first : first + _ADOPTED_AT_ONCE]
            rows += _adopt(control, domain, some, quiet=as_json)
    if as_json:
        output.as_json(rows)
    elif not rows:
        output.say("No mail is held without a mailbox")
    if any(row["result"] == "refused" for row in rows):
        context.exit(1)


def _adopt(control: ControlClient, domain: str, addresses: list[str], *, quiet: bool) -> list[Any]:
    def told(done: Any) -> None:
        if not quiet and done["adopted"]:
            output.say(f"{done['adopted']} messages put into INBOX", err=True)

    rows: list[Any] = control.call("user adopt", domain=domain, addresses=addresses, progress=told)
    for row in rows if not quiet else ():
        done = row["result"] == "adopted"
        output.say(f"{row['address']}: {row['messages']} messages" if done else row["text"], err=not done)
    return rows


@user.group("alias")
def user_alias() -> None:
    """Other addresses of a user."""


@user_alias.command("add")
@click.argument("address")
@click.argument("alias")
@json_option
@pass_configuration
def user_alias_add(configuration: Configuration, address: str, alias: str, as_json: bool) -> None:
    """Let ALIAS reach the user with ADDRESS. If ALIAS is a user who waits for a password, as `relay-check` finds them,
    those two become one: their mail is moved into INBOX of ADDRESS."""
    with configuration.connect() as control:
        row = control.call("user alias add", progress=_say_moved, address=address, alias=alias)
    output.result(row, as_json, f"{row['address']}: {output.text(row['aliases'])}")


def _say_moved(done: Any) -> None:
    output.say(f"{done['moved']} messages moved", err=True)


@user_alias.command("remove")
@click.argument("address")
@click.argument("alias")
@json_option
@pass_configuration
def user_alias_remove(configuration: Configuration, address: str, alias: str, as_json: bool) -> None:
    """Take ALIAS from the user with ADDRESS."""
    with configuration.connect() as control:
        row = control.call("user alias remove", address=address, alias=alias)
    output.result(row, as_json, f"{row['address']}: {output.text(row['aliases'])}")


@user.command("continuity")
@click.argument("words", nargs=-1, required=True, metavar="[ADDRESS] [on|off]")
@click.option("--domain", "of", metavar="D", help="All users of that domain, with --all.")
@click.option("--all", "everybody", is_flag=True, help="All users of --domain.")
@json_option
@pass_configuration
def user_continuity(
    configuration: Configuration, words: tuple[str, ...], of: str | None, everybody: bool, as_json: bool
) -> None:
    """Opt a user in to continuity, or out, where the domain's mode is `optional`: home gets all mail as before, and the
    user finds a copy here. For all users of a domain at once, when home takes mail and they cannot log in there; the
    mode `disabled` becomes `optional` then. With ADDRESS alone: whether their mail is here now.

    \b
      mpcontinuity user continuity anna@example.org on
      mpcontinuity user continuity anna@example.org
      mpcontinuity user continuity --domain example.org --all on
    """
    if of is None and not everybody and len(words) == 1 and "@" in words[0]:
        with configuration.connect() as control:
            output.result(control.call("user continuity show", address=words[0]), as_json)
        return
    if everybody is not (of is not None) or words[-1] not in ("on", "off") or len(words) != 2 - everybody:
        raise click.UsageError("give ADDRESS and on or off, or --domain D --all and on or off")
    on = words[-1] == "on"
    with configuration.connect() as control:
        if everybody:
            row = control.call("user continuity all", name=of, on=on)
            said = f"{row['domain']}: {row['changed']} users opted {'in' if on else 'out'}, mode {row['mode']}"
            if not on and row["mode"] == "optional":
                said += f", so users may opt in: `mpcontinuity domain set {row['domain']} mode=disabled` ends that"
        else:
            row = control.call("user continuity", address=words[0], on=on)
            said = f"{row['address']}: continuity {row['continuity']}"
    output.result(row, as_json, said)


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
    output.result(row, as_json, f"{row['address']}: relay {row['relay']}")
