"""The command ``domain``: domains that are covered, how, and what others think of mail that comes from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import cleandoc
from typing import Any, TypeVar

import click

from mpcontinuity.app.commands import output, reading_back
from mpcontinuity.app.commands.configuration import (
    Configuration,
    json_option,
    pass_configuration,
    text_from_stdin,
    value_from_stdin,
    warn_of_password,
)
from mpcontinuity.app.commands.plan import domain_plan
from mpcontinuity.app.commands.publishing import domain_dns, domain_microsoft
from mpcontinuity.app.commands.users_out import domain_users_out
from mpcontinuity.control.domain_settings import SETTINGS, WITH_SECRETS
from mpcontinuity.message.announcement import LONGEST_TEXT

F = TypeVar("F", bound=Callable[..., Any])

_INSTEAD = "`mpcontinuity domain set NAME {} --stdin` reads it from standard input"
_UNTIL_HELP = "When the mode ends: an ISO 8601 time, or a duration from now as 4h."


@click.group()
def domain() -> None:
    """Domains that this server covers, and how."""


domain.add_command(domain_plan)
domain.add_command(domain_users_out)
domain.add_command(domain_dns)
domain.add_command(domain_microsoft)


def _warn_of_passwords(given: Mapping[str, str], when: str = "") -> None:
    for key, value in given.items():
        if key.replace("-", "_") in WITH_SECRETS:
            warn_of_password(value, _INSTEAD.format(key) + when)


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
    _warn_of_passwords(given, " afterwards")
    with configuration.connect() as control:
        row = control.call("domain add", name=name, home=home, settings=given, until=until)
    output.result(
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
        if equals:
            _warn_of_passwords({key: value})
    if from_stdin and all("=" in setting for setting in settings):
        raise click.UsageError("--stdin: give a KEY without =VALUE")
    with configuration.connect() as control:
        row = control.call("domain set", name=name, settings=given, until=until)
        standing = control.rows("status", domain=name) if "mode" in given and not as_json else []
    output.result(row, as_json, f"{row['domain']}: changed")
    for each in standing:
        plan = each["plan"]
        if plan is not None and plan["state"] == "under way" and row["mode"] != "enabled":
            output.say(f"An outage is planned until {plan['until']}: mpcontinuity domain plan {name} --end ends it")


domain_set.help = f"{cleandoc(domain_set.help or '')}\n\n\b\n" + "\n".join(
    f"  {key:<20} {setting.allowed}" for key, setting in SETTINGS.items()
)


@domain.command("tell")
@click.argument("name")
@click.option("--subject", metavar="S", help="What the mail is about, in one line.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the text from standard input.")
@click.option("--list", "list_", is_flag=True, help="What the users were told in the last 90 days, newest first.")
@json_option
@pass_configuration
def domain_tell(
    configuration: Configuration, name: str, subject: str | None, from_stdin: bool, list_: bool, as_json: bool
) -> None:
    """Tell all users of the domain NAME a text: in INBOX here, and at the alternate address of those who have one. It
    does not go by their home server. If it is interrupted, the server goes on with it, and everybody has it once.

    \b
      mpcontinuity domain tell example.org --subject "Work until noon" --stdin < text
    """
    if list_:
        with configuration.connect() as control:
            pages = control.pages("domain tell list", domain=name)
            columns = ("id", "subject", "by", "begun", "ended", "users", "mails")
            output.listing(pages, columns, as_json, "The users were told nothing yet")
        return
    if subject is None or not from_stdin:
        raise click.UsageError("give --subject and --stdin, or --list")
    text = text_from_stdin(LONGEST_TEXT)
    with configuration.connect() as control:
        row = control.call("domain tell", progress=_say_told, name=name, subject=subject, text=text)
    output.result(row, as_json, f"{row['domain']}: {_told(row)}")


def _told(row: Any) -> str:
    return f"told {row['users']} users in INBOX, and {row['mails']} of them at their alternate address"


def _say_told(row: Any) -> None:
    if row["users"]:
        output.say(f"{row['domain']}: {_told(row)} so far", err=True)


@domain.command("list")
@json_option
@pass_configuration
def domain_list(configuration: Configuration, as_json: bool) -> None:
    """List all domains."""
    with configuration.connect() as control:
        output.listing(
            control.pages("domain list"),
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
        row = control.call("domain show", name=name)
    if not as_json:
        row["plans"] = [f"{plan['from']} until {plan['until']} ({plan['state']})" for plan in row["plans"]]
    output.result(row, as_json)


@domain.command("remove")
@click.argument("name")
@click.option("--force", is_flag=True, help="Also when mail is still owed to the home server: it is released.")
@json_option
@pass_configuration
def domain_remove(configuration: Configuration, name: str, force: bool, as_json: bool) -> None:
    """Remove the domain NAME with its users and their mailboxes; tracking and the archive stay."""
    with configuration.connect() as control:
        row = control.call("domain remove", name=name, force=force)
    output.result(row, as_json, f"{row['domain']}: removed")


@domain.command("dkim")
@click.argument("name")
@click.option("--selector", metavar="S", help="Of the key that is made; mpc1 for the first one.")
@click.option(
    "--rotate", is_flag=True, help="Make the next key. It takes over within an hour after DNS has its record."
)
@click.option("--now", is_flag=True, help="Let the next key take over though DNS was not seen to have it.")
@click.option("--remove", is_flag=True, help="Sign no more, and forget the keys.")
@json_option
@pass_configuration
def domain_dkim(
    configuration: Configuration,
    name: str,
    selector: str | None,
    rotate: bool,
    now: bool,
    remove: bool,
    as_json: bool,
) -> None:
    """Sign what users of the domain NAME send (DKIM): makes a key if there is none, and prints its DNS record.

    \b
      mpcontinuity domain dkim example.org             # publish what it prints; shows it again later
      mpcontinuity domain dkim example.org --rotate    # once a year or so
    """
    if rotate + now + remove > 1:
        raise click.UsageError("--rotate, --now and --remove exclude each other")
    with configuration.connect() as control:
        row = control.call("domain dkim", name=name, selector=selector, rotate=rotate, now=now, remove=remove)
    if as_json:
        output.as_json(row)
        return
    for record in row["records"]:
        output.say(f"; {record['selector']}: {record['state']}")
        for line in record["zone"].splitlines():
            output.say(line)
    if not row["records"]:
        output.say(f"{row['domain']}: what is sent is not signed any more")


@domain.command("test")
@click.argument("name")
@click.option("--recipient", metavar="ADDRESS", help="Of the domain; postmaster, or the user of --read-back.")
@click.option("--sender", metavar="ADDRESS", help="Foreign; one whose SPF record permits nobody, if none is given.")
@click.option(
    "--read-back",
    metavar="URL",
    help="imaps://user@host: fetch the messages from the home server and show what it wrote into them.",
)
@click.option("--password-stdin", is_flag=True, help="Read the password for --read-back from standard input.")
@json_option
@pass_configuration
def domain_test(
    configuration: Configuration,
    name: str,
    recipient: str | None,
    sender: str | None,
    read_back: str | None,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """See what the home server of the domain NAME does with a stranger's mail that comes from this server: one message
    as it is passed on, one as it is redelivered. Exit status 1 if either is refused, or not found again.

    \b
      mpcontinuity domain test example.org
      mpcontinuity domain test example.org --read-back imaps://anna%40example.org@mail.example.org --password-stdin
    """
    if password_stdin and read_back is not None:
        read_back = reading_back.with_password(read_back, value_from_stdin("password"))
    elif read_back is not None:
        warn_of_password(read_back, "--password-stdin reads it from standard input")
    if (
        read_back is not None
        and recipient is None
        and reading_back.user_of(read_back).lower().endswith(f"@{name.lower()}")
    ):
        recipient = reading_back.user_of(read_back)
    with configuration.connect() as control:
        row = control.call("domain test", name=name, recipient=recipient, sender=sender)
    ways = row["ways"]
    if read_back is not None:
        wanted = [way for way in ways if way["accepted"]]
        found = reading_back.read_back(read_back, [way["message_id"] for way in wanted])
        for way, read in zip(wanted, found, strict=True):
            way.update(read)
    good = all(way["accepted"] and way.get("folder", "INBOX") for way in ways)
    if as_json:
        output.as_json(row)
    else:
        _show_test(row, read=read_back is not None)
    if not good:
        raise SystemExit(1)


@domain.command("test-imap")
@click.argument("name")
@click.argument("address")
@json_option
@pass_configuration
def domain_test_imap(configuration: Configuration, name: str, address: str, as_json: bool) -> None:
    """Log in by the home-imap of the domain NAME as the user ADDRESS, and show which folders of home answer to ours.
    Nothing is changed there. Exit status 1 if the home server does not let us in.

    \b
      mpcontinuity domain test-imap example.org anna@example.org
    """
    with configuration.connect() as control:
        row = control.call("domain test-imap", name=name, address=address)
    if as_json:
        output.as_json(row)
    else:
        output.say(row["text"] if row["logged_in"] else f"{row['user']}: {row['text']}")
        for folder in row["folders"]:
            made = " (is made when it is needed)" if folder["missing"] else ""
            output.say(f"  {folder['folder']:<8} {folder['home']}{made}")
    if not row["logged_in"]:
        raise SystemExit(1)


def _show_test(row: dict[str, Any], *, read: bool) -> None:
    output.say(f"from <{row['sender']}> to <{row['recipient']}>")
    for way in row["ways"]:
        said = f"{way['code']} {way['text']}" if way["code"] else way["text"]
        verdict = "accepted" if way["accepted"] else "not accepted"
        output.say(f"{way['way'] + ':':<13} {verdict} by {way['host'] or 'nobody'}: {said}")
        if "folder" in way:
            output.say(
                f"  in the folder {way['folder']}" if way["folder"] else "  not found in any folder within a minute"
            )
            for line in way["says"]:
                output.say(f"  {line}")
    if not all(way["accepted"] for way in row["ways"]):
        output.say("Let the home server accept mail from this server without checking its senders (SPF, blocklists).")
    elif not read:
        output.say(
            "Look where it lies: with the spam, or in the inbox? --read-back shows what the home server thinks of it."
        )
