"""Whether mail could go home into its folders now: a login by ``home-imap`` as one user of each domain that has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mpcontinuity.app.doctor.finding import Finding

_TRIED = 3  # users of a domain: one may be a group at home, without a mailbox
_ADVICE = "see `mpcontinuity domain test-imap`, and docs/operations.md for home servers of several kinds"


def examine(control: Any, domains: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Gives a finding for each domain that has ``home-imap``. ``domains`` are rows of `domain show`."""
    for domain in domains:
        if domain["home-imap"]:
            yield _tried(control, domain["domain"])


def _tried(control: Any, domain: str) -> Finding:
    if not control.running:
        return Finding(domain, "warning", "home-imap is tried by a running server only", "start it")
    failed: dict[str, Any] | None = None
    for user in control.call("user list", domain=domain, limit=_TRIED):
        tried = control.call("domain test-imap", name=domain, address=user["address"])
        if tried["logged_in"]:
            sent = next(each["home"] for each in tried["folders"] if each["folder"] == "Sent")
            return Finding(domain, "good", f"home-imap lets us in as {tried['user']}, whose Sent is {sent}")
        failed = failed or tried
    if failed is None:
        return Finding(domain, "warning", "home-imap cannot be tried: the domain has no user", "add some")
    return Finding(domain, "wrong", f"home-imap: {failed['text']}", _ADVICE)
