"""The command line ``mpcontinuity``: the group of all commands, and those that work without a store."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.admin import admin
from mpcontinuity.app.commands.alert import alert
from mpcontinuity.app.commands.archive import archive
from mpcontinuity.app.commands.audit import audit
from mpcontinuity.app.commands.client import connect
from mpcontinuity.app.commands.configuration import Configuration, json_option, login_name, pass_configuration
from mpcontinuity.app.commands.contain import contain
from mpcontinuity.app.commands.domain import domain
from mpcontinuity.app.commands.drill import drill
from mpcontinuity.app.commands.mail import queue, report, status, track
from mpcontinuity.app.commands.migrate import migrate
from mpcontinuity.app.commands.outage import outage
from mpcontinuity.app.commands.store import backup, check, restore
from mpcontinuity.app.commands.user import user
from mpcontinuity.app.commands.webhook import webhook
from mpcontinuity.app.process.refusal import why
from mpcontinuity.config.read import DEFAULT, BadConfiguration
from mpcontinuity.model.errors import Refused, Temporary


class _OneLine(click.Group):
    """What is refused is one line on standard error and exit 1; click itself exits 2 for wrong usage."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (BadConfiguration, Refused, Temporary) as error:
            said = why(error)
        except PermissionError as error:
            name = f": {error.filename}" if error.filename else ""
            said = f"not permitted{name}; run this as the user that the server runs as"
        except BrokenPipeError:  # whoever reads has seen enough: `track | head`; click ends quietly
            raise
        except OSError as error:
            said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        output.say(f"mpcontinuity: {said}", err=True)
        raise click.exceptions.Exit(1)


@click.group(cls=_OneLine, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="MPCONTINUITY_CONFIG",
    default=DEFAULT,
    show_default=True,
    show_envvar=True,
    help="The configuration file.",
)
@click.version_option(package_name="mpcontinuity")
@click.pass_context
def main(context: click.Context, config: Path) -> None:
    """Email continuity for organisations with a mail server of their own.

    While the home server of a domain is away, mail for its users is kept here, they go on reading it by IMAP, and
    everything is delivered home when it is back.

    \b
    Begin with:
      mpcontinuity init
      mpcontinuity serve &
      mpcontinuity domain add example.org --home mail.example.org
      mpcontinuity user add anna@example.org --password-stdin

    All commands work while the server runs, which acts on changes within a second, and while it does not.
    """
    context.obj = Configuration(config)


@main.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--hostname", help="What the server calls itself, as mail.example.org; else localhost.")
@pass_configuration
def init(configuration: Configuration, folder: Path | None, hostname: str | None) -> None:
    """Make a server ready: configuration, certificate, database, administrator.

    Writes a commented mpcontinuity.toml into DIR (default: where --config points). What exists is kept, so that it
    does no harm to run it again. The administrator's password is printed once.
    """
    from mpcontinuity.app.commands.initialise import initialise

    path = folder / DEFAULT.name if folder is not None else configuration.path
    for line in initialise(path, hostname, login_name()):
        output.say(line)


@main.command()
@click.option("--allow-root", is_flag=True, help="Serve other machines as root, which is refused without it.")
@pass_configuration
def serve(configuration: Configuration, allow_root: bool) -> None:
    """Run the server in the foreground, until SIGTERM or Ctrl-C.

    The same as `twistd -n mpcontinuity --config FILE`. SIGHUP makes it read its configuration again.
    """
    configuration.settings()  # said here in one line, before twistd begins
    from twisted.scripts.twistd import run

    sys.argv = ["twistd", "--nodaemon", "--pidfile=", "mpcontinuity", "--config", str(configuration.path)]
    if allow_root:
        sys.argv.append("--allow-root")
    run()  # type: ignore[no-untyped-call]


@main.command()
@json_option
@pass_configuration
def doctor(configuration: Configuration, as_json: bool) -> None:
    """Check configuration, permissions, certificate, disk, store, listeners, home servers and DNS; say what to do.

    Exit status 1 if anything is wrong; a warning is no error.
    """
    from mpcontinuity.app.doctor.examination import examine

    findings = list(examine(configuration.path, partial(connect, by=login_name())))
    if as_json:
        output.as_json([finding.row() for finding in findings])
    else:
        for finding in findings:
            output.say(finding.line())
    if any(finding.verdict == "wrong" for finding in findings):
        raise SystemExit(1)


@main.command()
@click.option("--keep", is_flag=True, help="Keep its folder: configuration, store and log, to look at afterwards.")
def demo(keep: bool) -> None:
    """Play a whole outage in less than two minutes on loopback, with a home server of its own.

    Shows what senders, the home server and users see, and proves by the ledger that nothing was lost or doubled: exit
    status 1 if that is not so. Touches no server and no data of yours.
    """
    from mpcontinuity.app.demo.play import play

    raise SystemExit(play(keep))


_COMMANDS: tuple[click.Command, ...] = (
    domain,
    user,
    alert,
    webhook,
    outage,
    admin,
    status,
    report,
    track,
    queue,
    archive,
    contain,
    drill,
    audit,
    check,
    backup,
    restore,
    migrate,
)
for command in _COMMANDS:
    main.add_command(command)
