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
from mpcontinuity.control.client import ControlClient
from mpcontinuity.control.socket import named
from mpcontinuity.model import hosts
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import Settings


class Configuration:
    """The configuration file that --config names. It is read when a command needs it, so that `init` can do without."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def settings(self) -> Settings:
        """Reads the file. Raises BadConfiguration."""
        return read(self.path)

    def connect(self) -> ControlClient:
        """Returns a way to call operations, in the name of the user who runs the command. Raises BadConfiguration or
        Refused.
        """
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
    """Notes in the system's log a change that a command makes by itself, without an operation of control/."""
    to_syslog(change(login_name(), f"command line, {named(os.getuid())}", operation, {"of": about}, "done"))


def password_from_stdin() -> str:
    """Returns the first line of standard input without its end; at a terminal it asks twice. Raises Refused where that
    is not UTF-8.
    """
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return _line_from_stdin("the password")


def value_from_stdin(name: str) -> str:
    """Returns the next line of standard input: a secret, which does not belong among arguments that others see. Raises
    Refused where that is not UTF-8.
    """
    if sys.stdin.isatty():
        return str(click.prompt(name, hide_input=True, err=True))
    return _line_from_stdin(name)


def text_from_stdin(longest: int) -> str:
    """Returns what standard input has, up to its end. Raises Refused for more than ``longest`` characters, and for what
    is not UTF-8."""
    octets = sys.stdin.buffer.read(4 * longest + 1)
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        if len(octets) <= 4 * longest:
            raise Refused(f"the text on standard input is not UTF-8 (byte {error.start})") from None
        text = "?" * (longest + 1)
    if len(text) > longest:
        raise Refused(f"the text on standard input is longer than {longest} characters")
    return text


def _line_from_stdin(what: str) -> str:
    line = sys.stdin.buffer.readline()
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Refused(f"{what} on standard input is not UTF-8") from None


def warn_of_password(url: str, instead: str) -> None:
    """Warns where ``url`` has a password: every user of the machine sees the arguments of a command while it runs, and
    the shell keeps them. ``instead`` says what to do instead.
    """
    if hosts.without_password(url) != url:
        output.say(f"mpcontinuity: a password among the arguments can be seen by others; {instead}", err=True)
