"""Makes the story of a failing seed as short as it can be while it still fails in the same way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.play import Play, Result
from tests.simulation.sender import Habits
from tests.simulation.story import DomainPlan, Event, Story

# What is left out first: without letters there is no story, and the rest is trouble in the order of its size.
KINDS = ("moment", "admin", "reads", "writes", "jump", "full", "weather", "crash", "mood", "letter")


def kind(fault: str) -> str:
    """A fault without its particulars: what two stories have in common that fail in the same way."""
    first = fault.partition("\n")[0] + fault.rpartition("\n")[2]
    return re.sub(r"[0-9]+|\S+@\S+|'[^']*'|\"[^\"]*\"|\b0r\w{11}\b", "#", first)[:200]


def kinds(result: Result) -> set[str]:
    return {kind(fault) for fault in result.faults}


class Shrinking:
    """``most``: stories that are tried at the most. ``say`` is told of every shorter one."""

    def __init__(self, story: Story, *, most: int = 600, say: Callable[[str], object] = lambda text: None) -> None:
        self.story = story
        self.tried = 1
        self._most = most
        self._say = say
        self._wanted = kinds(Play(story).run())

    def run(self) -> Story | None:
        """The shortest that was found; None where the story does not fail."""
        if not self._wanted:
            return None
        before = -1
        while before != self.tried and self.tried < self._most:
            before = self.tried
            length = len(self.story.events)
            self._drop_kinds()
            self._drop_runs()
            self._simplify()
            if len(self.story.events) == length:
                break
        return self.story

    def _keep(self, story: Story) -> bool:
        """Whether it still fails; if so it is the one to go on with."""
        if self.tried >= self._most:
            return False
        self.tried += 1
        if not kinds(Play(story).run()) & self._wanted:
            return False
        self.story = story
        self._say(f"{len(story.events)} events after {self.tried} tries")
        return True

    def _drop_kinds(self) -> None:
        for each in KINDS:
            places = {place for place, event in enumerate(self.story.events) if event.what == each}
            if places:
                self._keep(self.story.without(places))

    def _drop_runs(self) -> None:
        """Half of the events, then quarters, … down to each alone."""
        size = max(len(self.story.events) // 2, 1)
        while True:
            start = 0
            while start < len(self.story.events):
                if not self._keep(self.story.without(set(range(start, start + size)))):
                    start += size
            if size == 1:
                return
            size //= 2

    def _simplify(self) -> None:
        for domain in self.story.domains if len(self.story.domains) > 1 else ():
            domains = tuple(each for each in self.story.domains if each is not domain)
            events = tuple(event for event in self.story.events if not _about(event, domain.name))
            self._keep(replace(self.story, domains=domains, events=events))
        for place, habits in enumerate(self.story.senders):
            plain = (*self.story.senders[:place], Habits(), *self.story.senders[place + 1 :])
            if habits != Habits():
                self._keep(replace(self.story, senders=plain))
        for place, event in enumerate(self.story.events):
            for simpler in _simpler(event):
                events = (*self.story.events[:place], simpler, *self.story.events[place + 1 :])
                if self._keep(replace(self.story, events=events)):
                    break
        for place in range(len(self.story.domains)):
            for simpler_domain in _simpler_domain(self.story.domains[place]):
                plans = list(self.story.domains)
                plans[place] = simpler_domain
                events = tuple(event for event in self.story.events if event.what != "reads" or _known(event, plans))
                self._keep(replace(self.story, domains=tuple(plans), events=events))


def _about(event: Event, domain: str) -> bool:
    return domain in str((event.who, event.how))


def _known(event: Event, plans: list[DomainPlan]) -> bool:
    return any(event.who in plan.users for plan in plans)


def _simpler(event: Event) -> Iterator[Event]:
    if event.what == "letter":
        number, reverse_path, recipients, octets, times = event.how
        for recipient in recipients if len(recipients) > 1 else ():
            yield replace(event, how=(number, reverse_path, (recipient,), octets, times))
        if octets:
            yield replace(event, how=(number, reverse_path, recipients, 0, times))
        if times > 1:
            yield replace(event, how=(number, reverse_path, recipients, octets, times - 1))
    elif event.what == "reads":
        for deed in event.how[0] if len(event.how[0]) > 1 else ():
            yield replace(event, how=((deed,),))


def _simpler_domain(plan: DomainPlan) -> Iterator[DomainPlan]:
    for user in plan.users:
        if len(plan.users) > 1:
            yield replace(plan, users=tuple(each for each in plan.users if each != user))
    for setting in plan.settings:
        if setting[0] not in ("home", "home-tls"):
            yield replace(plan, settings=tuple(each for each in plan.settings if each != setting))
