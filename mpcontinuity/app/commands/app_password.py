"""The command ``user app-password``: passwords that one device of a user logs in by."""

from __future__ import annotations

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, pass_configuration

_COLUMNS = ("id", "name", "created", "last_used", "last_used_by", "last_used_from")


@click.group("app-password")
def app_password() -> None:
    """App passwords: one for each telephone and computer of a user, for IMAP, POP3 and SMTP, and for no web page.

    One that is lost with its device is removed alone. They outlive a change of the user's own password, and end when
    the user is deactivated or removed.
    """


@app_password.command("add")
@click.argument("address")
@click.argument("name")
@json_option
@pass_configuration
def app_password_add(configuration: Configuration, address: str, name: str, as_json: bool) -> None:
    """Make a password for one device of the user with ADDRESS. NAME says which. It is shown this once.

    \b
      mpcontinuity user app-password add anna@example.org "Anna's iPhone"
    """
    with configuration.connect() as control:
        row = control.call("user app-password add", address=address, name=name)
    output.result(row, as_json)


@app_password.command("list")
@click.argument("address")
@json_option
@pass_configuration
def app_password_list(configuration: Configuration, address: str, as_json: bool) -> None:
    """List the app passwords of the user with ADDRESS, and when each was used last, and from where."""
    with configuration.connect() as control:
        rows = control.call("user app-password list", address=address)
    output.listing([rows], _COLUMNS, as_json, "No app password: mpcontinuity user app-password add --help")


@app_password.command("remove")
@click.argument("address")
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--all", "all_", is_flag=True, help="All app passwords of the user, as after a theft.")
@json_option
@pass_configuration
def app_password_remove(configuration: Configuration, address: str, id_: str | None, all_: bool, as_json: bool) -> None:
    """Remove the app password with ID, and hang up on whoever is connected by it."""
    if all_ is (id_ is not None):
        raise click.UsageError("give an id, or --all")
    with configuration.connect() as control:
        row = control.call("user app-password remove", address=address, id=id_, all=all_)
    output.result(row, as_json, f"{row['address']}: {row['removed']} removed")
