"""The command ``admin``: administrators, their passwords and tokens."""

from __future__ import annotations

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import (
    Configuration,
    json_option,
    pass_configuration,
    password_from_stdin,
)


@click.group()
def admin() -> None:
    """Administrators of portal and API."""


@admin.command("add")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@click.option("--domain", "domain_", metavar="D", help="Of this domain only.")
@json_option
@pass_configuration
def admin_add(
    configuration: Configuration, name: str, password_stdin: bool, domain_: str | None, as_json: bool
) -> None:
    """Add an administrator."""
    password = password_from_stdin()
    with configuration.connect() as control:
        row = control.call("admin add", name=name, password=password, domain=domain_)
    output.result(row, as_json, f"{row['name']}: administrator of {row['domain'] or 'all domains'}")


@admin.command("list")
@json_option
@pass_configuration
def admin_list(configuration: Configuration, as_json: bool) -> None:
    """List administrators."""
    with configuration.connect() as control:
        output.listing(
            control.pages("admin list"),
            ("name", "domain", "created"),
            as_json,
            "No administrator yet: mpcontinuity admin add --help",
        )


@admin.command("remove")
@click.argument("name")
@json_option
@pass_configuration
def admin_remove(configuration: Configuration, name: str, as_json: bool) -> None:
    """Remove an administrator with their tokens."""
    with configuration.connect() as control:
        row = control.call("admin remove", name=name)
    output.result(row, as_json, f"{row['name']}: removed")


@admin.command("password")
@click.argument("name")
@click.option("--stdin", "from_stdin", is_flag=True, required=True, help="Read it from standard input.")
@json_option
@pass_configuration
def admin_password(configuration: Configuration, name: str, from_stdin: bool, as_json: bool) -> None:
    """Set an administrator's password."""
    password = password_from_stdin()
    with configuration.connect() as control:
        row = control.call("admin password", name=name, password=password)
    output.result(row, as_json, f"{row['name']}: password set")


@admin.command("token")
@click.argument("name")
@click.option("--expires", metavar="T", help="An ISO 8601 time, or a duration from now as 90d; else never.")
@click.option("--domain", "domain_", metavar="D", help="Good for this domain only.")
@click.option("--read-only", is_flag=True, help="Good for looking, not for changes.")
@click.option("--list", "list_", is_flag=True, help="List the administrator's tokens instead.")
@click.option("--remove", metavar="ID", help="Remove this token instead.")
@json_option
@pass_configuration
def admin_token(
    configuration: Configuration,
    name: str,
    expires: str | None,
    domain_: str | None,
    read_only: bool,
    list_: bool,
    remove: str | None,
    as_json: bool,
) -> None:
    """Print a new bearer token for the API. It cannot be shown again."""
    making = expires is not None or domain_ is not None or read_only
    if list_ + (remove is not None) + making > 1:
        raise click.UsageError("--list and --remove go with no other option than --json")
    with configuration.connect() as control:
        if list_:
            rows = control.call("admin token list", name=name)
            columns = ("id", "created", "expires", "expired", "domain", "read_only", "last_used")
            output.listing([rows], columns, as_json, f"No token: mpcontinuity admin token {name}")
        elif remove is not None:
            row = control.call("admin token remove", name=name, id=remove)
            output.result(row, as_json, f"{row['id']}: removed")
        else:
            row = control.call("admin token", name=name, expires=expires, domain=domain_, read_only=read_only)
            output.result(row, as_json, row["token"])
