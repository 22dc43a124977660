"""A wheel installed elsewhere has the command and twistd's plugin, as the checkout has."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.app.running import BIN

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", folder, CHECKOUT], check=True, timeout=120)
    return next(folder.glob("*.whl"))


def test_the_wheel_has_code_migrations_the_plugin_its_licence_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "mpcontinuity/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert "twisted/plugins/mpcontinuity_plugin.py" in names
    assert any(name.startswith("mpcontinuity/store/migrations/versions/") for name in names)
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"mpcontinuity", "twisted"}


def test_twistd_and_the_command_work_from_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-index", "--target", site, wheel], check=True, timeout=60)
    # the dependencies are those of this environment; the package and its plugin come from the wheel
    environment = {**os.environ, "PYTHONPATH": str(site)}
    code = (
        "import mpcontinuity, twisted.plugins.mpcontinuity_plugin as plugin; "
        "print(mpcontinuity.__file__, plugin.mpcontinuity.tapname)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == [f"{site}/mpcontinuity/__init__.py", "mpcontinuity"]
    done = subprocess.run(
        [BIN / "twistd", "-n", "--pidfile=", "mpcontinuity", "--config", tmp_path / "missing.toml"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "missing.toml: no such file" in done.stderr
    version = subprocess.run(
        [site / "bin" / "mpcontinuity", "--version"], env=environment, capture_output=True, text=True
    )
    assert version.stdout.startswith("mpcontinuity, version ")
