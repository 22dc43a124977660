"""Figures as pages show them: mail per hour, and how a home server was in the last days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from mpcontinuity.control.flow import FlowHour
from mpcontinuity.control.status import StateChange
from mpcontinuity.model.clock import from_iso
from mpcontinuity.web.charts import MOST_SPANS, Span, band, bars

# What a home server was before it came into a state (routing/health.py). Before it was up it may not have been known.
_BEFORE: Final = {"down": "up", "recovering": "down"}

_FLOWS: Final = (("In", "taken_in"), ("Redirected", "redirected"), ("Redelivered", "redelivered"), ("Out", "sent"))


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart with the ``name`` of what it shows, and what there was in all."""

    name: str
    total: str
    drawn: Markup


def flow_panels(rows: Sequence[FlowHour]) -> list[Panel]:
    """Returns a chart for each kind of mail, from the rows of `status flow`."""
    labels = [row.hour[11:16] for row in rows]
    more = "" if all(row.complete for row in rows) else " or more"
    panels = []
    for name, field in _FLOWS:
        values: list[int] = [getattr(row, field) for row in rows]
        total = f"{sum(values)}{more}"
        about = f"{name}: {total} messages in {len(rows)} hours, at most {max(values, default=0)} in one hour"
        panels.append(Panel(name, total, bars(about, values, labels)))
    return panels


def health_band(changes: Sequence[StateChange], state: str, begins: int, now: int) -> Markup:
    """Draws how a home server was from ``begins`` until ``now`` (µs), from its changes since then, newest first.

    ``state`` is the one it is in where nothing changed.
    """
    spans: list[Span] = []
    ends = now
    for change in changes[: MOST_SPANS - 1]:
        began = from_iso(change.time)
        words = f"{change.state} since {change.time[:16].replace('T', ' ')}"
        spans.append(Span(change.state, began, ends, f"{words}: {change.reason}" if change.reason else words))
        ends = began
    first = _BEFORE.get(changes[-1].state, "unknown") if changes else state
    spans.append(Span(first, begins, ends, first))
    down = sum(change.state == "down" for change in changes)
    about = f"The home server is {state}; it went down {down} times" if down else f"The home server is {state}"
    return band(about, spans, begins, now)
