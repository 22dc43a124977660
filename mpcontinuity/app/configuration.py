"""What every command takes: the file that --config names, --json, a password from standard input."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

import click

from mpcontinuity.config.read import read
from mpcontinuity.control.client import Caller, connect
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import Settings

DEFAULT = Path("mpcontinuity.toml")


class Configuration:
    """The file that --config names; read when a command needs it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def settings(self) -> Settings:
        return read(self.path)

    def connect(self) -> Caller:
        return connect(self.settings(), user())


pass_configuration = click.make_pass_decorator(Configuration)


pass_configuration = click.make_pass_decorator(Configuration)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def user() -> str:
    """Who asks, for tracking."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, in a container
        return "an administrator"


def password_from_stdin() -> str:
    """The first line of standard input, without its end."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    line = sys.stdin.buffer.readline()
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Refused("the password on standard input is not UTF-8") from None
