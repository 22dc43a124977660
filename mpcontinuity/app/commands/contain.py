"""The command ``contain``: a home server that is cut off, and what was kept meanwhile."""

from __future__ import annotations

from typing import Any

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, pass_configuration

_COLUMNS = ("id", "kind", "sender", "recipient", "subject", "attempts", "last_code", "last_text")


@click.command()
@click.argument("domain")
@click.argument("action", metavar="on|off|list|release", type=click.Choice(("on", "off", "list", "release")))
@click.argument("ids", nargs=-1, metavar="[ID…]")
@click.option("--note", metavar="TEXT", help="Why, in one line. With on.")
@click.option("--query", metavar="Q", help="What `archive search Q` finds of it. With list or release.")
@click.option("--all", "everything", is_flag=True, help="All that is kept. With release.")
@json_option
@pass_configuration
def contain(
    configuration: Configuration,
    domain: str,
    action: str,
    ids: tuple[str, ...],
    note: str | None,
    query: str | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Cut the home server of DOMAIN off, because it was broken into for example: nothing goes there until that is
    lifted. Users find their mail here, as in an outage.

    After off, new mail goes home again. What was kept is listed, and goes home as it is released.

    \b
      mpcontinuity contain example.org on --note "ransomware at the office"
      mpcontinuity contain example.org off
      mpcontinuity contain example.org list --query "from:customer.example"
      mpcontinuity contain example.org release --query "from:customer.example"
      mpcontinuity contain example.org release --all
    """
    ways = bool(ids) + everything + (query is not None)
    if (action != "release" and (ids or everything)) or (action in ("on", "off") and query is not None):
        raise click.UsageError("IDs and --all: go with release, --query with list or release")
    if action == "release" and ways != 1:
        raise click.UsageError("release: give IDs, or --query, or --all")
    if note is not None and action != "on":
        raise click.UsageError("--note: goes with on")
    with configuration.connect() as control:
        if action == "list":
            output.listing(
                control.pages("contain list", domain=domain, query=query), _COLUMNS, as_json, "Nothing is kept."
            )
        elif action == "release":
            wanted = list(ids) if ids else None
            progress = _nothing if as_json else _progress
            row = control.call("contain release", progress=progress, name=domain, ids=wanted, query=query)
            said = f"{row['domain']}: {row['released']} released to the home server, {row['kept']} kept"
            output.result(row, as_json, said)
        else:
            row = control.call(f"contain {action}", name=domain, note=note)
            output.result(row, as_json, _said(row))


def _nothing(said: Any) -> None:
    """JSON is the result alone."""


def _progress(said: Any) -> None:
    output.say(f"{said['released']} released", err=True)


def _said(row: dict[str, Any]) -> str:
    if row["contained"]:
        return f"{row['domain']}: its home server is cut off since {row['since']}; {row['kept']} messages are kept"
    waits = f"; {row['kept']} messages wait for `contain {row['domain']} release`" if row["kept"] else ""
    return f"{row['domain']}: its home server gets new mail{waits}"
