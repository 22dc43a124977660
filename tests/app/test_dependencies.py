"""The versions that an installation may have: what pyproject.toml allows, and what the locks name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]

# The first version that no longer has what was published. Whoever hears of another one adds it.
MENDED = {
    "click": ("8.3.3", "CVE-2026-7246"),
    "cryptography": ("48.0.1", "GHSA-537c-gmf6-5ccf, CVE-2026-39892, CVE-2026-34073, CVE-2026-26007"),
    "idna": ("3.15", "CVE-2026-45409, CVE-2024-3651"),
    "mako": ("1.4.2", "CVE-2026-102991, CVE-2026-41205"),
    "pygments": ("2.20.0", "CVE-2026-4539"),
    "pyopenssl": ("26.0.0", "CVE-2026-27448, CVE-2026-27459"),
    "twisted": ("26.10.0", "CVE-2026-115774, CVE-2026-42304"),
}

DEPENDENCIES = {
    requirement.name: requirement
    for requirement in map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
}


def locked(name: str) -> dict[str, Version]:
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    return {package: Version(version) for package, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}


def floor(requirement: Requirement) -> Version:
    (only,) = (each for each in requirement.specifier if each.operator == ">=")
    return Version(only.version)


@pytest.mark.parametrize("package", MENDED)
def test_no_version_with_a_known_advisory_is_allowed_or_locked(package: str) -> None:
    first = Version(MENDED[package][0])
    assert floor(DEPENDENCIES[package]) >= first, MENDED[package][1]
    for name in ("run", "test"):
        assert locked(name)[package] >= first


@pytest.mark.parametrize("name", ["run", "test"])
def test_what_is_locked_is_what_the_project_asks_for(name: str) -> None:
    versions = locked(name)
    for package, requirement in DEPENDENCIES.items():
        assert versions[package] in requirement.specifier, package


def test_what_is_installed_from_the_lock_is_all_that_the_project_asks_for() -> None:
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements" / "run.in").read_text().splitlines()]
    asked = {Requirement(line).name for line in lines if line}
    assert asked >= DEPENDENCIES.keys()
