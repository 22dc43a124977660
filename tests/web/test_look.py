"""What all pages look like: parts that escape what they are given, and nothing inline."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import tinycss2
from markupsafe import Markup

import mpcontinuity
from mpcontinuity.web.charts import bars
from mpcontinuity.web.templates import look

_STATIC = resources.files("mpcontinuity.web.look") / "static"


def shown(call: str, **values: Any) -> str:
    return look()._environment.from_string("{% import 'macros.html' as m %}" + call).render(**values)


def test_each_colour_has_a_light_and_a_dark_form_and_each_that_is_used_is_one_of_them() -> None:
    css = (_STATIC / "base.css").read_text()
    given = dict(re.findall(r"(--[\w-]+): (light-dark\([^)]*\)|[^;]+);", css))
    assert given
    assert all(value.startswith("light-dark(") for value in given.values())
    assert set(re.findall(r"var\((--[\w-]+)\)", css)) <= set(given)


def _luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("text", "ground"), ("text", "raised"), ("quiet", "ground"), ("quiet", "raised"), ("accent", "ground"),
        ("accent", "raised"), ("on-accent", "accent"), ("good", "good-ground"), ("bad", "bad-ground"),
        ("bad", "ground"), ("warning", "warning-ground"), ("text", "plain-ground"),
    ],
)  # fmt: skip
def test_text_stands_out_from_its_ground(theme: int, text: str, ground: str) -> None:
    """By 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    css = (_STATIC / "base.css").read_text()
    pairs = {name: (one, two) for name, one, two in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", css)}
    bright, dim = sorted((_luminance(pairs[text][theme]), _luminance(pairs[ground][theme])), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= 4.5


def test_no_template_has_an_inline_script_style_or_handler() -> None:
    page = look().render("error.html", code=404, sentence="<b>").decode()
    assert "<b>" not in page
    for template in (resources.files("mpcontinuity.web.look") / "templates").iterdir():
        text = template.read_text()
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", text), template.name
        assert not re.search(r"https?://", text), template.name


@pytest.mark.parametrize("name", [file.name for file in _STATIC.iterdir() if file.name.endswith(".js")])
def test_no_module_has_text_become_html_or_code(name: str) -> None:
    text = (_STATIC / name).read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|parseFromString", text
    )


def test_a_field_that_is_wrong_is_marked_described_and_escaped() -> None:
    field = shown(
        '{{ m.field("name", "Name", value, error=error, hint="letters") }}', value='"><script>', error="<i>no"
    )
    assert 'aria-invalid="true"' in field
    assert 'aria-describedby="name-error name-hint"' in field
    assert "&lt;i&gt;no" in field
    assert "<script>" not in field


def test_what_is_to_be_typed_and_when_something_is_are_made_plain_in_a_sentence() -> None:
    text = "<b>: until 2026-11-30T14:07:12.951803+00:00; `contain off` lifts that, it's a `"
    assert shown('{{ m.notice(text, "error") }}', text=text) == (
        '<p class="notice error" role="alert">'
        "&lt;b&gt;: until 2026-11-30 14:07; <code>contain off</code> lifts that, it&#39;s a `</p>"
    )


def test_a_password_is_never_written_back() -> None:
    assert "secret" not in shown('{{ m.field("password", "Password", "secret", type="password") }}')


def test_a_chart_has_its_figures_in_a_table_behind_it() -> None:
    drawn = bars("mail", [3], ["08:00"])
    chart = shown(
        '{{ m.chart("Mail", drawn, ["Hour", "Messages"], rows) }}', drawn=drawn, rows=[("08:00", 3), ("<i>", 4)]
    )
    assert "<svg" in chart
    assert '<td data-label="Messages">3</td>' in chart
    assert "&lt;i&gt;" in chart
    assert isinstance(drawn, Markup)


def test_a_table_names_the_column_of_each_cell_for_phones() -> None:
    table = shown(
        '{% call m.table("Users", ["Address", ("Mails", "number")]) %}<tr><th scope="row">a</th></tr>{% endcall %}'
    )
    assert '<th scope="col" class="number">Mails</th>' in table
    assert '<tr><th scope="row">a</th></tr>' in table


_PACKAGE = Path(mpcontinuity.__file__).parent


@pytest.mark.parametrize("sheet", [pytest.param(each, id=each.name) for each in sorted(_PACKAGE.rglob("*.css"))])
def test_a_browser_drops_no_rule_of_a_style_sheet(sheet: Path) -> None:
    """Behind a brace too many the next rule is none."""
    rules = tinycss2.parse_stylesheet(sheet.read_text(), skip_comments=True, skip_whitespace=True)
    preludes = [tinycss2.serialize(each.prelude) for each in rules if each.type == "qualified-rule"]
    assert [each for each in rules if each.type == "error"] == []
    assert [each for each in preludes if "}" in each] == []


def test_no_template_glues_two_sentences_together() -> None:
    """The line end behind a tag is no space."""
    glued = re.compile(r"[^%{}>\s]{% endtrans %}\n(?!{%|</|{#)\S.*")
    found = {each.name: glued.findall(each.read_text()) for each in _PACKAGE.rglob("*.html")}
    assert {name: lines for name, lines in found.items() if lines} == {}
