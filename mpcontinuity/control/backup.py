"""``backup``: made by the server beside its work, or by the command where no server runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.backup.backup import backup as make

CONFIGURATION, CERTIFICATE, KEY = "mpcontinuity.toml", "certificate.pem", "private_key.pem"


async def backup(control: Control, folder: str, configuration: str = "") -> Any:
    """Into ``folder``, an absolute path; only what is new since the last one there. Raises Refused."""
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
            f"{error.filename or folder}: {error.strerror or error}; the backup before stays as it is"
        ) from None
    return {"folder": folder, **asdict(made)}
