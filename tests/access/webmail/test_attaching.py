"""What is attached to a draft is its user's alone."""

from __future__ import annotations

from typing import Any

import pytest

from mpcontinuity.store.statement import Statement
from tests.access.webmail.office import BERT, Office
from tests.access.webmail.test_write import LETTER, count, multipart, script
from tests.admin.portal.browser import Browser
from tests.fakes.stores import result


@pytest.mark.parametrize("how", ["send", "discard", "gone"])
def test_the_id_of_anothers_draft_gives_nobody_what_was_attached_to_it(office: Office, anna: Browser, how: str) -> None:
    fields: dict[str, Any] = {**anna.get("/write").hidden("/write"), **LETTER}
    draft = multipart(anna, fields, ("a.txt", "text/plain", b"secret")).location.partition("=")[2]
    if how == "gone":  # and what was attached is there a while longer
        result(office.store.run(lambda tx: tx.run(Statement("DELETE FROM draft"))))
    else:
        anna.post("/write", {**anna.get(f"/write?draft={draft}").hidden("/write"), **LETTER, "action": how})
        office.clock.advance(11)
    bert = office.browser(BERT)
    form = {**bert.get("/write").hidden("/write"), **LETTER, "draft": draft, "version": "0"}
    code, given = script(bert, **{**form, "action": "autosave"})
    assert (code, given["attachments"]) == (200, [])
    assert count(office, "enclosure") == (1 if how == "gone" else 0)
