"""The first start: configuration, certificate, store and administrator, where they are missing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mpcontinuity.app.commands.client import connect
from mpcontinuity.app.listening import certificate
from mpcontinuity.config.example import example
from mpcontinuity.config.read import BadConfiguration, read
from mpcontinuity.model import hosts


def initialise(path: Path, hostname: str | None, by: str) -> Iterator[str]:
    """Makes what is missing of a server, and gives a line for each thing that says what was done.

    ``path`` is that of the configuration, and ``by`` is who asks. Raises BadConfiguration or Refused.
    """
    if hostname is not None and not hosts.is_hostname(hostname):
        raise BadConfiguration(f'hostname: "{hostname}": must be a host name, as "mail.example.org"')
    if path.exists():
        if hostname is not None:
            raise BadConfiguration(f"{path}: exists already; set hostname in it")
        yield f"{path}: exists and stays as it is"
    else:
        _make_folder(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o640)  # it may hold a smarthost's password, and the server may be another user
            file.write(example({"hostname": hostname} if hostname else None))
        yield f"{path}: written; every key in it is explained there"
    settings = read(path)
    if certificate.make_if_missing(settings):
        yield f"{settings.tls.certificate}: made, self-signed; replace it and {settings.tls.private_key} when you can"
    with connect(settings, by) as control:
        yield f"{settings.data_dir}: the store is ready"
        password = control.call("admin first")
    if password is not None:
        yield f"administrator: admin   password: {password}   (shown this once)"


def _make_folder(folder: Path) -> None:
    """Open to all, as folders of configuration are: root may make it for a server that runs as another user."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        each.chmod(0o755)
