"""The commands ``domain dns`` and ``domain microsoft-365``: what is to be set elsewhere for a domain, to copy."""

from __future__ import annotations

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, pass_configuration


@click.command("dns")
@click.argument("name")
@json_option
@pass_configuration
def domain_dns(configuration: Configuration, name: str, as_json: bool) -> None:
    """Show what DNS is to say of the domain NAME, as lines of a zone file, each with what it says now: right, missing,
    different, or unknown where it does not tell. Exit status 1 if a record that is needed is missing or different.

    \b
      mpcontinuity domain dns example.org
    """
    with configuration.connect() as control:
        row = control.call("domain dns", name=name)
    if as_json:
        output.as_json(row)
    else:
        for record in row["records"]:
            output.say(f"; {record['what']} ({record['need']}): {record['state']}")
            if record["note"]:
                output.say(f";   {record['note']}")
            if record["state"] == "different":
                for found in record["found"]:
                    output.say(f";   found: {found}")
            output.say(record["zone"] or f"; {record['name']}. {record['type']}")
    if any(record["need"] == "needed" and record["state"] in ("missing", "different") for record in row["records"]):
        raise SystemExit(1)


@click.command("microsoft-365")
@click.argument("name")
@json_option
@pass_configuration
def domain_microsoft(configuration: Configuration, name: str, as_json: bool) -> None:
    """Show what is to be set in Microsoft 365, where that is the home server of the domain NAME: connectors by
    certificate, Enhanced Filtering, reports, and Reject Direct Send, with the lines of PowerShell. Nothing is done.

    \b
      mpcontinuity domain microsoft-365 example.org > steps.ps1    # to be read, and run line by line
    """
    with configuration.connect() as control:
        row = control.call("domain microsoft-365", name=name)
    if as_json:
        output.as_json(row)
        return
    for note in row["notes"]:
        output.say(f"# {note}")
    for number, step in enumerate(row["steps"], 1):
        output.say("")
        output.say(f"# {number}. {step['title']}")
        output.say(f"# {step['why']}")
        for line in step["here"]:
            output.say(f"# on this server: {line}")
        for line in step["powershell"]:
            output.say(line)
        for line in step["check"]:
            where = "on this server: " if line.startswith("mpcontinuity ") else ""
            output.say(f"# to see that it holds: {where}{line}")
