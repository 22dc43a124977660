"""Reads mpcontinuity.toml. A fault in it is told in one line: the key's path, what was found, and what is allowed."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from mpcontinuity.config.keys import KEYS, SECTIONS
from mpcontinuity.config.values import is_slow
from mpcontinuity.model import durations, hosts
from mpcontinuity.model.settings import Settings

DEFAULT = Path("mpcontinuity.toml")  # in the current folder: read where --config names no other

_SHOWN = 60  # characters of a value in an error


class BadConfiguration(Exception):
    """Raised for a configuration that cannot be used; its text is one line for the administrator."""


def read(path: Path) -> Settings:
    """Reads the file. Relative paths in it are taken from the file's folder and made absolute.

    Raises BadConfiguration.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadConfiguration(f"{path}: no such file; `mpcontinuity init` makes one, --config names another") from None
    except OSError as error:
        raise BadConfiguration(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadConfiguration(f"{path}: is not UTF-8 text (byte {error.start})") from None
    try:
        return parse(text, path.absolute().parent)
    except BadConfiguration as error:
        raise BadConfiguration(f"{path}: {error}") from None


def parse(text: str, folder: Path) -> Settings:
    """Returns the settings in the text of a file that lies in ``folder``. Raises BadConfiguration."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfiguration(f"is not TOML: {_one_line(str(error))}") from None
    found: dict[str, Any] = {}
    for name, value in tables.items():
        if name in SECTIONS:
            if type(value) is not dict:
                raise BadConfiguration(f"{name}: {_show(value)}: must be a table, [{name}]")
            found[name] = {key: _value(f"{name}.{key}", element) for key, element in value.items()}
        else:
            found[name] = _value(name, value)
    settings = msgspec.convert(found, Settings)
    _check_together(settings)
    return _with_absolute_paths(settings, folder)


def _value(path: str, value: Any) -> Any:
    key = KEYS.get(path)
    if key is None:
        raise BadConfiguration(f"{path}: unknown key{_suggestion(path)}")
    try:
        return key.kind.read(value)
    except ValueError as error:
        why = str(error)
        if why:
            raise BadConfiguration(f"{path}: {_one_line(why)}") from None
        raise BadConfiguration(f"{path}: {_show(value, path)}: must be {key.kind.allowed}") from None


def _suggestion(path: str) -> str:
    section, _, name = path.rpartition(".")
    near = difflib.get_close_matches(path, KEYS, n=1, cutoff=0.8)
    elsewhere = [known for known in KEYS if known.rpartition(".")[2] == name]
    if near or elsewhere:
        return f"; did you mean {(near or elsewhere)[0]}?"
    if not section:
        sections = difflib.get_close_matches(path, SECTIONS, n=1)
        if sections:
            return f"; did you mean [{sections[0]}]?"
    there = [known.rpartition(".")[2] for known in KEYS if known.rpartition(".")[0] == section]
    return f"; [{section}] has {', '.join(there)}" if section and there else ""


def _show(value: Any, path: str = "") -> str:
    if path == "outbound.route":
        return "(not shown: it may hold a password)"
    text = _one_line(repr(value) if not isinstance(value, str) else f'"{value}"')
    if isinstance(value, bool):
        text = text.lower()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _check_together(settings: Settings) -> None:
    retry = settings.retry
    if retry.longest < retry.first:
        first, longest = durations.show(retry.first), durations.show(retry.longest)
        raise BadConfiguration(f"retry.longest: {longest}: must be at least retry.first, {first}")
    scheme = settings.password.scheme
    if not (is_slow(scheme) or settings.password.allow_weak):
        raise BadConfiguration(
            f'password.scheme: "{scheme}": is fast to guess from: take "argon2", or set password.allow_weak = true'
        )
    if settings.tls.certificate == settings.tls.private_key:
        raise BadConfiguration(f'tls.private_key: "{settings.tls.private_key}": must be another file than certificate')
    taken: dict[tuple[str, ...], str] = {}
    for door in settings.listen.__struct_fields__:
        for endpoint in getattr(settings.listen, door):
            fields = hosts.endpoint_fields(endpoint.removeprefix("haproxy:"))
            place = tuple(field for field in fields if not field.startswith("backlog="))
            if fields[1:2] == ["0"]:
                continue
            if place in taken:
                raise BadConfiguration(f'listen.{door}: "{endpoint}": is taken by listen.{taken[place]} already')
            taken[place] = door


def _with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    def absolute(path: str) -> str:
        return str(folder / Path(path).expanduser())

    tls = msgspec.structs.replace(
        settings.tls,
        certificate=absolute(settings.tls.certificate),
        private_key=absolute(settings.tls.private_key),
    )
    web = settings.web
    if web.languages:
        web = msgspec.structs.replace(web, languages=absolute(web.languages))
    return msgspec.structs.replace(settings, data_dir=absolute(settings.data_dir), tls=tls, web=web)
