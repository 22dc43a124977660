"""Fetches the packages of mpcontinuity/web/look/vendored.json by name and version, and writes what is taken of them.

The file is a lock: it names each package's version, its integrity as the registry gives it (SHA-512 of the archive,
https://www.w3.org/TR/sri/), its licence, the icons and files that are taken, and a digest of each file that is written.
An archive of another integrity is refused; tests/web/test_vendored.py holds the written files against their digests.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "mpcontinuity/web/look/vendored.json"
SPRITE = ROOT / "mpcontinuity/web/look/static/icons.svg"

LICENCES = {
    "MIT",
    "ISC",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Apache-2.0",
    "MPL-2.0",  # unchanged files, for tests
    "(MPL-2.0 OR Apache-2.0)",  # taken under Apache-2.0
}

_ICON = re.compile(r"<svg[^>]*>(.*)</svg>\s*", re.DOTALL)


def integrity_of(octets: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(octets).digest()).decode()


def sprite_of(icons: dict[str, str], licence: str) -> bytes:
    """The symbols in one file, from the inside of each icon by its name."""
    symbols = [f'<symbol id="{name}" viewBox="0 0 24 24">{inside}</symbol>' for name, inside in sorted(icons.items())]
    comment = licence.strip().replace("--", "- -")
    lines = ['<svg xmlns="http://www.w3.org/2000/svg">', f"<!--\n{comment}\n-->", *symbols, "</svg>"]
    return "\n".join(lines).encode() + b"\n"


def notice_of(licence: str) -> bytes:
    """The licence, as the comment that begins a script which has none."""
    return f"/*!\n{licence.strip().replace('*/', '* /')}\n*/\n".encode()


def _npm(*words: str, folder: Path) -> Any:
    done = subprocess.run(["npm", *words, "--json"], cwd=folder, check=True, capture_output=True, timeout=300)
    return json.loads(done.stdout)


def _fetch(package: dict[str, Any], folder: Path, *, update: bool) -> tarfile.TarFile:
    name = package["name"]
    if update:
        package["version"] = _npm("view", name, "version", folder=folder)
    found = _npm("view", f"{name}@{package['version']}", "license", "dist.integrity", folder=folder)
    (packed,) = _npm("pack", f"{name}@{package['version']}", folder=folder)
    archive = folder / packed["filename"]
    got = integrity_of(archive.read_bytes())
    if update:
        package["integrity"], package["licence"] = found["dist.integrity"], found["license"]
    if not got == package["integrity"] == found["dist.integrity"]:
        raise SystemExit(f"{name} {package['version']}: is another archive than the lock names")
    if package["licence"] not in LICENCES or found["license"] != package["licence"]:
        raise SystemExit(f"{name} {package['version']}: licence {found['license']}")
    return tarfile.open(archive)


def _read(archive: tarfile.TarFile, path: str) -> bytes:
    member = archive.extractfile(f"package/{path}")
    assert member is not None, path
    return member.read()


def make(lock: dict[str, Any], *, update: bool) -> dict[Path, bytes]:
    """Returns the octets of each file that is to be written."""
    made: dict[Path, bytes] = {}
    for package in lock["packages"]:
        with tempfile.TemporaryDirectory() as folder, _fetch(package, Path(folder), update=update) as archive:
            notice = notice_of(_read(archive, package["licence_file"]).decode()) if package.get("notice") else b""
            for path, target in package.get("files", {}).items():
                made[ROOT / target] = notice + _read(archive, path)
            icons = {}
            for name, path in package.get("icons", {}).items():
                inside = _ICON.fullmatch(_read(archive, path).decode())
                assert inside is not None, path
                icons[name] = inside[1].strip()
            if icons:
                made[SPRITE] = sprite_of(icons, _read(archive, package["licence_file"]).decode())
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="take the newest release of each package")
    arguments = parser.parse_args()
    lock = json.loads(LOCK.read_bytes())
    made = make(lock, update=arguments.update)
    for path, octets in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
    lock["made"] = {str(path.relative_to(ROOT)): integrity_of(octets) for path, octets in sorted(made.items())}
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")
    for path in made:
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
