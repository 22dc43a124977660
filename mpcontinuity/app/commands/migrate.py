"""The command ``migrate``: the schema of the database, brought to the one this version needs."""

from __future__ import annotations

from pathlib import Path

import click

from mpcontinuity.app.commands import output
from mpcontinuity.app.commands.configuration import Configuration, pass_configuration, tell
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.lock import lock
from mpcontinuity.store.revision import HEAD
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.sqlite.upgrade import revision, upgrade


@click.command()
@pass_configuration
def migrate(configuration: Configuration) -> None:
    """Bring the schema of the database to the one that this version needs.

    On PostgreSQL it is needed before the first server of a new version starts; servers of the version before may go on
    running meanwhile, and are replaced one after the other. SQLite is upgraded at every start as well, and copied
    before; here no server may run.
    """
    settings = configuration.settings()
    if settings.store.database == "sqlite":
        _sqlite(settings)
    else:
        _postgresql(settings.store.database)


def _sqlite(settings: Settings) -> None:
    folder = Path(settings.data_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = lock(folder)
    try:
        database = folder / DATABASE
        present = revision(database)
        _say(str(database), present)
        upgrade(database, _done)
    finally:
        held.release()


def _postgresql(url: str) -> None:
    from mpcontinuity.store.postgresql import upgrade as postgresql_upgrade
    from mpcontinuity.store.postgresql.url import shown

    _say(shown(url), postgresql_upgrade.revision(url))
    postgresql_upgrade.migrate(url, progress=_done)


def _say(database: str, present: str) -> None:
    if present == HEAD:
        output.say(f"{database}: has schema {HEAD}, which is the one this version needs")
    elif present < HEAD:
        output.say(f"{database}: from {f'schema {present}' if present else 'nothing'} to schema {HEAD}")


def _done(revision: str) -> None:
    output.say(f"schema {revision}: done")
    tell("migrate", f"schema {revision}")
