"""The report of a drill as one page of HTML that needs nothing else, to be printed and kept as evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from mpcontinuity.model.visible import visible

_STYLE = """
body { font: 11pt/1.4 sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; color: #111; }
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin-top: 2em; }
div { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 0.85em; }
th, td { border: 1px solid #999; padding: 0.25em 0.5em; text-align: left; vertical-align: top; }
td { min-width: 5em; overflow-wrap: anywhere; } td.whole { min-width: 0; white-space: nowrap; }
th { background: #eee; } @page { size: landscape; } thead { display: table-header-group; } tr { break-inside: avoid; }
@media print { body { margin: 0; max-width: none; } div { overflow-x: visible; } }
"""
_WHOLE = 12  # characters: no line is broken in a number, a status or a door
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
"""
_SUMS = (
    ("users", "Users"),
    ("logged_in", "of whom logged in"),
    ("received", "Messages received"),
    ("readable", "of which readable here"),
    ("longest_until_readable", "longest time until readable (s)"),
    ("home", "of which home has got"),
    ("longest_until_home", "longest time until home (s)"),
    ("owed", "still owed to home"),
    ("sent", "Messages sent"),
    ("delivered", "of which delivered"),
    ("longest_until_delivered", "longest time until delivered (s)"),
    ("left_out", "Messages counted, but not listed below"),
)


def page(report: dict[str, Any]) -> str:
    """Returns the page of a report, given as `drill report` shows it in JSON. Everything in it that came from outside,
    such as subjects, is escaped, and nothing is loaded or run."""
    title = _text(f"Drill of {report['domain']}, {report['from'][:10]}")
    parts = [_HEAD.format(title=title, style=_STYLE), _facts(report)]
    parts.append("<h2>Sums</h2>")
    parts.append(_table((), ((words, report["sums"][name]) for name, words in _SUMS)))
    parts.append("<h2>Who logged in</h2>")
    parts.append(_table(("User", "By", "First", "Last", "Times", "Received", "Sent"), _logins(report["users"])))
    parts.append("<h2>Messages received</h2>")
    columns = ("user", "sender", "subject", "message_id", "size", "readable", "home", "outcome")
    heads = ("Time", "User", "From", "Subject", "Message-ID", "Octets", "Readable after s", "Home after s", "Outcome")
    parts.append(_table(heads, ([_time(row["time"]), *(row[name] for name in columns)] for row in report["received"])))
    parts.append("<h2>Messages sent</h2>")
    sent = ("user", "recipient", "subject", "message_id", "size", "delivered", "status")
    sent_heads = ("Time", "User", "To", "Subject", "Message-ID", "Octets", "Delivered after s", "Status")
    parts.append(_table(sent_heads, ([_time(row["time"]), *(row[name] for name in sent)] for row in report["sent"])))
    if report["outages"]:
        parts.append("<h2>Real outages that began meanwhile</h2>")
        outages = (
            (_time(one["began"]), _time(one["ended"]), ", ".join(one["causes"]), one["reason"])
            for one in report["outages"]
        )
        parts.append(_table(("Began", "Ended", "Causes", "Reason"), outages))
    parts.append("</body>\n</html>\n")
    return "\n".join(parts)


def _facts(report: dict[str, Any]) -> str:
    words = (
        f"From {_time(report['from'])} until {_time(report['until'])}, by {report['by']}. State: {report['state']}."
        f" This report was made {_time(report['made'])}. All times are UTC. Drill {report['id']}."
    )
    return f"<p>{_text(words)}</p>"


def _logins(users: Iterable[dict[str, Any]]) -> Iterable[Sequence[Any]]:
    for user in users:
        counted = (user["received"], user["sent"])
        if not user["logins"]:
            yield (user["address"], "not at all", "", "", 0, *counted)
        for login in user["logins"]:
            yield (
                user["address"],
                login["door"],
                _time(login["first"]),
                _time(login["last"]),
                login["times"],
                *counted,
            )


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    head = f"<thead><tr>{head}</tr></thead>\n" if heads else ""
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<div><table>\n{head}<tbody>\n{body}\n</tbody>\n</table></div>"


def _cell(value: Any) -> str:
    text = _text(value)
    return f'<td class="whole">{text}</td>' if len(text) <= _WHOLE else f"<td>{text}</td>"


def _time(text: str | None) -> str | None:
    """As people read it, to the second; all times of a report are UTC."""
    return text[:19].replace("T", " ") if text is not None else None


def _text(value: Any) -> str:
    return escape(visible(str(value))) if value is not None else "–"
