"""The command ``admin``: administrators, their passwords, tokens, sessions and second factors."""

from __future__ import annotations

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import (
    Configuration,
    json_option,
    pass_configuration,
    password_from_stdin,
)
from mpcontinuity.control.grants import EVERY


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
            ("name", "domain", "totp", "created"),
            as_json,
            "No administrator yet: mpcontinuity admin add --help",
        )


@admin.command("remove")
@click.argument("name")
@json_option
@pass_configuration
def admin_remove(configuration: Configuration, name: str, as_json: bool) -> None:
    """Remove an administrator with their tokens and sessions."""
    with configuration.connect() as control:
        row = control.call("admin remove", name=name)
    output.result(row, as_json, f"{row['name']}: removed")


@admin.command("password")
@click.argument("name")
@click.option("--stdin", "from_stdin", is_flag=True, required=True, help="Read it from standard input.")
@json_option
@pass_configuration
def admin_password(configuration: Configuration, name: str, from_stdin: bool, as_json: bool) -> None:
    """Set an administrator's password. Their sessions of the portal end, their tokens do not."""
    password = password_from_stdin()
    with configuration.connect() as control:
        row = control.call("admin password", name=name, password=password)
    output.result(row, as_json, f"{row['name']}: password set")


@admin.command("token")
@click.argument("name")
@click.option("--expires", metavar="T", help="An ISO 8601 time, or a duration from now as 90d; else never.")
@click.option("--domain", "domain_", metavar="D", help="Good for this domain only.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(EVERY),
    help="What it is good for, once or more often: read looks at everything and changes nothing; users, mail and "
    "domains change these as well; admin is for administrators, tokens and the server. Without it: everything.",
)
@click.option("--read-only", is_flag=True, help="The same as --scope read.")
@click.option("--list", "list_", is_flag=True, help="List the administrator's tokens instead.")
@click.option("--remove", metavar="ID", help="Remove this token instead.")
@json_option
@pass_configuration
def admin_token(
    configuration: Configuration,
    name: str,
    expires: str | None,
    domain_: str | None,
    scopes: tuple[str, ...],
    read_only: bool,
    list_: bool,
    remove: str | None,
    as_json: bool,
) -> None:
    """Print a new bearer token for the API. It cannot be shown again."""
    making = expires is not None or domain_ is not None or read_only or bool(scopes)
    if list_ + (remove is not None) + making > 1:
        raise click.UsageError("--list and --remove go with no other option than --json")
    with configuration.connect() as control:
        if list_:
            rows = control.call("admin token list", name=name)
            columns = ("id", "created", "expires", "expired", "domain", "scopes", "last_used")
            output.listing([rows], columns, as_json, f"No token: mpcontinuity admin token {name}")
        elif remove is not None:
            row = control.call("admin token remove", name=name, id=remove)
            output.result(row, as_json, f"{row['id']}: removed")
        else:
            row = control.call(
                "admin token",
                name=name,
                expires=expires,
                domain=domain_,
                read_only=read_only,
                scopes=list(scopes) or None,
            )
            output.result(row, as_json, row["token"])


@admin.group("session")
def admin_session() -> None:
    """Browsers in which administrators are signed in to the portal."""


@admin_session.command("list")
@click.argument("name", required=False)
@json_option
@pass_configuration
def session_list(configuration: Configuration, name: str | None, as_json: bool) -> None:
    """List sessions, the newest first: of everybody, or of one administrator."""
    with configuration.connect() as control:
        output.listing(
            control.pages("admin session list", name=name),
            ("id", "name", "from", "created", "last_seen", "ends", "browser"),
            as_json,
            "Nobody is signed in.",
        )


@admin_session.command("revoke")
@click.argument("name")
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--all", "all_", is_flag=True, help="All of theirs.")
@json_option
@pass_configuration
def session_revoke(configuration: Configuration, name: str, id_: str | None, all_: bool, as_json: bool) -> None:
    """End one session of an administrator, or all of theirs."""
    if all_ is (id_ is not None):
        raise click.UsageError("give the ID of a session, or --all")
    with configuration.connect() as control:
        row = control.call("admin session revoke", name=name, id=id_, all=all_)
    output.result(row, as_json, f"{row['name']}: {row['revoked']} sessions ended")


@admin.group("totp")
def admin_totp() -> None:
    """The second factor of administrators: codes of an authenticator (TOTP)."""


@admin_totp.command("show")
@click.argument("name")
@json_option
@pass_configuration
def totp_show(configuration: Configuration, name: str, as_json: bool) -> None:
    """Show whether an administrator has a second factor."""
    with configuration.connect() as control:
        row = control.call("admin totp show", name=name)
    said = f"on since {row['since']}, {row['recovery_codes']} recovery codes left" if row["on"] else "off"
    said += "; a new secret waits to be confirmed" if row["begun"] else ""
    said += "; too many wrong codes: none is taken until the password is changed" if row["locked"] else ""
    output.result(row, as_json, f"{row['name']}: {said}")


@admin_totp.command("begin")
@click.argument("name")
@json_option
@pass_configuration
def totp_begin(configuration: Configuration, name: str, as_json: bool) -> None:
    """Make a new secret for an authenticator. It counts once `admin totp confirm` has had a code of it."""
    with configuration.connect() as control:
        row = control.call("admin totp begin", name=name)
    output.result(row, as_json, row["secret"], row["uri"], f"Then: mpcontinuity admin totp confirm {name} CODE")


@admin_totp.command("confirm")
@click.argument("name")
@click.argument("code")
@json_option
@pass_configuration
def totp_confirm(configuration: Configuration, name: str, code: str, as_json: bool) -> None:
    """Turn the second factor on by a code of the new secret, and print the recovery codes, which are shown once."""
    with configuration.connect() as control:
        row = control.call("admin totp confirm", name=name, code=code)
    output.result(row, as_json, *row["recovery_codes"])


@admin_totp.command("remove")
@click.argument("name")
@json_option
@pass_configuration
def totp_remove(configuration: Configuration, name: str, as_json: bool) -> None:
    """Take an administrator's second factor away, as when a telephone is lost. Their sessions end."""
    with configuration.connect() as control:
        row = control.call("admin totp remove", name=name)
    output.result(row, as_json, f"{row['name']}: {'removed' if row['removed'] else 'had none'}")
