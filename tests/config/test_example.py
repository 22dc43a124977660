from __future__ import annotations

from pathlib import Path

import msgspec

from mpcontinuity.config.example import default, example, toml
from mpcontinuity.config.keys import KEYS, SECTIONS
from mpcontinuity.config.read import parse
from mpcontinuity.model.settings import Section, Settings

FOLDER = Path("/etc/mpcontinuity")


def test_every_setting_has_a_definition_and_every_definition_a_setting() -> None:
    paths = []
    for field in msgspec.structs.fields(Settings):
        section = getattr(Settings(), field.name)
        if isinstance(section, Section):
            assert SECTIONS[field.name]
            paths += [f"{field.name}.{inner.name}" for inner in msgspec.structs.fields(type(section))]
        else:
            paths.append(field.name)
    assert sorted(paths) == sorted(KEYS)


def test_every_default_is_a_value_that_may_be_written() -> None:
    for path, key in KEYS.items():
        value = default(path)
        assert key.kind.read(list(value) if isinstance(value, tuple) else value) == value


def test_the_example_file_as_it_is_means_the_defaults() -> None:
    assert parse(example(), FOLDER) == parse("", FOLDER)


def test_the_example_file_with_every_comment_taken_away_means_the_defaults_too() -> None:
    lines = [
        line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in example().splitlines()
    ]
    assert parse("\n".join(lines), FOLDER) == parse("", FOLDER)
    assert sum(" = " in line and not line.startswith("#") for line in lines) == len(KEYS)


def test_what_init_knows_is_set() -> None:
    assert parse(example({"hostname": "mx.example.org"}), FOLDER).hostname == "mx.example.org"


def test_examples_in_comments_are_values_that_may_be_written() -> None:
    for path, key in KEYS.items():
        if key.example:
            parse(f"{path} = {key.example}", FOLDER)


def test_values_are_written_as_toml() -> None:
    assert toml('a "quoted" path\\') == '"a \\"quoted\\" path\\\\"'
    assert toml(3600.0, duration=True) == '"1h"'
    assert toml(()) == "[]"
