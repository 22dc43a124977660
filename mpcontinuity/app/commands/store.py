"""The commands ``check``, ``backup`` and ``restore``: what keeps the store whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, login_name, pass_configuration, tell


class Teller:
    """Prints what a long operation says while it goes on: findings on standard output, steps on standard error, where a
    person looks.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.findings: list[dict[str, Any]] = []
        self._as_json = as_json

    def __call__(self, said: dict[str, Any]) -> None:
        finding = said.get("finding")
        if finding is not None:
            self.findings.append(finding)
            if not self._as_json:
                output.say(_line(finding))
        elif not self._as_json:
            output.say(f"… {said['step']}", err=True)


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
        output.say(
            f"{totals['messages']} messages ({totals['octets']} octets) in {totals['packs']} packs, "
            f"{totals['mailboxes']} mailboxes, {totals['accounts']} users: "
            + (f"{totals['findings']} findings, {totals['repaired']} repaired" if totals["findings"] else "all is well")
        )
    if totals["findings"] > totals["repaired"]:
        context.exit(1)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@json_option
@pass_configuration
def backup(configuration: Configuration, folder: Path, as_json: bool) -> None:
    """Make a backup in DIR, while the server goes on.

    The database as it is at one moment, and all messages that it names; also mpcontinuity.toml, the certificate and
    its PRIVATE KEY, readable for the owner alone: keep DIR as you keep those. A server that runs makes the backup
    itself, so that DIR must be a place where it may write.

    Only what is new is copied when DIR has a backup already. One that is interrupted leaves the one before as it was.
    """
    teller = Teller(as_json=as_json)
    with configuration.connect() as control:
        row = control.call(
            "backup",
            progress=teller,
            folder=str(folder.absolute()),
            configuration=str(configuration.path.absolute()),
        )
    if as_json:
        output.as_json(row)
        return
    output.say(
        f"{row['folder']}: the store as it was at {row['time']}: {row['total']} octets in {row['packs']} packs and the "
        f"database ({row['database']}); copied {row['copied']} octets, {row['packs_copied']} packs, "
        f"in {row['seconds']:.1f} s"
    )
    for name in row["missing"]:
        output.say(f"{name} is missing, so that the messages in it are not in the backup: mpcontinuity check", err=True)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--into",
    metavar="DATA_DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="The data folder to restore to; else the configured one.",
)
@click.option("--force", is_flag=True, help="Also where a store is: its database is set aside, its packs are taken in.")
@json_option
@pass_configuration
@click.pass_context
def restore(
    context: click.Context, configuration: Configuration, folder: Path, into: Path | None, force: bool, as_json: bool
) -> None:
    """Put the backup in DIR back. No server may run on the data folder.

    Every file of the backup is read and compared with its checksum before anything is written. Nobody knows what was
    delivered, read or deleted after the backup: so all that is owed is in doubt then (it goes home again, under the
    same ids), UIDVALIDITY rises (mail clients read their folders anew), and mail that was deleted since is back. With
    --force, messages that only the packs of the data folder have are taken in, so that nothing is lost.

    Configuration, certificate and key are put where --config says, if there are none.
    """
    from mpcontinuity.app.commands.restoring import restore as put_back

    teller = Teller(as_json=as_json)
    row = put_back(configuration.path, folder, into, login_name(), teller, force=force)
    tell("restore", str(folder))
    if as_json:
        output.as_json({**row, "list": teller.findings})
    else:
        output.say(
            f"{row['database']}: the store as it was at {row['time']}, {row['packs']} packs "
            f"({row['packs_kept']} of them were there), {row['octets']} octets"
        )
        for path in row["set_aside"]:
            output.say(f"{path}: what was there before; remove it when you need it no more")
        for path in row["configuration"]:
            output.say(f"{path}: restored")
    if row["findings"] > row["repaired"]:
        context.exit(1)
