"""The command ``outage``: the outages that there were, and what can be done about one."""

from __future__ import annotations

from typing import Any

import click

from mpcontinuity.alerts.acting import ACTS
from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import (
    Configuration,
    json_option,
    pass_configuration,
    value_from_stdin,
)

_FOR_HELP = "For how long, as 30m, 4h or 2d."


@click.group()
def outage() -> None:
    """Periods in which home servers were away, or declared to be, with what became of the mail."""


@outage.command("list")
@click.argument("domain", required=False)
@click.option("--since", metavar="T", help="From then on: an ISO 8601 time, or a duration before now as 24h.")
@json_option
@pass_configuration
def outage_list(configuration: Configuration, domain: str | None, since: str | None, as_json: bool) -> None:
    """List the outages of DOMAIN, or of all, in the last year, newest first."""
    columns = ("id", "domain", "began", "ended", "causes", "taken_in", "delivered", "failed", "open", "reason")
    with configuration.connect() as control:
        pages = control.pages("outage list", domain=domain, since=since)
        output.listing(pages, columns, as_json, "There was no outage.")


@outage.command("show")
@click.argument("id_", metavar="ID")
@json_option
@pass_configuration
def outage_show(configuration: Configuration, id_: str, as_json: bool) -> None:
    """Show the outage ID with the report of its recovery, user by user."""
    with configuration.connect() as control:
        row = control.call("outage show", id=id_)
    if as_json:
        output.as_json(row)
        return
    users = row.pop("users")
    row["longest_wait"] = output.span(row["longest_wait"])
    row["told"] = [f"{step} {time}" for step, time in row["told"].items()]
    output.fields(row)
    if users:
        output.table([users], tuple(users[0]), "")


@outage.command("room")
@click.argument("domain")
@click.option("--id", "id_", metavar="ID", help="An earlier outage; without it the present or the last one.")
@click.option("--text", "text", type=click.Choice(("mail", "sms", "intranet")), help="Print this text for users alone.")
@json_option
@pass_configuration
def outage_room(configuration: Configuration, domain: str, id_: str | None, text: str | None, as_json: bool) -> None:
    """Show what happened in the present or last outage of DOMAIN, what users and senders notice now, and texts by which
    users can be told.

    \b
      mpcontinuity outage room example.org
      mpcontinuity outage room example.org --text sms
    """
    with configuration.connect() as control:
        row = control.call("outage room", domain=domain, id=id_)
    if as_json:
        output.as_json(row)
    elif text is not None:
        _print_text(next(each for each in row["texts"] if each["kind"] == text))
    else:
        _print_room(row)


def _print_text(text: dict[str, str]) -> None:
    for line in [*([f"Subject: {text['subject']}", ""] if text["subject"] else []), *text["text"].splitlines()]:
        output.say(line)


def _print_room(row: dict[str, Any]) -> None:
    outage, access, state = row["outage"], row["access"], row["status"]
    reason = f": {state['reason']}" if state["reason"] else ""
    output.say(f"{row['domain']}: its home server is {state['state']} since {state['since']}{reason}")
    output.say(f"Outage {_named(outage)}" if outage is not None else "There was no outage.")
    for one in row["declared"]:
        until = f" until {one['until']}" if one["until"] else ""
        output.say(f"Declared ({one['what']}) by {one['by'] or 'an administrator'}{until}")
    if row["timeline"]:
        output.say("")
        for one in row["timeline"]:
            by = f" ({one['by']})" if one["by"] else ""
            output.say(f"{one['time']}  {one['text']}{by}")
        if not row["whole"]:
            output.say("There was more: audit and status --history have it.")
    output.say("")
    if access["webmail"] is not None:
        output.say(f"Users: in a browser at {access['webmail']}")
    for place in access["places"]:
        output.say(f"Users: {place['protocol']} at {place['host']}, port {place['port']}, {place['security']}")
    came = sum(each["users"] for each in access["came"])
    output.say(f"Users: {came} of {access['users']} came since {access['since']}; {access['never']} never have")
    for line in row["senders"]:
        output.say(f"Senders: {line}")
    output.say("")
    output.say(f"To tell users: outage room {row['domain']} --text mail|sms|intranet")


@outage.command("act")
@click.argument("domain")
@click.argument("act", type=click.Choice(ACTS))
@click.option("--for", "lasts", metavar="DURATION", default="4h", show_default=True, help=_FOR_HELP)
@json_option
@pass_configuration
def outage_act(configuration: Configuration, domain: str, act: str, lasts: str, as_json: bool) -> None:
    """Declare an outage of DOMAIN from now on, extend or stop it, or snooze the mails about the present one.

    \b
      mpcontinuity outage act example.org start --for 8h
      mpcontinuity outage act example.org snooze --for 2h
    """
    with configuration.connect() as control:
        row = control.call("outage act", domain=domain, act=act, lasts=lasts)
    output.result(row, as_json, row["done"])


@outage.command("redeem")
@click.argument("act", type=click.Choice(ACTS), required=False)
@click.option("--for", "lasts", metavar="DURATION", default="4h", show_default=True, help=_FOR_HELP)
@click.option("--domain", metavar="D", help="The domain that the link must be about.")
@click.option("--stdin", "from_stdin", is_flag=True, required=True, help="Read the link from standard input.")
@json_option
@pass_configuration
def outage_redeem(
    configuration: Configuration, act: str | None, lasts: str, domain: str | None, from_stdin: bool, as_json: bool
) -> None:
    """Do ACT by the right of a link that stands in an alert, which is read from standard input.

    Without ACT the link is shown, and what it is good for.
    """
    token = value_from_stdin("link").strip().rpartition("/")[2]
    with configuration.connect() as control:
        row: dict[str, Any]
        if act is None:
            row = control.call("outage link", token=token, domain=domain)
            shown = row if as_json or row["outage"] is None else {**row, "outage": _named(row["outage"])}
            output.result(shown, as_json)
            return
        row = control.call("outage redeem", token=token, act=act, lasts=lasts, domain=domain)
    output.result(row, as_json, row["done"])


def _named(outage: dict[str, Any]) -> str:
    ended = f"ended {outage['ended']}" if outage["ended"] else "under way"
    return f"{outage['id']}, began {outage['began']}, {ended}: {', '.join(outage['causes'])}"
