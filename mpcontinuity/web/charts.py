"""Charts as SVG, drawn by the server: figures per hour, and what states something was in over a time.

They hold no text but titles, since SVG that is stretched to the page stretches its letters: names, scales and the table
of the same figures are HTML beside it (the macro ``chart`` of web/look/templates/macros.html). Colours are classes,
which web/look/static/base.css gives; no meaning rests on colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

# Units of the drawing, which the page stretches: a bar is WIDE with a gap of GAP, and the highest is HIGH.
_WIDE: Final = 8
_GAP: Final = 2
_HIGH: Final = 40
_LEAST: Final = 1.5  # what is not zero is seen

_BAND: Final = 1000.0  # the width of a band, which its whole time takes up

MOST_BARS: Final = 24 * 31  # a month of hours: what can be told apart, and 60 KiB of SVG
MOST_SPANS: Final = 1000

_LINE: Final = f'<path class="ground" d="M0 {_HIGH}H{{width:g}}"/>'


@dataclass(frozen=True, slots=True)
class Span:
    """A time, from ``begins`` to ``ends`` in any unit, in which something was in a state; ``title`` is shown of it."""

    state: str
    begins: float
    ends: float
    title: str


def bars(about: str, values: Sequence[int], labels: Sequence[str], *, highest: int = 0) -> Markup:
    """Draws a bar for each value, named by its label; ``about`` says in a sentence what a reader would see.

    ``highest`` is the value of a full bar, for charts that are to be compared; by default the highest of the values.
    The values are 0 or more. Raises ValueError where there are more than `MOST_BARS`, or not as many labels as values.
    """
    if len(values) > MOST_BARS:
        raise ValueError(f"{len(values)} bars: at most {MOST_BARS}")
    full = max(highest, *values, 1) if values else 1
    width = max(len(values) * (_WIDE + _GAP), 1)
    drawn = [_LINE.format(width=width)]
    for place, (value, label) in enumerate(zip(values, labels, strict=True)):
        if value:
            height = max(round(value / full * _HIGH, 1), _LEAST)
            title = f"<title>{escape(label)}: {value}</title>"
            x = place * (_WIDE + _GAP) + _GAP // 2
            drawn.append(f'<rect x="{x}" y="{_HIGH - height:g}" width="{_WIDE}" height="{height:g}">{title}</rect>')
    return _svg("bars", width, about, drawn)


def _svg(kind: str, width: float, about: str, drawn: Sequence[str]) -> Markup:
    """What is ``drawn`` is SVG, in which all text is escaped: Markup.format would do it in six times as long."""
    size = f'viewBox="0 0 {width:g} {_HIGH}" preserveAspectRatio="none"'
    label = f'role="img" aria-label="{escape(about)}"'
    return Markup(f'<svg class="{kind}" {size} {label}>{"".join(drawn)}</svg>')


# How high a state stands in its band, so that it is told from others without its colour.
_HEIGHTS: Final = {"up": 8.0, "recovering": 20.0, "down": 40.0}


def band(about: str, spans: Sequence[Span], begins: float, ends: float) -> Markup:
    """Draws the states of something from ``begins`` to ``ends``; what of a span lies outside is left out.

    The states "up", "recovering" and "down" stand higher the worse they are; of another, which is unknown, is nothing
    drawn. Raises ValueError where there are more spans than `MOST_SPANS`, or where the time is empty.
    """
    if len(spans) > MOST_SPANS:
        raise ValueError(f"{len(spans)} spans: at most {MOST_SPANS}")
    if ends <= begins:
        raise ValueError("the time of a band is empty")
    drawn = [_LINE.format(width=_BAND)]
    for span in spans:
        first, last = max(span.begins, begins), min(span.ends, ends)
        height = _HEIGHTS.get(span.state)
        if height is None or last <= first:
            continue
        width = max((last - first) / (ends - begins) * _BAND, 1.0)  # a short outage is seen
        x = min((first - begins) / (ends - begins) * _BAND, _BAND - width)
        place = f'x="{x:.2f}" y="{_HIGH - height:g}" width="{width:.2f}" height="{height:g}"'
        drawn.append(f'<rect class="state-{span.state}" {place}><title>{escape(span.title)}</title></rect>')
    return _svg("band", _BAND, about, drawn)
