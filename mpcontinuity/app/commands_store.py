"""The commands ``check``, ``backup`` and ``restore``: what keeps the store whole."""

from __future__ import annotations

from typing import Any

import click

from mpcontinuity.app import output
from mpcontinuity.app.configuration import Configuration, json_option, pass_configuration


class Teller:
    """Shows what a long operation says, as it says it; steps on standard error, where a person looks."""

    def __init__(self, *, as_json: bool) -> None:
        self.findings: list[dict[str, Any]] = []
        self._as_json = as_json

    def __call__(self, said: dict[str, Any]) -> None:
        finding = said.get("finding")
        if finding is not None:
            self.findings.append(finding)
            if not self._as_json:
                click.echo(_line(finding))
        elif not self._as_json:
            click.echo(f"… {said['step']}", err=True)


def _line(finding: dict[str, Any]) -> str:
    if finding["repaired"]:
        return f"repaired  {finding['what']}: {finding['repaired']}"
    if finding["kind"] == "note":
        return f"note      {finding['what']}"
    remedy = f"; --repair {finding['remedy']}" if finding["remedy"] else "; cannot be repaired here"
    return f"{finding['kind']:<9} {finding['what']}{remedy}"


@click.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended without guessing. No server may run meanwhile.")
@click.option("--quick", is_flag=True, help="Do not read the messages themselves: headers, places and lengths only.")
@click.option(
    "--older",
    is_flag=True,
    help="The database is an older copy than the packs beside it, although it does not show: take in what packs know.",
)
@json_option
@pass_configuration
@click.pass_context
def check(
    context: click.Context, configuration: Configuration, repair: bool, quick: bool, older: bool, as_json: bool
) -> None:
    """Check database, packs, mailboxes, ledger and tracking against each other.

    Changes nothing without --repair, and runs beside a server, in short steps. --repair never deletes mail: a damaged
    message stays listed, what is in doubt is kept, and each line says what was done. A single flipped bit is turned
    back. A database that is older than the packs (a backup was put back, or it was lost) takes in what they know; then
    UIDVALIDITY rises, and what is owed is in doubt.

    Exit status 0: all is well, or was repaired. 1: something is wrong.
    """
    teller = Teller(as_json=as_json)
    with configuration.connect() as control:
        totals = control.call("check", progress=teller, repair=repair, quick=quick, older=older)
    if as_json:
        output.as_json({**totals, "list": teller.findings})
    else:
        click.echo(
            f"{totals['messages']} messages ({totals['octets']} octets) in {totals['packs']} packs, "
            f"{totals['mailboxes']} mailboxes, {totals['accounts']} users: "
            + (f"{totals['findings']} findings, {totals['repaired']} repaired" if totals["findings"] else "all is well")
        )
    if totals["findings"] > totals["repaired"]:
        context.exit(1)


COMMANDS = (check,)
