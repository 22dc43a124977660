"""What is others' work in the front end is what the lock says."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from scripts.vendoring import LICENCES, LOCK, ROOT, SPRITE, integrity_of, sprite_of

LOCKED: dict[str, Any] = json.loads(LOCK.read_bytes())
_SVG = "{http://www.w3.org/2000/svg}"


def test_each_file_has_the_digest_of_the_lock() -> None:
    assert LOCKED["made"]
    for path, digest in LOCKED["made"].items():
        assert integrity_of((ROOT / path).read_bytes()) == digest, f"{path}: run scripts/vendor"


def test_each_package_has_a_name_a_version_an_integrity_and_a_licence_that_we_can_give_on() -> None:
    for package in LOCKED["packages"]:
        assert package["name"]
        assert package["version"]
        assert package["integrity"].startswith("sha512-")
        assert package["licence"] in LICENCES


def test_the_lock_names_packages_and_no_registry() -> None:
    assert "://" not in LOCK.read_text()


def test_the_sprite_has_each_icon_of_the_lock_and_the_licence() -> None:
    icons = {name for package in LOCKED["packages"] for name in package.get("icons", ())}
    sprite = ElementTree.parse(SPRITE).getroot()
    assert {symbol.attrib["id"] for symbol in sprite} == icons
    assert "Permission is hereby granted, free of charge" in SPRITE.read_text()


def test_no_icon_brings_a_script_a_style_or_an_address() -> None:
    for element in ElementTree.parse(SPRITE).getroot().iter():
        assert element.tag.removeprefix(_SVG) in {
            "svg",
            "symbol",
            "path",
            "line",
            "polyline",
            "polygon",
            "circle",
            "rect",
            "ellipse",
            "g",
        }
        assert not [name for name in element.attrib if name.startswith("on") or name in ("style", "href")]


@pytest.mark.parametrize("licence", ["MIT\n", "a -- b"])
def test_a_sprite_is_made_the_same_in_whatever_order_its_icons_come(licence: str) -> None:
    one, other = {"a": "<path d='M0 0'/>", "b": "<g/>"}, {"b": "<g/>", "a": "<path d='M0 0'/>"}
    assert sprite_of(one, licence) == sprite_of(other, licence)
    ElementTree.fromstring(sprite_of(one, licence))
