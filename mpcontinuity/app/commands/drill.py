"""The command ``drill``: an outage that is played for some users, and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, pass_configuration
from mpcontinuity.app.commands.drill_page import page

_COLUMNS = ("id", "from", "until", "state", "by", "users")


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="DOMAIN | report ID")
@click.option("--user", "users", multiple=True, metavar="A…", help="For whom it is played; may be repeated.")
@click.option("--for", "lasts", metavar="DURATION", help="How long, as 20m; at most 1d.")
@click.option("--list", "listed", is_flag=True, help="Show the drills of the domain.")
@click.option("--end", "ended", is_flag=True, help="End the one that is under way.")
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report as a page to print. With report.",
)
@json_option
@pass_configuration
def drill(
    configuration: Configuration,
    what: tuple[str, ...],
    users: tuple[str, ...],
    lasts: str | None,
    listed: bool,
    ended: bool,
    html: Path | None,
    as_json: bool,
) -> None:
    """Play an outage of the home server of DOMAIN for the named users alone, on live mail: theirs is kept here and
    goes home afterwards, everybody else's passes. It ends by itself.

    \b
      mpcontinuity drill example.org --user anna@example.org --user ben@example.org --for 20m
      mpcontinuity drill example.org --list
      mpcontinuity drill report 0c5w2w8mz9000 --html drill.html
    """
    if what[0] == "report":
        if len(what) != 2 or users or lasts or listed or ended:
            raise click.UsageError("report: give the ID of a drill")
        _report(configuration, what[1], html, as_json)
        return
    domain, *more = what
    named = [*users, *more]  # --user A B C
    if sum((bool(named or lasts), listed, ended)) != 1:
        raise click.UsageError("give --user and --for, or one of --list and --end")
    if html is not None:
        raise click.UsageError("--html: goes with report")
    with configuration.connect() as control:
        if listed:
            output.listing(control.pages("drill list", domain=domain), _COLUMNS, as_json, "No drill yet.")
            return
        if ended:
            row = control.call("drill end", name=domain)
        else:
            if not (users and lasts):
                raise click.UsageError("--user and --for go together")
            row = control.call("drill", name=domain, user=named, lasts=lasts)
    output.result(row, as_json, _said(row))


def _said(row: dict[str, Any]) -> str:
    if row["state"] == "ended":
        return f"{row['domain']}: drill {row['id']} ended; its mail goes home: mpcontinuity drill report {row['id']}"
    return f"{row['domain']}: drill {row['id']} until {row['until']} for {', '.join(row['users'])}"


def _report(configuration: Configuration, drill_id: str, html: Path | None, as_json: bool) -> None:
    with configuration.connect() as control:
        row = control.call("drill report", id=drill_id)
    if html is not None:
        html.write_text(page(row), encoding="utf-8")
    if as_json:
        output.as_json(row)
        return
    output.say(f"{row['domain']}: drill {row['id']}, {row['from']} until {row['until']}: {row['state']}")
    longest = {name: output.span(value) for name, value in row["sums"].items() if name.startswith("longest_")}
    output.fields({**row["sums"], **longest})
    for user in row["users"]:
        doors = ", ".join(f"{login['door']} ({login['times']})" for login in user["logins"]) or "has not logged in"
        output.say(f"{user['address']}: {doors}; {user['received']} received, {user['sent']} sent")
    if row["outages"]:
        output.say(f"{len(row['outages'])} real outages began meanwhile")
    if html is not None:
        output.say(f"{html}: the page to print")
