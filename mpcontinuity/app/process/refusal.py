"""How an error is told to whoever administers this machine: in one line, with the command that would help."""

from __future__ import annotations

import shlex

from mpcontinuity.model.errors import Hint, Refused


def why(error: Exception) -> str:
    """What an error says, with the command that would help where it names one."""
    hint = error.hint if isinstance(error, Refused) else None
    return f"{error}; `{command(hint)}` {hint.does}" if hint is not None else str(error)


# Operations whose command cannot do without the domain, and how it is typed.
_AROUND = {
    "alert list": "alert list {}",
    "contain list": "contain {} list",
    "contain off": "contain {} off",
    "contain release": "contain {} release",
    "drill end": "drill {} --end",
    "drill list": "drill {} --list",
    "domain plan list": "domain plan {} --list",
}


def command(hint: Hint) -> str:
    """The command of a hint as a person would type it: names and addresses are arguments, all else are options."""
    if hint.operation in _AROUND:
        domain = hint.arguments.get("name") or hint.domain or "DOMAIN"
        return f"mpcontinuity {_AROUND[hint.operation].format(domain)}"
    words = [f"mpcontinuity {hint.operation}"]
    for name, value in hint.arguments.items():
        if name not in ("name", "address"):
            words.append(f"--{name}")
        if isinstance(value, str):
            words.append(shlex.quote(value))
    return " ".join(words)
