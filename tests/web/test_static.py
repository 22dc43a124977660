"""Files that browsers keep, of several packages, under names that change with content, and with what it imports."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits
from mpcontinuity.web import static
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import RoutedSite
from tests.web.test_pages import Transport


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, **files: str) -> str:
    (folder / name / "static").mkdir(parents=True)
    (folder / name / "__init__.py").touch()
    for file, content in files.items():
        (folder / name / "static" / file.replace("_", ".")).write_text(content)
    monkeypatch.syspath_prepend(folder)
    return name


def test_files_have_names_that_change_with_their_content_and_are_kept() -> None:
    files = static.files()
    path = files.url("base.css")
    assert re.fullmatch(r"/static/base\.[0-9a-f]{16}\.css", path)
    answer = files.answers[path]
    assert answer.content_type.startswith("text/css")
    assert b"immutable" in answer.fields[b"cache-control"]
    kinds = {name: files.answers[files.url(name)].content_type for name in ("icons.svg", "live.js")}
    assert kinds["icons.svg"] == "image/svg+xml"
    assert kinds["live.js"].startswith("text/javascript")


def test_a_package_has_files_of_its_own_beside_those_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = package(tmp_path, monkeypatch, "one_of_ours", live_js="1;", list_css="a {}")
    files = static.Files(name)
    assert files.url("base.css") == static.files().url("base.css")
    assert files.url("list.css") in files.answers
    assert files.url("live.js") != static.files().url("live.js")
    with pytest.raises(KeyError):
        static.files().url("list.css")


def test_a_script_imports_others_by_the_name_with_the_hash_which_changes_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = 'import {a} from "./row.js";\nimport "./live.js";\nconst later = () => import("./row.js");\n'
    paths = []
    for number in ("1", "2"):
        name = package(tmp_path, monkeypatch, f"imports{number}", list_js=lines, row_js=f"export const a = {number};")
        files = static.Files(name)
        content = files.answers[files.url("list.js")].body.decode()
        row, live = files.url("row.js"), files.url("live.js")
        assert content == f'import {{a}} from "{row}";\nimport "{live}";\nconst later = () => import("{row}");\n'
        paths.append(files.url("list.js"))
    assert paths[0] != paths[1]


@pytest.mark.parametrize("other", ['import "./a.js";', 'import "./none.js";'])
def test_a_circle_of_imports_or_one_of_nothing_is_an_error_when_the_server_starts(
    other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = package(tmp_path, monkeypatch, f"circle{len(other)}", a_js='import "./b.js";', b_js=other)
    with pytest.raises(ValueError, match=r"a\.js imports b\.js imports"):
        static.Files(name)


def test_a_site_serves_the_files_of_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = package(tmp_path, monkeypatch, "served_one", list_css="a {}")
    clock: Any = Clock()
    site = RoutedSite([], clock, Rations(Limits(), clock.seconds), most=9, static=[name])

    def asked(path: str) -> bytes:
        channel = site.buildProtocol(None)
        channel.makeConnection(transport := Transport())
        channel.dataReceived(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
        return bytes(transport.value())

    assert asked(static.files(name).url("list.css")).endswith(b"a {}")
    assert asked(static.files().url("live.js")).startswith(b"HTTP/1.1 200")
    assert asked("/static/list.css").startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip, deflate, br, zstd", True),
        ("br, GZIP;q=0.5", True),
        ("x-gzip", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("notgzip", False),
    ],
)
def test_who_takes_it_gets_what_is_compressed(accepted: str, taken: bool) -> None:
    files = static.files()
    plain = files.answers[files.url("base.css")]
    sent = static.in_encoding(plain, accepted)
    assert sent.fields[b"vary"] == b"accept-encoding"
    assert (b"content-encoding" in sent.fields) is taken
    assert len(sent.body) < len(plain.body) / 2 if taken else sent.body == plain.body
    assert (gzip.decompress(sent.body) if taken else sent.body) == plain.body


def test_what_does_not_get_smaller_is_sent_as_it_is() -> None:
    noise = Answer(hashlib.sha512(b"noise").digest(), content_type="image/png")
    assert static.in_encoding(noise, "gzip") is noise
