"""What every command takes: the file that --config names, --json, a password from standard input."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.client import connect
from mpcontinuity.config.read import read
from mpcontinuity.control.changes import change, to_syslog
from mpcontinuity.control.client import Caller
from mpcontinuity.control.socket import named
from mpcontinuity.model import hosts
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import Settings


class Configuration:
    """The file that --config names; read when a command needs it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def settings(self) -> Settings:
        return read(self.path)

    def connect(self) -> Caller:
        return connect(self.settings(), login_name())


pass_configuration = click.make_pass_decorator(Configuration)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def login_name() -> str:
    """The name of the user who runs the command, as tracking and the log of changes will show it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, in a container
        return "an administrator"


def tell(operation: str, about: str) -> None:
    """Of a command that changes something without the operations of control/, to the system's log."""
    to_syslog(change(login_name(), f"command line, {named(os.getuid())}", operation, {"of": about}, "done"))


def password_from_stdin() -> str:
    """The first line of standard input, without its end."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return _line_from_stdin("the password")


def value_from_stdin(name: str) -> str:
    """The next line of standard input: what is secret, and of which others see the command's arguments."""
    if sys.stdin.isatty():
        return str(click.prompt(name, hide_input=True, err=True))
    return _line_from_stdin(name)


def _line_from_stdin(what: str) -> str:
    line = sys.stdin.buffer.readline()
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Refused(f"{what} on standard input is not UTF-8") from None


def warn_of_password(url: str, instead: str) -> None:
    """Every user of the machine sees the arguments of a command while it runs, and the shell keeps them."""
    if hosts.without_password(url) != url:
        output.say(f"mpcontinuity: a password among the arguments can be seen by others; {instead}", err=True)
