"""The commands ``archive …``."""

from __future__ import annotations

import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, pass_configuration
from mpcontinuity.app.commands.exporting import FORMATS, Export
from mpcontinuity.control.operation import unheard

_MOST = 1_000


@click.group()
def archive() -> None:
    """What passed through in the last 90 days, or as long as its domain says (retention-days)."""


@archive.command()
@click.argument("query", nargs=-1)
@click.option("--user", metavar="ADDRESS", help="Only what came to this user, or was sent by them.")
@click.option("--domain", metavar="D", help="Only mail of this domain.")
@click.option("--since", metavar="T", help="From then on: an ISO 8601 time, or a duration before now as 24h.")
@click.option("--until", metavar="T", help="Before then.")
@click.option("--limit", metavar="N", type=click.IntRange(1, _MOST), default=100, show_default=True, help="At most.")
@click.option("--after", metavar="ID", help="Those behind this one, where there are more.")
@json_option
@pass_configuration
def search(
    configuration: Configuration,
    query: tuple[str, ...],
    user: str | None,
    domain: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """Find archived messages, newest first.

    \b
    QUERY is words that must all occur, anywhere in a message, and:
      from:WORD|ADDRESS  to:WORD|ADDRESS  subject:WORD  body:WORD
      attachment:NAME  has:attachment  message-id:ID  id:ID
      since:DATE  until:DATE  on:DATE     days of UTC, as 2026-11-22, or since:7d
      direction:inbound  direction:outbound  larger:10M  smaller:500k
    Words in quotes belong to one field: 'subject:"annual report"'. Behind "--", a "-" before a word is "not":
    -- report -from:anna.
    """
    with configuration.connect() as control:
        # One more tells whether there are more.
        rows = control.call(
            "archive search",
            progress=_left_out,
            query=" ".join(query),
            user=user,
            domain=domain,
            since=since,
            until=until,
            limit=min(limit + 1, _MOST),
            after=after,
        )
    shown = rows[:limit]
    columns = ("time", "direction", "sender", "recipients", "subject", "size", "id")
    output.listing([shown], columns, as_json, "Nothing found.")
    if len(rows) > limit:
        output.say(f"There are more: --after {shown[-1]['id']}", err=True)


def _left_out(said: Any) -> None:
    if isinstance(said, dict) and "unsearched" in said:
        output.say(
            f"The archive is still being indexed: {said['unsearched']} older messages were not searched.", err=True
        )


@archive.command()
@click.argument("id_", metavar="ID")
@click.option("--header", is_flag=True, help="Its header alone.")
@json_option
@pass_configuration
def show(configuration: Configuration, id_: str, header: bool, as_json: bool) -> None:
    """Print the message ID as it is stored, octet by octet; with --json what is known of it instead.

    It is noted who looked (`audit`).
    """
    with configuration.connect() as control:
        row = control.call("archive show", id=id_, header=header, progress=unheard if as_json else _print)
    if as_json:
        output.as_json(row)
    sys.stdout.buffer.flush()


def _print(said: Any) -> None:
    sys.stdout.buffer.write(b64decode(said["data"]))


@archive.command()
@click.argument("ids", metavar="[ID]…", nargs=-1)
@click.option("--to", metavar="ADDRESS", help="A user of the same domain, instead of the recipients.")
@click.option("--query", metavar="Q", help="All that this finds (archive search --help), the oldest first.")
@click.option("--user", metavar="ADDRESS", help="With --query or alone: only what is this user's.")
@click.option("--again", is_flag=True, help="With --query or --user: also what was released before.")
@json_option
@click.pass_context
@pass_configuration
def release(
    configuration: Configuration,
    context: click.Context,
    ids: tuple[str, ...],
    to: str | None,
    query: str | None,
    user: str | None,
    again: bool,
    as_json: bool,
) -> None:
    """Deliver messages of the archive again: to their recipients, or to the sender of what went out.

    They go home as all mail does. In an outage they go into the continuity mailbox, and home is owed them only if it
    never took them. A search that was cut off can be given again: what was released is left out. Exit status 1 if one
    could not be released.
    """
    found = query is not None or user is not None
    if bool(ids) is found:
        raise click.UsageError("name IDs, or --query or --user, and not both")
    with configuration.connect() as control:
        if found:
            many = control.call("archive release found", progress=_released, query=query, user=user, to=to, again=again)
        else:
            rows = control.call("archive release", ids=list(ids), to=to)
    if found:
        rows = many["failed"]
        _show_many(many, as_json)
    elif as_json:
        output.as_json(rows)
    else:
        output.table([rows], ("id", "recipient", "way", "text"), "")
    for warning in dict.fromkeys(row["warning"] for row in rows if row["warning"]):
        output.say(f"mpcontinuity: warning: {warning}", err=True)
    if any(row["way"] in ("refused", "deferred") for row in rows):
        context.exit(1)


def _released(said: Any) -> None:
    if "found" in said and said["released"] % 100 == 0:
        output.say(f"{said['released']} of {said['found']}", err=True)


def _show_many(many: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.as_json(many)
        return
    output.fields({name: value for name, value in many.items() if name not in ("failed", "stopped")})
    for row in many["failed"]:
        output.say(f"{row['id']} to {row['recipient'] or 'nobody'}: {row['text']}", err=True)
    if many["stopped"]:
        output.say(f"Stopped: {many['stopped']}. Give it again later: it goes on.", err=True)
    if many["cut_off"]:
        output.say(
            f"{many['cut_off']} were being released when an earlier run was cut off, and may have arrived: they are"
            " left out. Release them by their IDs, or with --again.",
            err=True,
        )


@archive.command()
@click.argument("arguments", metavar="[QUERY]… [FILE.mbox]", nargs=-1)
@click.option("--user", metavar="ADDRESS", help="Only what came to this user, or was sent by them.")
@click.option("--domain", metavar="D", help="Only mail of this domain.")
@click.option("--since", metavar="T", help="From then on: an ISO 8601 time, or a duration before now as 24h.")
@click.option("--until", metavar="T", help="Before then.")
@click.option("--maildir", metavar="DIR", type=click.Path(path_type=Path), help="Make a Maildir instead of an mbox.")
@click.option("--zip", "zip_", metavar="FILE.zip", type=click.Path(path_type=Path), help="Make a zip of .eml files.")
@json_option
@click.pass_context
@pass_configuration
def export(
    configuration: Configuration,
    context: click.Context,
    arguments: tuple[str, ...],
    user: str | None,
    domain: str | None,
    since: str | None,
    until: str | None,
    maildir: Path | None,
    zip_: Path | None,
    as_json: bool,
) -> None:
    """Write messages of the archive into a file, in the order of time.

    The last argument is the FILE, an mbox (mboxrd) with the ending .mbox, unless --maildir or --zip names one; QUERY is
    as in `archive search`. A zip has the messages octet by octet; in the others lines end with LF. Until it is complete
    the file has the ending .part. Exit status 1 if a message is damaged, which is left out.
    """
    if maildir is not None and zip_ is not None:
        raise click.UsageError("--maildir and --zip: one of them")
    named = maildir or zip_
    if named is None and not arguments:
        raise click.UsageError("name the FILE.mbox to write")
    words = arguments if named else arguments[:-1]
    path = named or Path(arguments[-1])
    if named is None and path.suffix != ".mbox":  # a query without a file would be one, and all mail be written to it
        raise click.UsageError(f"{path}: name the file to write behind the query, with the ending .mbox")
    format_ = FORMATS["maildir" if maildir else "zip" if zip_ else "mbox"](path)
    taking = Export(format_)
    try:
        with configuration.connect() as control:
            result = control.call(
                "archive export",
                progress=taking.take,
                query=" ".join(words),
                user=user,
                domain=domain,
                since=since,
                until=until,
            )
        format_.close()
    except BaseException:
        format_.abandon()
        raise
    finally:
        taking.end()
    output.result(result, as_json, f"{path}: {result['messages']} messages, {result['octets']} octets")
    if result["damaged"]:
        context.exit(1)


@archive.command()
@click.option("--before", metavar="T", help="Only of what came before: an ISO 8601 time, or a duration as 30d.")
@click.option("--domain", metavar="D", help="Only mail of this domain.")
@json_option
@pass_configuration
def purge(configuration: Configuration, before: str | None, domain: str | None, as_json: bool) -> None:
    """Drop what retention allows, now: what is older than the domain's retention-days.

    It goes by the number as it is set now, also where that was lowered since. What is owed, on hold or in a mailbox is
    kept.
    """
    with configuration.connect() as control:
        result = control.call("archive purge", before=before, domain=domain)
    line = f"{result['dropped']} messages dropped; {result['held']} are on hold"
    if before is not None:
        line += f"; {result['kept']} from before that time are younger than retention-days"
    output.result(result, as_json, line)


@archive.command()
@click.argument("query", nargs=-1)
@click.option("--user", metavar="ADDRESS", help="All mail of this user, also what comes later.")
@click.option("--note", metavar="TEXT", help="Why: a case, a request.")
@click.option("--domain", metavar="D", help="Only mail of this domain, whose administrators see and lift the hold.")
@click.option("--list", "list_", is_flag=True, help="Show all holds.")
@click.option("--lift", metavar="ID", help="End this hold.")
@json_option
@pass_configuration
def hold(
    configuration: Configuration,
    query: tuple[str, ...],
    user: str | None,
    note: str | None,
    domain: str | None,
    list_: bool,
    lift: str | None,
    as_json: bool,
) -> None:
    """Keep what would be purged: all mail of a user, also what comes later, or what QUERY finds now.

    QUERY is as in `archive search`. A hold outlives the user and the domain, and ends when it is lifted.
    """
    if [bool(query), user is not None, list_, lift is not None].count(True) != 1:
        raise click.UsageError("give a QUERY, --user, --list or --lift, one of them")
    with configuration.connect() as control:
        if list_:
            columns = ("id", "created", "by", "domain", "user", "query", "messages", "complete", "note")
            output.listing(control.pages("archive hold list", domain=domain), columns, as_json, "Nothing is on hold.")
        elif lift is not None:
            result = control.call("archive hold lift", id=lift, domain=domain)
            output.result(result, as_json, f"{lift} is lifted")
        else:
            row = control.call("archive hold", query=" ".join(query), user=user, note=note, domain=domain)
            what = f"all mail of {row['user']}" if row["user"] else f"{row['messages']} messages"
            output.result(row, as_json, f"{what} on hold: {row['id']}")
