"""Which of home's folders answers to one of ours."""

from __future__ import annotations

import pytest

from mpcontinuity.protocols.imap import utf7
from mpcontinuity.protocols.imap.answer import Listed, Namespace
from mpcontinuity.redelivery.folders import ARCHIVE, DRAFTS, JUNK, SENT, TRASH, Folders, Target


def listed(name: str, *attributes: str, delimiter: str = "/") -> Listed:
    return Listed(frozenset(attributes), delimiter, utf7.encode(name), name)


def folders(*names: Listed, prefix: str = "", delimiter: str = "/") -> Folders:
    inbox = listed("INBOX", delimiter=delimiter)
    return Folders([inbox, *names], Namespace(prefix.encode(), delimiter))


def test_special_use_comes_before_any_name() -> None:
    home = folders(listed("Sent"), listed("Ausgang", "\\sent"))
    assert home.target("Sent", SENT, "") == Target(b"Ausgang")


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (SENT, "Sent Items"),
        (SENT, "Gesendete Objekte"),
        (SENT, "gesendete elemente"),
        (SENT, "Éléments envoyés"),
        (SENT, "E\u0301le\u0301ments envoye\u0301s"),  # in NFD
        (SENT, "Отправленные"),
        (SENT, "送信済みアイテム"),
        (DRAFTS, "Entwürfe"),
        (DRAFTS, "Brouillons"),
        (DRAFTS, "草稿箱"),
        (JUNK, "Courrier indésirable"),
        (ARCHIVE, "Archiv"),
        (TRASH, "Papierkorb"),
    ],
)
def test_without_special_use_a_usual_name_is_taken(use: str, name: str) -> None:
    found = folders(listed(name)).by_use(use)
    assert found is not None
    assert found.name == name


def test_no_name_means_two_uses() -> None:
    home = folders(listed("Drafts", "\\sent"))
    assert home.by_use(DRAFTS) is None


def test_a_name_below_the_prefix_is_found_and_made_there() -> None:
    home = folders(listed("INBOX.Sent", delimiter="."), prefix="INBOX.", delimiter=".")
    assert home.target("Sent", SENT, "") == Target(b"INBOX.Sent")
    assert home.target("Drafts", DRAFTS, "") == Target(b"INBOX.Drafts", missing=True)
    assert home.target("Kunden/v1.2", "", "") == Target(b"INBOX.Kunden.v1_2", missing=True)
    assert home.target("INBOX/Neu", "", "") == Target(b"INBOX.Neu", missing=True)


def test_inbox_is_inbox() -> None:
    assert folders().target("INBOX", "", "") == Target(b"INBOX")


def test_the_same_name_is_the_same_folder() -> None:
    home = folders(listed("Projekte/Süd"), listed("inbox/Neu"))
    assert home.target("Projekte/Süd", "", "") == Target(utf7.encode("Projekte/Süd"))
    assert home.target("Projekte/Su\u0308d", "", "") == Target(utf7.encode("Projekte/Süd"))
    assert home.target("INBOX/Neu", "", "") == Target(b"inbox/Neu")
    assert home.target("Projekte/Nord", "", "") == Target(b"Projekte/Nord", missing=True)


def test_what_lies_below_a_special_folder_goes_below_home_s() -> None:
    home = folders(listed("Gesendet", "\\sent", delimiter="."), delimiter=".")
    assert home.target("Sent/2026", SENT, "Sent") == Target(b"Gesendet.2026", missing=True)
    assert folders().target("Sent/2026/11", SENT, "Sent") == Target(b"Sent/2026/11", missing=True)


def test_a_folder_that_cannot_be_opened_is_to_be_made() -> None:
    assert folders(listed("Kunden", "\\noselect")).target("Kunden", "", "") == Target(b"Kunden", missing=True)
    assert folders(listed("Kunden", "\\nonexistent")).target("Kunden", "", "") == Target(b"Kunden", missing=True)


def test_a_home_without_levels_gets_flat_names() -> None:
    home = folders(delimiter="")
    home = Folders([Listed(frozenset(), "", b"INBOX", "INBOX")], Namespace(b"", ""))
    assert home.target("a/b", "", "") == Target(b"a_b", missing=True)


def test_gmail_s_archive_is_all_mail() -> None:
    home = folders(listed("[Gmail]/All Mail", "\\all"), listed("[Gmail]/Trash", "\\trash"), listed("Label"))
    assert home.target("Archive", ARCHIVE, "") == Target(b"[Gmail]/All Mail")
    assert home.everywhere([b"Label"], 10) == [b"Label", b"INBOX", b"[Gmail]/All Mail", b"[Gmail]/Trash"]


def test_everywhere_is_bounded_and_begins_with_the_target() -> None:
    home = folders(*(listed(f"f{number}") for number in range(100)), listed("x", "\\noselect"))
    found = home.everywhere([b"f50"], 20)
    assert found[:3] == [b"f50", b"INBOX", b"f0"]
    assert len(found) == 20
    assert b"x" not in home.everywhere([], 1000)
