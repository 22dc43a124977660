"""The commands ``domain dkim`` and ``domain test``: what others think of mail that comes from here."""

from __future__ import annotations

from typing import Any

import click

from mpcontinuity.app import output, reading_back
from mpcontinuity.app.commands_accounts import domain
from mpcontinuity.app.configuration import (
    Configuration,
    json_option,
    pass_configuration,
    value_from_stdin,
    warn_of_password,
)


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


COMMANDS: tuple[click.Command, ...] = ()  # both belong to the group `domain`
