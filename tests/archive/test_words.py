"""What the words of a text are, in any script."""

from __future__ import annotations

import pytest

from mpcontinuity.archive.words import LONGEST, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't re-send: Report_2026.PDF", {"don", "t", "re", "send", "report", "2026", "pdf"}),
        ("Straße STRASSE ｓｔｒａｓｓｅ", {"strasse"}),
        ("e\u0301te\u0301 \u00e9t\u00e9", {"été"}),
        ("Donau\u00addampf\u200bschiff", {"donaudampfschiff"}),
        ("हिन्दी עִבְרִית", {"हिन्दी", "עִבְרִית"}),
        ("日本語", {"日", "本", "語", "日本", "本語"}),
        ("회의는 now", {"회", "의", "는", "회의", "의는", "now"}),
        ("abc日本 x", {"abc", "日", "本", "日本", "x"}),
        ("\x00\ud800\u0301 -- !", {"\u0301"}),
        ("", set()),
    ],
)
def test_the_words_of_a_text(text: str, expected: set[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize("letter", ["a", "ä", "ß", "\u0301"])
def test_a_word_has_no_more_characters_than_count(letter: str) -> None:
    assert max(map(len, words(letter * 100_000))) <= LONGEST


def test_a_part_of_a_sentence_without_blanks_is_found_in_it() -> None:
    assert words("会議") <= words("明日の会議は中止です")
    assert not words("議会") <= words("明日の会議は中止です")
