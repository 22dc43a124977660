"""The command ``domain plan``: outages that are declared for a set time."""

from __future__ import annotations

from typing import Any

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, pass_configuration

_COLUMNS = ("id", "from", "until", "state", "ended", "by", "note")


@click.command("plan")
@click.argument("name")
@click.option("--from", "begin", metavar="T", help="When it begins: an ISO 8601 time, or a duration from now as 2h.")
@click.option("--until", metavar="T", help="When it ends, written as for --from.")
@click.option("--note", metavar="TEXT", help="What it is for, in one line.")
@click.option("--list", "listed", is_flag=True, help="Show what is planned, under way, or ended in the last 90 days.")
@click.option("--extend", metavar="T", help="Move the end to that time, or by that duration.")
@click.option("--end", "ended", is_flag=True, help="End the one that is under way, or remove one that is to come.")
@click.option("--id", "plan", metavar="ID", help="Which one to extend or end, where several are to come.")
@json_option
@pass_configuration
def domain_plan(
    configuration: Configuration,
    name: str,
    begin: str | None,
    until: str | None,
    note: str | None,
    listed: bool,
    extend: str | None,
    ended: bool,
    plan: str | None,
    as_json: bool,
) -> None:
    """Declare an outage of the home server of the domain NAME at a set time. It begins and ends by itself: meanwhile
    mail is kept here and nothing is sent home, as with mode=enabled.

    \b
      mpcontinuity domain plan example.org --from 2026-12-05T20:00:00+01:00 --until 2026-12-06T02:00:00+01:00
      mpcontinuity domain plan example.org --extend 1h
      mpcontinuity domain plan example.org --end
    """
    wanted = [listed, extend is not None, ended, begin is not None or until is not None or note is not None]
    if sum(wanted) != 1:
        raise click.UsageError("give --from and --until, or one of --list, --extend and --end")
    if plan is not None and not (ended or extend is not None):
        raise click.UsageError("--id: goes with --extend or --end")
    with configuration.connect() as control:
        if listed:
            empty = f"No outage is planned for {name}."
            output.listing(control.pages("domain plan list", domain=name), _COLUMNS, as_json, empty)
            return
        if ended:
            row = control.call("domain plan end", name=name, plan=plan)
        elif extend is not None:
            row = control.call("domain plan extend", name=name, until=extend, plan=plan)
        else:
            if begin is None or until is None:
                raise click.UsageError("--from and --until go together")
            row = control.call("domain plan", name=name, begin=begin, until=until, note=note)
    output.result(row, as_json, _said(row))


def _said(row: dict[str, Any]) -> str:
    what = f"{row['domain']}: outage {row['id']}"
    if row["state"] == "ended":
        return f"{what} ended" if row["ended"] >= row["from"] else f"{what} is planned no more"
    return f"{what}: {row['state']}, from {row['from']} until {row['until']}"
