"""The command ``domain users-out``: home takes mail, and its users cannot use it."""

from __future__ import annotations

from typing import Any

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, pass_configuration


@click.command("users-out")
@click.argument("name")
@click.argument("switch", metavar="on|off", type=click.Choice(["on", "off"]))
@click.option("--note", metavar="TEXT", default="", help="Why, in one line. With on.")
@json_option
@pass_configuration
def domain_users_out(configuration: Configuration, name: str, switch: str, note: str, as_json: bool) -> None:
    """Say that the users of the home server of NAME cannot use it, though it may take mail: nobody can log in, for
    example. Mail goes on as it did; status shows it, and subscribers hear of it. What the probe of the setting
    `home-users` finds stands beside it.

    \b
      mpcontinuity domain users-out example.org on --note "single sign-on is down"
      mpcontinuity user continuity --domain example.org --all on    # a copy of all new mail for everybody
      mpcontinuity domain users-out example.org off
    """
    if note and switch == "off":
        raise click.UsageError("--note: goes with on")
    with configuration.connect() as control:
        row = control.call("domain users-out", name=name, on=switch == "on", note=note)
    output.result(row, as_json, _said(row))
    if row["out"] and not as_json:
        output.say(f"Copies for everybody: {row['hint']}")


def _said(row: dict[str, Any]) -> str:
    if not row["out"]:
        return f"{row['domain']}: home's users can use it, as far as is known"
    why = [row["reason"]] if row["found"] else []
    why += [f"said by {row['by']}" + (f": {row['note']}" if row["note"] else "")] if row["said"] else []
    return f"{row['domain']}: home's users are out: {'; '.join(why)}"
