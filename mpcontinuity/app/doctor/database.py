"""The database: the library, its pages or its server, its schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.bodies.packs import FOLDER
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.lock import held
from mpcontinuity.store.postgresql.url import shown
from mpcontinuity.store.revision import HEAD
from mpcontinuity.store.sqlite.driver import DATABASE, MINIMUM_VERSION, check_version
from mpcontinuity.store.upkeep import condition, generation

_PAGES_WITHIN = 10.0  # s
_PAGES_WITHIN_BESIDE_A_SERVER = 2.0
_OLDEST_POSTGRESQL = 150000  # 15, the oldest that its makers care for into 2027


def examine(settings: Settings) -> Iterator[Finding]:
    """Gives findings about the database that [store] names."""
    if settings.store.database == "sqlite":
        yield _library()
        yield from _pages(Path(settings.data_dir))
    else:
        yield from _postgresql(settings.store.database, _newest(Path(settings.data_dir)))


def _library() -> Finding:
    try:
        check_version()
    except Refused as error:
        return Finding("SQLite", "wrong", str(error), "install the locked requirements")
    wanted = ".".join(map(str, MINIMUM_VERSION))
    return Finding("SQLite", "good", f"{condition.SQLITE_VERSION}, and {wanted} is needed")


def _pages(folder: Path) -> Iterator[Finding]:
    path = folder / DATABASE
    if not path.exists():
        return
    within = _PAGES_WITHIN_BESIDE_A_SERVER if held(folder) else _PAGES_WITHIN
    newest = _newest(folder)
    try:
        found = condition.of_sqlite(path, within)
    except Refused as error:
        yield Finding("database", "wrong", f"{path}: {error}", "see `mpcontinuity check`, or restore a backup")
        return
    if not found.complete:
        text = f"no damage found within {within:.0f} s; the rest was not looked at"
        yield Finding("database", "good", text, "`mpcontinuity check` looks at everything")
        return
    if found.damage:
        advice = "stop the server, copy data_dir, then `mpcontinuity check --repair`, or restore a backup"
        yield Finding("database", "wrong", f"{path} is damaged: {'; '.join(found.damage)}", advice)
    else:
        yield Finding("database", "good", "its pages are whole; `mpcontinuity check` looks deeper")
    yield from _age(found.generation, newest)


def _newest(folder: Path) -> int:
    """Read before the database is asked: a server that runs may raise both in between."""
    return generation.in_file(RealDisk(), folder / FOLDER)


def _age(known: int, newest: int) -> Iterator[Finding]:
    if newest > known:
        text = "is older than the packs beside it, and no server starts on it"
        yield Finding("database", "wrong", text, "`mpcontinuity check --repair`, or `restore --force` a backup")


def _postgresql(url: str, newest: int) -> Iterator[Finding]:
    name = shown(url)
    try:
        found = condition.of_postgresql(url)
    except Refused as error:
        yield Finding("PostgreSQL", "wrong", f"{name}: {error}", "check store.database, pg_hba.conf and that it runs")
        return
    major, minor = divmod(found.version, 10_000)
    if found.version < _OLDEST_POSTGRESQL:
        yield Finding("PostgreSQL", "warning", f"{name} is {major}", "upgrade it: 15 or newer is tested")
    else:
        yield Finding("PostgreSQL", "good", f"{name} is {major}.{minor}")
    if found.encoding != "UTF8":
        yield Finding(
            "PostgreSQL", "wrong", f"{name} is encoded in {found.encoding}", "make the database with ENCODING 'UTF8'"
        )
    yield _schema(name, found.revision)
    yield from _age(found.generation, newest)


def _schema(name: str, revision: str) -> Finding:
    if not revision:
        return Finding("schema", "warning", f"{name} is empty", "it is made at the first start")
    if revision < HEAD:
        return Finding("schema", "wrong", f"{name} has {revision}, {HEAD} is needed", "run `mpcontinuity migrate`")
    if revision > HEAD:
        return Finding(
            "schema", "wrong", f"{name} has {revision}, this version knows {HEAD}", "install a newer version"
        )
    return Finding("schema", "good", revision)
