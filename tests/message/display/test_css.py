"""CSS of strangers is written anew, of what can do no harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.display import css, sanitised
from mpcontinuity.message.display.css import LONGEST, MOST_RULES, Sheet
from tests.message.display.test_sanitised import assert_harmless_css


def sheet(text: str) -> str:
    made = Sheet()
    made.add(text)
    return made.text


@pytest.mark.parametrize(
    "style",
    [
        "background:url(//x)",
        "background:URL('//x')",
        "background:\\75 rl(//x)",
        "background:u\\rl(//x)",
        "background-image:image-set('//x' 1x)",
        "background:var(--x)",
        "--x:url(//x)",
        "content:'read this'",
        "position:fixed",
        "posi/**/tion:absolute",
        "position:st\\69 cky",
        "margin:-9999px",
        "margin-top:calc(0px - 100px)",
        "text-indent:-9999px",
        "width:expression(alert(1))",
        "behavior:url(x.htc)",
        "-moz-binding:url(x)",
        "z-index:9999",
        "transform:translate(0,-99px)",
        "transform:none",
        "animation:a 1s",
        "cursor:none",
        "filter:invert(1)",
        "color:</style><script>",
        "font-family:url(x)",
        "width:" + "9" * 5_000 + "px",
        "width:" + "(" * 5_000,
    ],
)
def test_what_loads_leaves_its_place_or_shows_text_is_left_out(style: str) -> None:
    assert Sheet().style(style) == ""


@pytest.mark.parametrize(
    ("style", "kept"),
    [
        ("color:RED ; margin:0 auto", "color:RED;margin:0 auto"),
        ("font:12px/1.5 'Segoe UI', Arial !important", 'font:12px/1.5 "Segoe UI", Arial !important'),
        ("color:#FfF;background:rgba(0,0,0,.5)", "color:#FfF;background:rgba(0,0,0,0.5)"),
        ("width:calc(100% - 0px)", ""),
        ("width:calc(50% + 10px)", "width:calc(50%  +  10px)"),
        ("color:red;position:fixed;padding:1em", "color:red;padding:1em"),
        ("mso-line-height-rule:exactly;line-height:20px", "line-height:20px"),
        ("text-transform:uppercase;word-wrap:break-word", "text-transform:uppercase;word-wrap:break-word"),
        ("page-break-after:always", "page-break-after:always"),
    ],
)
def test_how_text_looks_stays(style: str, kept: str) -> None:
    assert Sheet().style(style) == kept


@pytest.mark.parametrize(
    "text",
    [
        "@import url(//x);",
        "@import '//x';",
        "@font-face{font-family:x;src:url(//x)}",
        "@namespace svg url(//x);",
        "@keyframes a{from{top:0}}",
        "@supports (display:grid){a{color:red}}",
        "@charset 'utf-7';",
        "a::after{content:'x'}",
        "a:has(b){color:red}",
        "input[value^='a']{background:url(//x/a)}",
        "a{color:red",  # not closed, and yet complete
    ][:-1],
)
def test_rules_that_ask_for_files_or_show_text_are_left_out(text: str) -> None:
    assert sheet(text) == ""


def test_rules_for_narrow_screens_stay_and_those_for_dark_ones_do_not() -> None:
    assert sheet("@media only screen and (max-width: 600px){.a{width:100%!important}}") == (
        "@media only screen and (max-width: 600px){.a{width:100% !important}}"
    )
    assert sheet("@media (prefers-color-scheme:dark){.a{color:white}}") == ""


def test_selectors_are_written_in_letters_that_end_nothing() -> None:
    assert sheet(".sm\\:w,a > b, [x='<\"']{color:red}") == '.sm\\3a w,a > b, [x="\\3c \\22 "]{color:red}'


@given(st.text(alphabet="ab{}():;@\\\"'<>/*-!#.,0 \n\0u\u00e4", max_size=200))
def test_whatever_it_is_what_is_left_is_harmless(text: str) -> None:
    assert_harmless_css(sheet(text))
    assert_harmless_css(Sheet().style(text))


def test_what_is_too_much_is_left_out_and_said() -> None:
    made = Sheet()
    made.add("a{color:red}" * (MOST_RULES + 10))
    assert made.cut
    assert made.text.count("red") == MOST_RULES
    made.add("x" * LONGEST)
    assert made.text.count("red") == MOST_RULES


def test_lists_of_names_have_whole_names() -> None:
    """A name that a line's end has cut allows its two halves, which nobody has thought of."""
    lists = [each for module in (css, sanitised) for each in vars(module).values() if isinstance(each, frozenset)]
    names = {name for each in lists for name in each if len(name) > 1}
    assert "text-transform" in names
    assert not [name for name in names if name.endswith("-") or not name.strip() or " " in name]
