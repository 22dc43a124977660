"""Every text for people is in every catalogue of ours, with the same values, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mpcontinuity.web import languages
from mpcontinuity.web.catalogues import po
from scripts.languages import CATALOGUES, read

OURS = sorted(CATALOGUES.glob("*.po"))


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
        translated: Any = message.string
        untranslated = not all(translated) if isinstance(id_, tuple) else not translated
        assert found == translated or untranslated or not id_
