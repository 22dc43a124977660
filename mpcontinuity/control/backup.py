"""The operation ``backup``: made by the server beside its work, or by the command where no server runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import msgspec

from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.backup.backup import backup as make

CONFIGURATION, CERTIFICATE, KEY = "mpcontinuity.toml", "certificate.pem", "private_key.pem"


class BackupRow(msgspec.Struct, frozen=True):
    """What a backup holds, and what of it was copied this time. Sizes are in octets; ``time`` is the moment that the
    store is kept as (ISO 8601); ``missing`` names packs that the index knows and that are not there."""

    folder: str
    time: str
    database: int
    packs: int
    packs_copied: int
    copied: int
    total: int
    seconds: float
    missing: list[str]


async def backup(control: Control, folder: str, configuration: str = "") -> BackupRow:
    """Makes a backup in ``folder``, an absolute path; copies only what is new since the last one there.

    ``configuration`` is the path of the configuration file to be kept beside, if any. Raises Refused where the folder
    cannot take one; the backup before stays as it is then.
    """
    if not Path(folder).is_absolute():
        raise Refused(f"{folder}: the path of a backup must be absolute")
    tls = control.settings.tls
    files = {CERTIFICATE: Path(tls.certificate), KEY: Path(tls.private_key)}
    if configuration:
        files[CONFIGURATION] = Path(configuration)
    try:
        database = control.settings.store.database
        made = await make(control.store, database, Path(folder), files, lambda text: control.progress({"step": text}))
    except OSError as error:
        raise Refused(
            f"{error.filename or folder}: {error.strerror or error}; the backup before stays as it is", "conflict"
        ) from None
    return BackupRow(folder, **asdict(made))
