"""The examples of docs/api.md do what they show."""

from __future__ import annotations

import json
import re
import shlex
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.admin.api.program import Api, Said

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def read_examples(block: str) -> list[tuple[str, str]]:
    """Commands, each with what it shows, which begins with a line of JSON."""
    found = []
    for part in block.removeprefix("$ ").split("\n$ "):
        lines = part.split("\n")
        begin = next(number for number, line in enumerate(lines) if line[:1] in ("{", "["))
        found.append(("\n".join(lines[:begin]), "\n".join(lines[begin:])))
    return found


def run(api: Api, command: str) -> Said:
    """What curl would be answered."""
    _, *words = shlex.split(command.replace("\\\n", " ").replace("$TOKEN", api.tokens["rita"]))
    headers, method, body, url = {}, "", None, ""
    while words:
        match words.pop(0):
            case "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            case "-u":
                headers["Authorization"] = f"Basic {b64encode(words.pop(0).encode()).decode()}"
            case "-X":
                method = words.pop(0)
            case "-d" | "--data-binary":
                body = words.pop(0).encode()
            case other:
                assert not url, other
                url = other
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("https", "mail.example.net")
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return api.ask(method or ("POST" if body else "GET"), target, by="", headers=headers, body=body)


def assert_like(found: Any, shown: Any) -> None:
    """What is shown as … may be anything."""
    if shown == "…":
        return
    if isinstance(shown, dict):
        assert [name for name in found if name in shown] == [name for name in shown if name != "…"]
        assert "…" in shown or set(found) == set(shown)
        for name in shown:
            if name != "…":
                assert_like(found[name], shown[name])
    elif isinstance(shown, list):
        assert len(found) == len(shown)
        for one, other in zip(found, shown, strict=True):
            assert_like(one, other)
    else:
        assert found == shown


def test_the_examples_do_what_they_show(api: Api) -> None:
    page = PAGE.read_text()
    examples = [example for block in _BLOCK.findall(page) for example in read_examples(block)]
    assert len(examples) == page.count("$ curl") == 9
    for command, shown in examples:
        said = run(api, command)
        if said.fields["content-type"] == "application/jsonl":
            answers = [json.loads(line) for line in said.body.splitlines()]
            expected = [json.loads(line) for line in shown.splitlines()]
        else:
            answers, expected = [said.json], [json.loads(shown)]
        assert_like(answers, expected)
