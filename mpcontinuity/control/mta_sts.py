"""The MTA-STS policy of a domain, if it has one: it has to name this server, or those who heed it send nothing here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from mpcontinuity.outbound.https import Answer, HttpsClient, Unanswered
from mpcontinuity.protocols.mta_sts import LONGEST, BadPolicy, Policy, identifies, read

_WITHIN: Final = 5.0  # s for the file: somebody waits for the page
_SHOWN: Final = 3  # servers of a policy

Judged = tuple[Literal["right", "different", "unknown"], list[str], str]


async def judge(https: HttpsClient | None, domain: str, host: str, texts: Sequence[str]) -> Judged:
    """Judges the policy of a domain whose TXT records at ``_mta-sts`` are ``texts``, for this server called ``host``.

    Returns the state, what was found, and what is wrong or to be minded. The file is asked for as any URL that a
    stranger chose: bounded, no redirect is followed (RFC 8461 §3.3), and nothing in our own network is reached.
    """
    place = f"https://mta-sts.{domain}/.well-known/mta-sts.txt"
    found = list(texts)
    if len(texts) > 1:
        return "different", found, "there may be one record alone, else none counts (RFC 8461 §3.1)"
    if not identifies(texts[0]):
        return (
            "different",
            found,
            "does not count: must be `v=STSv1; id=` with up to 32 letters and digits (§3.1)",
        )
    if https is None:
        return "unknown", found, f"see that {place} has the line `mx: {host}`"
    try:
        answer = await https.ask("GET", place, within=_WITHIN, most=LONGEST)
    except Unanswered as error:
        return "unknown", found, f"the policy could not be read ({error}); see that it has the line `mx: {host}`"
    try:
        policy = _policy(answer)
    except BadPolicy as error:
        return "different", found, f"{place}: {error}; those who do not know an older policy go by none"
    found += [f"mode: {policy.mode}", *(f"mx: {pattern}" for pattern in policy.patterns[:_SHOWN])]
    return _judged(policy, host, found)


def _policy(answer: Answer) -> Policy:
    if answer.status != 200:
        raise BadPolicy(f"is answered {answer.status}")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/plain":
        raise BadPolicy("is not sent as text/plain")
    return read(answer.body)


def _judged(policy: Policy, host: str, found: list[str]) -> Judged:
    if policy.mode == "none":
        return "right", found, "mode none binds nobody"
    if policy.names(host):
        return "right", found, ""
    add = f"add the line `mx: {host}`, and change the id in DNS after it"
    if policy.mode == "testing":
        return "different", found, f"does not name {host}: others report a failure for each mail; {add}"
    return "different", found, f"does not name {host}: those who heed it send nothing here; {add}"
