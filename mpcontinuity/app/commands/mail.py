"""The commands ``status``, ``report``, ``track`` and ``queue``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, pass_configuration
from mpcontinuity.control.tracking import STATUSES
from mpcontinuity.tracking.record import DIRECTIONS

_SINCE_HELP = "From then on: an ISO 8601 time, or a duration before now as 24h."


@click.command()
@click.argument("domain", required=False)
@click.option("--history", is_flag=True, help="How they were in the last 90 days: each change of state, newest first.")
@click.option("--since", metavar="T", help=f"{_SINCE_HELP} With --history.")
@click.option("--flow", is_flag=True, help="How much mail came and went in each of the last 24 hours.")
@json_option
@pass_configuration
def status(
    configuration: Configuration, domain: str | None, history: bool, since: str | None, flow: bool, as_json: bool
) -> None:
    """Show the state of all home servers, or of that of DOMAIN."""
    if since is not None and not history:
        raise click.UsageError("--since: goes with --history")
    if flow:
        if history:
            raise click.UsageError("--flow: does not go with --history")
        with configuration.connect() as control:
            _flow(control.rows("status flow", domain=domain), as_json)
        return
    if history:
        with configuration.connect() as control:
            _history(control.pages("status history", domain=domain, since=since), as_json)
        return
    with configuration.connect() as control:
        rows = control.rows("status", domain=domain)
        running = control.running
    if as_json:
        output.as_json(rows)
        return
    facts = ("domain", "home", "state", "since", "mode", "continuity")
    columns = (*facts, "users", "redelivery_backlog", "outbound_backlog", "errors_hour")
    output.table([rows], columns, "No domain yet: mpcontinuity domain add --help")
    for row in rows:
        for line in _facts(row):
            output.say(f"{row['domain']}: {line}")
    if not running:
        output.say("The server does not run: mpcontinuity serve", err=True)


def _flow(rows: list[Any], as_json: bool) -> None:
    if as_json:
        output.as_json(rows)
    else:
        output.table([rows], ("hour", "taken_in", "redirected", "redelivered", "sent"), "")


def _facts(row: Mapping[str, Any]) -> Iterator[str]:
    """What the table has no room for, a line each."""
    if row["reason"]:
        yield row["reason"]
    if row["users_out"]:
        yield f"home's users cannot use it: {row['users_out']}"
    if row["recovery"]:
        yield _progress(row["recovery"])
    if row["drill"] is not None:
        yield f"a drill is under way until {row['drill']['until']} for {', '.join(row['drill']['users'])}"
    if row["contained"]:
        yield f"its home server is cut off since {row['contained']}: nothing goes there"
    elif row["kept"]:
        yield f"{row['kept']} messages wait for `contain {row['domain']} release`"
    if row["plan"] is not None:
        yield _planned(row["plan"])
    if row["never_logged_in"]:
        yield f"{row['never_logged_in']} of {row['users']} users have never logged in"


def _progress(recovery: Mapping[str, Any]) -> str:
    said = f"{recovery['left']} owed to its home server"
    if recovery["done"]:
        said += f", {recovery['done']} have gone there, {recovery['per_minute']} a minute"
    if recovery["eta"]:
        said += f", all by {recovery['eta'][:19]}"
    return f"{said}: {output.text(recovery['waiting'])}" if recovery["waiting"] else said


def _planned(plan: Mapping[str, Any]) -> str:
    note = f": {plan['note']}" if plan["note"] else ""
    return f"an outage is planned from {plan['from']} until {plan['until']} ({plan['state']}){note}"


def _history(pages: Iterable[Sequence[Mapping[str, Any]]], as_json: bool) -> None:
    if as_json:
        output.as_json([row for rows in pages for row in rows])
        return
    empty = True
    for rows in pages:
        for row in rows:
            empty = False
            reason = f": {output.text(row['reason'])}" if row["reason"] else ""
            node = f"  [{row['node']}]" if row["node"] else ""
            more = f"  ({row['left_out']} later changes within a day left out)" if row["left_out"] else ""
            output.say(f"{row['time']}  {row['domain']}  {row['state']}{reason}{node}{more}")
    if empty:
        output.say("No home server has changed its state.")


@click.command()
@click.argument("domain")
@click.option("--since", metavar="T", help=f"{_SINCE_HELP} What was received before is left out.")
@json_option
@pass_configuration
@click.pass_context
def report(context: click.Context, configuration: Configuration, domain: str, since: str | None, as_json: bool) -> None:
    """Show the ledger of DOMAIN: what was ever owed to its home server, and what became of it.

    Exit status 1 if it does not add up: taken in = delivered + deleted + failed + expired + released + owed.
    """
    with configuration.connect() as control:
        result = control.call("report", domain=domain, since=since)
    rows = result["rows"]
    if as_json:
        output.as_json(rows)
    else:
        output.table([rows], tuple(rows[0]), "")
    if not result["adds_up"]:
        output.say(
            f"mpcontinuity: the ledger of {domain} does not add up; keep the data folder and report this", err=True
        )
        context.exit(1)


@click.command()
@click.option("--recipient", metavar="ADDRESS", help="Only messages to them.")
@click.option("--sender", metavar="ADDRESS", help="Only messages from them.")
@click.option("--message-id", metavar="M", help="Only the message with this Message-ID.")
@click.option("--status", "status_", type=click.Choice(STATUSES), help="Only messages that came to this.")
@click.option("--direction", type=click.Choice(DIRECTIONS), help="Only messages that went this way.")
@click.option("--since", metavar="T", help=_SINCE_HELP)
@click.option("--until", metavar="T", help="Before then: a time or a duration as in --since.")
@click.option("--limit", metavar="N", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most.")
@json_option
@pass_configuration
def track(
    configuration: Configuration,
    recipient: str | None,
    sender: str | None,
    message_id: str | None,
    status_: str | None,
    direction: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show what became of messages, one row per message and recipient, newest first."""
    with configuration.connect() as control:
        rows = control.call(
            "track",
            recipient=recipient,
            sender=sender,
            message_id=message_id,
            status=status_,
            direction=direction,
            since=since,
            until=until,
            limit=limit,
        )
    if as_json:
        output.as_json(rows)
        return
    if not rows:
        output.say("Nothing found.")
    for row in rows:
        outcome = f", {row['outcome']}" if row["outcome"] not in (None, row["status"]) else ""
        output.say(
            f"{row['received'][:19]} {row['direction']} {row['sender'] or '<>'} -> {row['recipient']}: "
            f"{row['status']}{outcome}  {output.text(row['subject'])}  [{row['id']}]"
        )
        for event in row["events"]:
            reply = " ".join(filter(None, (str(event["code"] or ""), event["text"])))
            output.say(f"    {event['time'][:19]} {event['host'] or '-'}: {output.text(reply)}")


@click.group()
def queue() -> None:
    """What waits: mail that is owed to home servers, and mail to the world."""


@queue.command("list")
@click.option("--domain", metavar="D", help="Only of this domain.")
@json_option
@pass_configuration
def queue_list(configuration: Configuration, domain: str | None, as_json: bool) -> None:
    """List what waits, oldest first."""
    with configuration.connect() as control:
        columns = ("id", "kind", "sender", "recipient", "subject", "attempts", "next_attempt", "last_code", "last_text")
        output.listing(control.pages("queue list", domain=domain), columns, as_json, "Nothing waits.")


@queue.command("destinations")
@click.option("--domain", metavar="D", help="Only what this domain sends.")
@json_option
@pass_configuration
def queue_destinations(configuration: Configuration, domain: str | None, as_json: bool) -> None:
    """Show where mail to the world waits to go, the fullest first, and what was answered last."""
    with configuration.connect() as control:
        columns = ("destination", "messages", "oldest", "attempts", "next_attempt", "last_text")
        output.listing(control.pages("queue destinations", domain=domain), columns, as_json, "Nothing waits.")


@queue.command("retry")
@click.argument("ids", nargs=-1, metavar="[ID…]")
@click.option("--domain", metavar="D", help="Only of this domain.")
@json_option
@pass_configuration
def queue_retry(configuration: Configuration, ids: tuple[str, ...], domain: str | None, as_json: bool) -> None:
    """Try again now: these, or all. Reopens what has failed or expired, and resumes a flush that was paused. A home
    server that is down is probed at once: if it answers, what it is owed goes there without waiting for more probes."""
    with configuration.connect() as control:
        row = control.call("queue retry", ids=list(ids) or None, domain=domain)
        standing = [] if as_json else control.rows("status", domain=domain)
    if as_json:
        output.as_json(row)
        return
    output.say(f"Due now, and put off or ended before: {row['retried']}" if row["retried"] else "Nothing was put off")
    for each in standing:
        why = _why_it_waits(each)
        if each["redelivery_backlog"] and why:
            output.say(f"{each['domain']}: {each['redelivery_backlog']} owed to its home server: {why}")


def _why_it_waits(domain: dict[str, Any]) -> str:
    """Although nothing is put off; empty where it does not."""
    if domain["contained"]:
        return "they are kept while that is cut off"
    if domain["mode"] == "enabled":
        return "they go home when its mode is no longer enabled"
    if domain["state"] == "down":
        return f"they go home as soon as that is back ({domain['reason']})"
    return ""


@queue.command("remove")
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@json_option
@pass_configuration
def queue_remove(configuration: Configuration, ids: tuple[str, ...], as_json: bool) -> None:
    """Take messages out. The home server is not owed them any more; to the world they are not sent, and their sender
    is told. They stay in mailbox and archive."""
    with configuration.connect() as control:
        row = control.call("queue remove", ids=list(ids))
    if as_json:
        output.as_json(row)
    else:
        output.say(f"Removed: {row['removed']}")
