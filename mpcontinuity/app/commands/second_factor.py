"""The command ``user second-factor``: what a user signs in by besides the password."""

from __future__ import annotations

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, json_option, pass_configuration


@click.group("second-factor")
def second_factor() -> None:
    """The second factor of users: codes of an authenticator, which they turn on in webmail's settings.

    A user who has one signs in to pages by password and code, and to IMAP, POP3 and SMTP by app passwords alone.
    """


@second_factor.command("show")
@click.argument("address")
@json_option
@pass_configuration
def second_factor_show(configuration: Configuration, address: str, as_json: bool) -> None:
    """Show whether the user with ADDRESS has a second factor."""
    with configuration.connect() as control:
        row = control.call("user second-factor show", address=address)
    said = f"on since {row['since']}, {row['recovery_codes']} recovery codes left" if row["on"] else "off"
    said += "; too many wrong codes: recovery codes alone are taken" if row["locked"] else ""
    output.result(row, as_json, f"{row['address']}: {said}")


@second_factor.command("remove")
@click.argument("address")
@json_option
@pass_configuration
def second_factor_remove(configuration: Configuration, address: str, as_json: bool) -> None:
    """Take the second factor of the user with ADDRESS away, as when a telephone is lost.

    Be sure that it is they who ask. The password alone lets them in again, also by IMAP, POP3 and SMTP. Their browsers
    are signed out, and a message in INBOX tells them. The app password of a lost device is ended by `user app-password
    remove`.
    """
    with configuration.connect() as control:
        row = control.call("user second-factor remove", address=address)
    output.result(row, as_json, f"{row['address']}: {'removed' if row['removed'] else 'had none'}")
