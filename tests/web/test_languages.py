"""Which language a page is in, and what a catalogue may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpcontinuity.model.texts import kept, said, taken
from mpcontinuity.web import languages
from mpcontinuity.web.catalogues.fitting import why_not
from mpcontinuity.web.catalogues.po import BadCatalogue, read
from mpcontinuity.web.languages import ENGLISH, Language, Languages

HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n"X-Name: Deutsch\\n"\n'
GERMAN = HEAD + (
    '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    'msgid "Inbox"\nmsgstr "Posteingang"\n\n'
    'msgid "The folder %(name)s is made."\nmsgstr ""\n"Der Ordner %(name)s "\n"ist angelegt."\n\n'
    'msgid "%(number)d message"\nmsgid_plural "%(number)d messages"\n'
    'msgstr[0] "%(number)d Nachricht"\nmsgstr[1] "%(number)d Nachrichten"\n\n'
    '#, fuzzy\nmsgid "Outbox"\nmsgstr "Ausgang?"\n\n#~ msgid "Old"\n#~ msgstr "Alt"\n'
)


@pytest.fixture
def german() -> Language:
    catalogue = read(GERMAN.encode(), "de.po")
    return Language("de", catalogue.texts, catalogue.name)


def test_texts_and_plurals_are_those_of_the_catalogue(german: Language) -> None:
    assert german.name == "Deutsch"
    assert german.said("Inbox") == "Posteingang"
    assert german.said("The folder %(name)s is made.", name="Büro") == "Der Ordner Büro ist angelegt."
    assert [german.counted("%(number)d message", "%(number)d messages", n) for n in (1, 2)] == [
        "1 Nachricht",
        "2 Nachrichten",
    ]


def test_what_is_fuzzy_or_not_translated_stays_english(german: Language) -> None:
    assert german.said("Outbox") == "Outbox"
    assert german.said("Old") == "Old"
    assert german.said("") == ""


def test_a_context_tells_texts_apart() -> None:
    content = GERMAN + '\nmsgid "Archive"\nmsgstr "Archiv"\n\nmsgctxt "do"\nmsgid "Archive"\nmsgstr "Archivieren"\n'
    texts = read(content.encode(), "de.po").texts
    assert (texts.gettext("Archive"), texts.pgettext("do", "Archive")) == ("Archiv", "Archivieren")


def test_a_text_from_below_is_said_in_the_language_of_whoever_reads_it(german: Language) -> None:
    text = said("The folder %(name)s is made.", name=said("Inbox"))
    assert str(text) == "The folder Inbox is made."
    assert german.said(text) == "Der Ordner Posteingang ist angelegt."


def test_a_text_that_was_kept_is_what_it_was(german: Language) -> None:
    text = said("The folder %(name)s is made.", name='A "B" {}')
    within = said("The folder %(name)s is made.", name=said("Inbox"))
    assert [german.said(each) for each in taken(kept([text, within]))] == [
        'Der Ordner A "B" {} ist angelegt.',
        "Der Ordner Posteingang ist angelegt.",
    ]
    assert taken(kept([])) == []
    for plain in ("A plain one", '[{"text":', '[{"text":"%(a)s","values":{}}]', '[{"text":1}]'):
        assert taken(kept([plain])) == [plain]


@pytest.mark.parametrize(
    ("text", "plural", "translated"),
    [
        ("%(name)s is gone", "", "ist weg"),
        ("gone", "", "%(name)s ist weg"),
        ("%(name)s is gone", "", "%(name)d ist weg"),
        ("gone", "", "100 % weg"),
        ("%(a)s", "", "%(a)s %"),
        ("saved at {}", "", "gespeichert"),
        ("see <a>here</a>", "", "<a>hier</a><a>dort</a>"),
        ("gone", "", '" onclick="x'),
        ("gone", "", "<b>weg</b>"),
        ("gone", "", "weg & fort"),
        ("%(number)d message", "%(number)d messages", "%(count)d Nachrichten"),
    ],
)
def test_a_text_that_cannot_stand_for_another_is_said(text: str, plural: str, translated: str) -> None:
    assert why_not(text, plural, translated)


@pytest.mark.parametrize(
    ("text", "plural", "translated"),
    [
        ("%(a)s and %(b)d", "", "%(b)d und %(a)s"),
        ("%(number)d message", "%(number)d messages", "Eine Nachricht"),
        ("see <a>here</a>", "", "<a>hier</a> & da".replace(" & ", " ")),
        ('as in "two words"', "", 'wie "zwei Wörter"'),
        ("%(a)s of 100 %%", "", "100 %% von %(a)s"),
    ],
)
def test_a_text_with_the_same_values_and_tags_can_stand_for_another(text: str, plural: str, translated: str) -> None:
    assert why_not(text, plural, translated) == ""


def test_what_cannot_be_used_is_left_out_and_the_rest_is_there() -> None:
    catalogue = read((GERMAN + '\nmsgid "Sent"\nmsgstr "<b>"\n').encode(), "de.po")
    assert catalogue.left_out == ("line 27: there is a tag that the text does not have",)
    assert catalogue.texts.gettext("Sent") == "Sent"
    assert catalogue.texts.gettext("Inbox") == "Posteingang"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff", "is not UTF-8 text (byte 0)"),
        (b'msgid "a\n', "line 1: is not understood"),
        (b'msgstr "a"\n', "line 1: is not understood"),
        (b"hello\n", "line 1: is not understood"),
        (b'msgid "a" "b"\n', "line 1: is not understood"),
        (b'msgid "a\\x41"\n', "line 1: \\x is not understood"),
        ((HEAD + '"Plural-Forms: nplurals=2; plural=n/0;\\n"\n').encode(), "cannot be read as a catalogue"),
        ((HEAD + '"Plural-Forms: nplurals=9; plural=n;\\n"\n').encode(), "Plural-Forms: names a form"),
    ],
)
def test_a_broken_file_is_said_with_its_line(content: bytes, why: str) -> None:
    with pytest.raises(BadCatalogue) as caught:
        read(content, "xx.po")
    assert str(caught.value).startswith(why)


def test_a_folder_adds_languages_and_what_is_broken_in_it_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "fr.po").write_text(GERMAN.replace("Deutsch", "Français").replace("Posteingang", "Réception"))
    (tmp_path / "it.mo").write_bytes(b"not a catalogue")
    (tmp_path / "Spanish.po").write_text(GERMAN)
    (tmp_path / "README").write_text("no catalogue")
    found = languages.load(str(tmp_path))
    assert [(each.code, each.name) for each in found] == [("en", "English"), ("de", "Deutsch"), ("fr", "Français")]
    french = found.find("fr")
    assert french is not None
    assert french.said("Inbox") == "Réception"
    assert french.choices == (("en", "English"), ("de", "Deutsch"))


def test_a_folder_that_is_not_there_adds_nothing(tmp_path: Path) -> None:
    assert [each.code for each in languages.load(str(tmp_path / "none"))] == ["en", "de"]


@pytest.mark.parametrize(
    ("chosen", "header", "code"),
    [
        ("", "", "en"),
        ("", "de", "de"),
        ("", "de-AT,de;q=0.9,en;q=0.8", "de"),
        ("", "fr,en;q=0.8,de;q=0.7", "en"),
        ("", "de;q=0.2,en;q=0.9", "en"),
        ("", "fr", "en"),
        ("", "*", "en"),
        ("en", "de", "en"),
        ("de", "en", "de"),
        ("xx", "de", "de"),
        ("../../etc", "de", "de"),
        ("", "de;q=nan", "en"),
        ("", "de;q=-1,\x00,;;;=,q", "en"),
        ("", "x," * 5_000 + "de", "en"),
    ],
)
def test_what_was_chosen_comes_before_what_the_browser_wishes(
    german: Language, chosen: str, header: str, code: str
) -> None:
    assert Languages({"de": german}).of(chosen, header).code == code


def test_numbers_are_written_as_people_write_them() -> None:
    german = languages.load().find("de")
    assert german is not None
    assert ENGLISH.number(1234567.891, 1) == "1,234,567.9"
    assert german.number(1234567.891, 1) == "1.234.567,9"
