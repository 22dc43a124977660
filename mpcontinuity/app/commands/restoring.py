"""``mpcontinuity restore``: a backup into a data folder, then what every older database has to go through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from mpcontinuity.app.commands.client import connect
from mpcontinuity.config.read import parse, read
from mpcontinuity.control.backup import CERTIFICATE, CONFIGURATION, KEY
from mpcontinuity.model.clock import SystemClock
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.backup import manifest
from mpcontinuity.store.backup.restore import restore as put_back

Tell = Callable[[dict[str, Any]], None]


def restore(path: Path, folder: Path, into: Path | None, by: str, tell: Tell, *, force: bool) -> dict[str, Any]:
    """Puts the backup in ``folder`` back, then checks and repairs the store as that of an older database. Returns what
    was done and what the check has counted.

    ``path`` is that of the configuration, which comes from the backup where it is missing; ``into`` is another data
    folder than the configured one. ``tell`` hears steps and findings. ``force`` permits it where a store is. Raises
    Refused.
    """
    settings = _settings(path, folder)
    if into is not None:
        settings = msgspec.structs.replace(settings, data_dir=str(into.absolute()))
    data = Path(settings.data_dir)
    wanted = {CONFIGURATION: path, CERTIFICATE: Path(settings.tls.certificate), KEY: Path(settings.tls.private_key)}
    now = SystemClock().now()
    database = settings.store.database
    done = put_back(folder.absolute(), database, data, wanted, now, lambda text: tell({"step": text}), force=force)
    with connect(settings, by) as control:
        if control.running:
            raise Refused(
                f"{data}: a server was started on it meanwhile; stop it and run `mpcontinuity check --repair`"
            )
        totals = control.call("check", progress=tell, repair=True, older=True)
    return {**asdict(done), **totals}


def _settings(path: Path, folder: Path) -> Settings:
    if path.exists():
        return read(path)
    found = manifest.read(folder)
    for file in found.configuration if found is not None else ():
        if Path(file.path).name == CONFIGURATION:
            return parse((folder / file.path).read_text(encoding="utf-8"), path.absolute().parent)
    return read(path)
