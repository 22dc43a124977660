"""The command ``audit``."""

from __future__ import annotations

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, pass_configuration


@click.command()
@click.option("--since", metavar="T", help="From then on: an ISO 8601 time, or a duration before now as 24h.")
@click.option("--by", metavar="NAME", help="Only what this administrator or user did.")
@click.option("--limit", metavar="N", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most.")
@json_option
@pass_configuration
def audit(configuration: Configuration, since: str | None, by: str | None, limit: int, as_json: bool) -> None:
    """Show who did what in the last year, newest first.

    Each operation that changes something is here, done or refused, and each look into another's mail. "begun" is what
    has not ended, or was cut off by a crash.
    """
    with configuration.connect() as control:
        rows = control.call("audit", since=since, by=by, limit=limit)
    columns = ("time", "by", "from", "operation", "object", "result")
    output.listing([rows], columns, as_json, "Nobody has changed anything.")
