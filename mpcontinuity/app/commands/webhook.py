"""The command ``webhook``: who is told by HTTPS of every change of a domain's state."""

from __future__ import annotations

import time

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, pass_configuration

_ANSWER_WITHIN = 20  # seconds: two rounds of the server, and the time that a hook has


@click.group()
def webhook() -> None:
    """Who is told by HTTPS of every change of a domain's state: for chat, for SMS, for a status page."""


@webhook.command("add")
@click.argument("domain")
@click.argument("url")
@click.option(
    "--ca",
    "authorities",
    metavar="FILE",
    default="",
    help="Believe the authorities in this PEM file instead; give its whole path.",
)
@json_option
@pass_configuration
def webhook_add(configuration: Configuration, domain: str, url: str, authorities: str, as_json: bool) -> None:
    """Have URL be told of every change of DOMAIN, and print the secret that signs, once.

    It is told by POST, as JSON, that the home server is down, recovering or up, that redelivery is paused or resumed,
    that an outage is declared or home contained or that this is over, and that all has gone home (recovered). URL must
    not lead into our own network, unless [outbound] allow_private is on.

    \b
      mpcontinuity webhook add example.org https://hooks.example.net/services/T0/B0
    """
    with configuration.connect() as control:
        row = control.call("webhook add", domain=domain, url=url, authorities=authorities)
    if as_json:
        output.as_json(row)
        return
    output.say(f"{row['url']}: is told of {row['domain']}, as webhook {row['id']}")
    output.say(f"Its secret, which is not shown again: {row['secret']}")


@webhook.command("list")
@click.argument("domain", required=False)
@json_option
@pass_configuration
def webhook_list(configuration: Configuration, domain: str | None, as_json: bool) -> None:
    """List who is told of DOMAIN, or of any, and what was answered last."""
    with configuration.connect() as control:
        output.listing(
            control.pages("webhook list", domain=domain),
            ("id", "domain", "url", "last_tried", "last_said", "waiting", "missed"),
            as_json,
            "No webhook is told: mpcontinuity webhook add --help",
        )


@webhook.command("remove")
@click.argument("id_", metavar="ID")
@json_option
@pass_configuration
def webhook_remove(configuration: Configuration, id_: str, as_json: bool) -> None:
    """Tell the webhook ID nothing more."""
    with configuration.connect() as control:
        row = control.call("webhook remove", id=id_)
    output.result(row, as_json, f"{row['url']}: is not told any more")


@webhook.command("test")
@click.argument("id_", metavar="ID")
@json_option
@pass_configuration
@click.pass_context
def webhook_test(context: click.Context, configuration: Configuration, id_: str, as_json: bool) -> None:
    """Tell the webhook ID of a test, and show what it answers. Exit status 1 if it did not take it."""
    with configuration.connect() as control:
        control.call("webhook test", id=id_)
        if not control.running:
            output.say("It is told when the server runs.", err=True)
            return
        until = time.monotonic() + _ANSWER_WITHIN
        row = next(row for row in control.rows("webhook list") if row["id"] == id_)
        before = row["last_tried"]
        while row["waiting"] and row["last_tried"] == before and time.monotonic() < until:
            time.sleep(0.5)
            row = next(row for row in control.rows("webhook list") if row["id"] == id_)
    said = row["last_said"] if row["last_tried"] != before or not row["waiting"] else "not tried yet: see webhook list"
    output.result(row, as_json, f"{row['url']}: {said}")
    if row["waiting"]:
        context.exit(1)
