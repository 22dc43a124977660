"""What alerts say: what has happened, since when, what it means, and what to do, in plain words. Pure.

What home servers and senders said stands in it as they said it, in one line and cut; the composer sees to it that
nothing of it becomes a header field (message/announcement.py).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from mpcontinuity.alerts.announcing import Mark
from mpcontinuity.alerts.outages import Cause, Outage, Standing
from mpcontinuity.message.report import one_line
from mpcontinuity.model.clock import DAY, HOUR, MINUTE, SECOND
from mpcontinuity.model.identifier import show
from mpcontinuity.queue.balance import Balance
from mpcontinuity.tracking.errors import Error

EXAMPLES = 5  # errors that a mail shows
LISTED = 50  # facts that one mail lists, and users of a report
_IN_FULL = 3  # facts that one mail tells in full: of one domain, as a rule, such as an end and its report
_LONGEST = 300  # characters of what others said
_WIDTH = 76
_COMMAND = "    "  # what a line of a command begins with


class Fact(msgspec.Struct, frozen=True):
    """Something that the subscribers of a domain are told once.

    ``name`` is that of the domain. ``mark`` notes that they were. ``outage`` is the id of the one that it is about, or
    0. ``link`` says whether the mail has a link by which its reader can act.
    """

    domain: int
    name: str
    outage: int
    subject: str
    text: str
    mark: Mark
    link: bool = True


def down(standing: Standing, outage: Outage, now: int, mark: Mark) -> Fact:
    """Says that the home server is down."""
    name, since = standing.domain.name, standing.causes[Cause.DOWN]
    lines = [
        f"The home server of {name} ({_homes(standing)}) takes no mail since {_time(since)}.",
        _said("The reason", standing.health.reason),
        "",
        *_kept(standing),
        "",
        "What to do:",
        "- See whether the home server runs, and whether this server reaches it. It is probed again and again, and "
        "when it is back nothing has to be done here:",
        "    mpcontinuity doctor",
        f"    mpcontinuity status {name}",
        "- Tell your users to read and send their mail here until then.",
        "- If it will be away for longer, declare the outage:",
        f"    mpcontinuity domain set {name} mode=enabled --until 8h",
    ]
    return _fact(standing, outage, f"{name}: the home server is down for {_span(now - since)}", lines, mark)


def up(standing: Standing, outage: Outage, now: int, mark: Mark) -> Fact:
    """Says that the home server is up again."""
    name = standing.domain.name
    lines = [
        f"The home server of {name} ({_homes(standing)}) takes mail again since {_time(standing.health.since)}.",
        f"It was away since {_time(outage.causes.get(Cause.DOWN, outage.began))}.",
        "",
        "What was kept here meanwhile goes home now, oldest first. A report comes when that is done,",
        "if anything was kept.",
    ]
    if Cause.DECLARED in standing.causes or Cause.CONTAINED in standing.causes:
        lines[-2:] = ["Nothing goes home yet: an outage is declared, or the home server is cut off."]
    return _fact(standing, outage, f"{name}: the home server is up again", lines, mark, link=False)


def reminder(standing: Standing, outage: Outage, now: int, mark: Mark) -> Fact:
    """Reminds of an outage that somebody declared."""
    name = standing.domain.name
    contained = Cause.CONTAINED in standing.causes
    since = outage.causes[Cause.CONTAINED if contained else Cause.DECLARED]
    what = "is cut off from its home server" if contained else "has an outage declared"
    off = f"mpcontinuity contain {name} off" if contained else f"mpcontinuity domain set {name} mode=disabled"
    lines = [
        f"{name} {what} since {_time(since)}. Nothing goes to its home server ({_homes(standing)}) until that ends.",
        f"It ends by itself at {_time(standing.until)}." if standing.until else "It does not end by itself.",
        *([_said("The note", standing.note)] if standing.note else []),
        "",
        *_kept(standing),
        "",
        "If it is over:",
        f"    {off}",
        *([] if contained else [f"    mpcontinuity domain plan {name} --end    (if it was planned)"]),
    ]
    return _fact(standing, outage, f"{name}: for {_span(now - since)} nothing goes to its home server", lines, mark)


def errors(standing: Standing, outage: int, window: int, threshold: int, examples: Sequence[Error], mark: Mark) -> Fact:
    """Says that as many messages have failed at home within the window (µs) as the threshold says, or more."""
    name, setting = standing.domain.name, _setting(window)
    lines = [
        f"The home server of {name} ({_homes(standing)}) failed {threshold} or more messages within {_window(window)}.",
        f"It is {standing.health.state.shown.value} now.",
        "",
        "The latest of them:",
        *(_example(one) for one in examples),
        "",
        "What was for registered users is kept here and goes home later; senders of the rest try again by themselves.",
        "",
        "What to do:",
        "- See what was answered to whom:",
        "    mpcontinuity track --status deferred",
        "    mpcontinuity track --status rejected",
        "- Have other numbers alert (0 is off):",
        f"    mpcontinuity domain set {name} {setting}=NUMBER",
    ]
    subject = f"{name}: {threshold} or more messages failed within {_window(window)}"
    return _made(standing, outage, subject, lines, mark)


def errors_over(standing: Standing, outage: int, window: int, threshold: int, mark: Mark) -> Fact:
    """Says that fewer messages than that have failed within the last window (µs)."""
    name = standing.domain.name
    lines = [f"Fewer than {threshold} messages for {name} have failed within the last {_window(window, bare=True)}."]
    if not threshold:
        lines = [f"Numbers of errors of {name} alert no more: {_setting(window)} is 0."]
    return _made(standing, outage, f"{name}: fewer messages fail", lines, mark, link=False)


def paused(standing: Standing, outage: int, reason: str, mark: Mark) -> Fact:
    """Says that redelivery is paused, with home's reply."""
    name = standing.domain.name
    lines = [
        f"Redelivery to the home server of {name} ({_homes(standing)}) is paused: it refused what it is owed.",
        _said("It said", reason),
        "",
        "Nothing is lost, and nothing has bounced: all of it stays owed. New mail passes as long as home takes it.",
        "",
        "What to do:",
        "- See that the home server knows its users, and takes mail from this server without judging its senders.",
        "- Then go on. A message is tried now and then meanwhile; when one is taken, the others follow by themselves:",
        f"    mpcontinuity queue retry --domain {name}",
    ]
    return _made(standing, outage, f"{name}: redelivery is paused", lines, mark)


def resumed(standing: Standing, outage: int, mark: Mark) -> Fact:
    """Says that redelivery goes on."""
    name = standing.domain.name
    lines = [f"Redelivery to the home server of {name} ({_homes(standing)}) is not paused any more."]
    return _made(standing, outage, f"{name}: redelivery goes on", lines, mark, link=False)


def users_out(standing: Standing, outage: int, reason: str, mark: Mark) -> Fact:
    """Says that the users of a home server cannot use it, though it may take mail."""
    name = standing.domain.name
    lines = [
        f"The users of {name} cannot use their home server ({_homes(standing)}): it may take mail that nobody sees.",
        _said("The reason", reason),
        "",
        "Nothing is redirected for that: mail goes home as before.",
        "",
        "What to do:",
        "- Give all users a copy of their mail here, where they can read it and send:",
        f"    mpcontinuity user continuity --domain {name} --all on",
        "- If that was a mistake, or is over:",
        f"    mpcontinuity domain users-out {name} off",
    ]
    return _made(standing, outage, f"{name}: users cannot use the home server", lines, mark)


def users_back(standing: Standing, outage: int, mark: Mark) -> Fact:
    """Says that the users of a home server can use it again."""
    name = standing.domain.name
    lines = [
        f"The users of {name} can use their home server ({_homes(standing)}) again.",
        "If all of them were given copies here, that can end:",
        f"    mpcontinuity user continuity --domain {name} --all off",
        f"    mpcontinuity domain set {name} mode=disabled",
    ]
    return _made(standing, outage, f"{name}: users can use the home server again", lines, mark, link=False)


def recovered(standing: Standing, outage: Outage, balance: Balance, mark: Mark) -> Fact:
    """Reports what became of the mail of an outage."""
    name, total = standing.domain.name, balance.total
    open_ = total.owed + total.in_doubt
    lines = [
        f"The outage of {name} from {_time(outage.began)} to {_time(outage.ended)} "
        f"({_span(outage.ended - outage.began)}) is dealt with. It was one because {_because(outage)}.",
        *([_said("The reason", outage.reason)] if outage.reason else []),
        "",
        *_became(balance),
        "",
    ]
    if open_:
        lines += ["What is still open is tried further:", f"    mpcontinuity queue list --domain {name}"]
    if total.failed or total.expired:
        lines += ["What failed can be sent again:", f"    mpcontinuity queue retry --domain {name}"]
    lines += ["It is shown again by:", f"    mpcontinuity outage show {show(outage.id)}"]
    subject = f"{name}: report of the outage: {total.taken_in} kept, {total.delivered} delivered home, {open_} open"
    if not total.taken_in:
        subject = f"{name}: the outage is over, and nothing was kept"
    return _fact(standing, outage, subject, lines, mark, link=False)


def _became(balance: Balance) -> list[str]:
    """What became of it."""
    total = balance.total
    if not total.taken_in:
        return ["No mail came for it meanwhile, so nothing was kept here."]
    return [
        f"Messages kept here:        {total.taken_in}",
        f"  delivered home:          {total.delivered}",
        f"  deleted by users:        {total.deleted}",
        f"  refused by home:         {total.failed}",
        f"  given up:                {total.expired}",
        f"  closed by hand:          {total.released}",
        f"  in doubt:                {total.in_doubt}",
        f"  still owed, and tried:   {total.owed}",
        f"Longest wait:              {_span(balance.longest_wait)}",
        *_users(balance),
    ]


def digest(facts: Sequence[Fact]) -> tuple[str, str]:
    """Returns subject and text of one mail with several facts, of which LISTED stand in it at the most."""
    if len(facts) <= _IN_FULL:
        first = facts[0].subject
        name = f"{first.partition(':')[0]}: "
        others = [fact.subject.removeprefix(name) for fact in facts[1:]]
        return "; ".join((first, *others)), "\n\n".join(fact.text for fact in facts)
    lines = [f"{len(facts)} things happened at once:", ""]
    lines += [f"- {fact.subject}" for fact in facts[:LISTED]]
    if len(facts) > LISTED:
        lines.append(f"- and {len(facts) - LISTED} more")
    lines += ["", "How all home servers are: mpcontinuity status", "What to do about one: mpcontinuity doctor"]
    return f"{facts[0].subject}, and {len(facts) - 1} more", "\n".join(lines) + "\n"


def link_lines(url: str) -> str:
    """Returns the lines that show a link by which the reader can act."""
    return (
        "\nThis page declares an outage, extends or ends it, or silences mails about it:\n"
        f"{url}\n"
        "On the server itself the link is taken by\n"
        "mpcontinuity outage redeem start|extend|stop|snooze --stdin\n"
        "The link is good for 24 hours. Whoever has it can use it, so do not pass it on.\n"
    )


def room_lines(url: str) -> str:
    """Returns the lines that show where administrators see how an outage goes."""
    return f"\nWhat happened, what users notice, and texts to tell them, after a login:\n{url}\n"


def last_of_the_day(most: int) -> str:
    """Returns the lines that end the last mail to somebody for a day, of which there are so many."""
    return (
        f"\nThis is alert number {most} of the day to you, and no more come until tomorrow: see mpcontinuity status.\n"
    )


def _fact(
    standing: Standing, outage: Outage, subject: str, lines: Sequence[str], mark: Mark, *, link: bool = True
) -> Fact:
    return _made(standing, outage.id, subject, lines, mark, link=link)


def _made(
    standing: Standing, outage: int, subject: str, lines: Sequence[str], mark: Mark, *, link: bool = True
) -> Fact:
    wrapped: list[str] = []
    for line in lines:
        if line.startswith(_COMMAND):  # to be copied: in one line
            wrapped.append(line)
            continue
        indent = "  " if line.startswith(("- ", "  ")) else ""
        wrapped += textwrap.wrap(line, _WIDTH, subsequent_indent=indent, break_on_hyphens=False) if line else [""]
    return Fact(standing.domain.id, standing.domain.name, outage, subject, "\n".join(wrapped) + "\n", mark, link)


def _kept(standing: Standing) -> list[str]:
    if not standing.domain.settings.continuity:
        return ["Continuity is off for this domain: senders are told to try again later, and nothing is kept here."]
    return [
        "Mail for its registered users is kept here. They have it at once in their continuity mailboxes, and can read "
        "and send. All of it goes home when that takes mail again, and nothing is lost."
    ]


def _homes(standing: Standing) -> str:
    return one_line(", ".join(standing.domain.settings.home)) or "none is set"


def _said(what: str, text: str) -> str:
    return f"{what}: {one_line(text)[:_LONGEST]}" if text else f"{what} is not known."


def _example(error: Error) -> str:
    text = one_line(error.text)[:_LONGEST]
    sender, recipient = (one_line(each)[:_LONGEST] for each in (error.sender, error.recipient))
    return f"- {_time(error.received)} from <{sender}> to <{recipient}>: {error.code} {text}"


def _users(balance: Balance) -> list[str]:
    if not balance.users:
        return []
    lines = ["", "By user:"]
    for one in balance.users[:LISTED]:
        rest = one.taken_in - one.delivered
        lines.append(f"  {one_line(one.user)}: {one.taken_in} kept, {one.delivered} delivered, {rest} not")
    others = balance.more_users + max(len(balance.users) - LISTED, 0)
    return [*lines, f"  and {others} more users"] if others else lines


def _because(outage: Outage) -> str:
    words = {
        Cause.DOWN.value: "its home server took no mail",
        Cause.DECLARED.value: "an administrator had declared it",
        Cause.CONTAINED.value: "its home server was cut off on purpose",
    }
    return " and ".join(words[cause] for cause in outage.causes if cause in words) or "it was noted as one"


def _setting(window: int) -> str:
    return "alert-day" if window == DAY else "alert-hour"


def _window(window: int, *, bare: bool = False) -> str:
    unit = "day" if window == DAY else "hour"
    return unit if bare else f"a{'' if window == DAY else 'n'} {unit}"


def _time(time: int) -> str:
    return datetime.fromtimestamp(time // SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _span(time: int) -> str:
    """As people say it, in the two largest units."""
    if time < MINUTE:
        return f"{max(time, 0) // SECOND} s"
    days, hours, minutes = time // DAY, time % DAY // HOUR, time % HOUR // MINUTE
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"
