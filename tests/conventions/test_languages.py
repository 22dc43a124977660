"""Every text for people is in every catalogue of ours, with the same values, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Message

from mpcontinuity.web import languages
from mpcontinuity.web.catalogues import po
from scripts.languages import CATALOGUES, Text, read, template

OURS = sorted(CATALOGUES.glob("*.po"))


def _text(message: Message) -> Text:
    one, many = message.id if isinstance(message.id, tuple) else (message.id, "")
    return Text(message.context or "", str(one), str(many))


@pytest.fixture(scope="module")
def texts() -> dict[Text, str]:
    return template()


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_every_text_is_translated_and_every_translation_is_of_a_text(path: Path, texts: dict[Text, str]) -> None:
    entries = {_text(message): message for message in read(path) if message.id}
    wrong = [f"{file}: not in {path.name}: {text.id!r}" for text, file in texts.items() if text not in entries]
    for text, message in entries.items():
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        if text not in texts:
            wrong.append(f"{path.name}: is no text any more: {text.id!r}")
        elif not all(forms) or message.fuzzy:
            wrong.append(f"{texts[text]}: not translated in {path.name}: {text.id!r}")
    assert not wrong, "\n".join(["run scripts/languages, and fill in what it says", *wrong])


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_no_text_of_a_catalogue_is_left_out(path: Path) -> None:
    assert po.read(path.read_bytes(), path.name).left_out == ()


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_a_server_reads_a_catalogue_as_others_read_it(path: Path) -> None:
    language = languages.load().find(path.stem)
    assert language is not None
    for message in read(path):
        id_: Any = message.id
        if isinstance(id_, tuple):
            found: Any = tuple(language.catalogue.ngettext(id_[0], id_[1], number) for number in (1, 2))
        elif message.context:
            found = language.catalogue.pgettext(message.context, id_)
        else:
            found = language.said(id_)
        assert found == message.string or not id_
