"""The command ``alert``: who hears of the availability of a domain."""

from __future__ import annotations

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, pass_configuration


@click.group()
def alert() -> None:
    """Who hears by mail that a home server is down, is up again, or has trouble."""


@alert.command("add")
@click.argument("domain")
@click.argument("email")
@json_option
@pass_configuration
def alert_add(configuration: Configuration, domain: str, email: str, as_json: bool) -> None:
    """Have EMAIL, an address anywhere, hear of DOMAIN.

    Choose at least one address that does not need the home server of DOMAIN. Numbers of errors alert where the settings
    alert-hour and alert-day of the domain say so.

    \b
      mpcontinuity alert add example.org oncall@elsewhere.example
      mpcontinuity domain set example.org alert-hour=20
    """
    with configuration.connect() as control:
        row = control.call("alert add", domain=domain, email=email)
    note = f" ({row['note']})" if row["note"] else ""
    output.result(row, as_json, f"{row['email']}: hears of {row['domain']}{note}")


@alert.command("remove")
@click.argument("domain")
@click.argument("email")
@json_option
@pass_configuration
def alert_remove(configuration: Configuration, domain: str, email: str, as_json: bool) -> None:
    """Have EMAIL hear no more of DOMAIN."""
    with configuration.connect() as control:
        row = control.call("alert remove", domain=domain, email=email)
    output.result(row, as_json, f"{row['email']}: hears no more of {row['domain']}")


@alert.command("list")
@click.argument("domain", required=False)
@json_option
@pass_configuration
def alert_list(configuration: Configuration, domain: str | None, as_json: bool) -> None:
    """List who hears of DOMAIN, or of any, and what became of the last alert to each."""
    with configuration.connect() as control:
        output.listing(
            control.pages("alert list", domain=domain),
            ("domain", "email", "since", "last_status", "last_text", "note"),
            as_json,
            f"Nobody hears of {domain or 'any domain'}: mpcontinuity alert add --help",
        )
