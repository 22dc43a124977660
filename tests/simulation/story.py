"""What happens to the service, told beforehand: a seed's story is data, so that it can be printed, cut and replayed.

Every seed leaves some kinds of trouble out altogether: what one kind would hide, another seed's story shows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

from mpcontinuity.mailbox.names import EMAIL_ARCHIVE
from tests.simulation.home import HEALTHY, LIKELY, MOODS, NOBODY
from tests.simulation.mailboxes import IMAP_MOODS, PASSWORD
from tests.simulation.network import Weather
from tests.simulation.outbox import FIRST_WRITTEN
from tests.simulation.process import EXCHANGER
from tests.simulation.reader import Deed
from tests.simulation.sender import Habits

FOLDERS = ("INBOX", "Archive", "Junk", "Trash")
VERBS = ("read", "see", "unsee", "move", "copy", "file", "refile", "delete", "mark", "append", "wait", "trash")


@dataclass(frozen=True)
class Event:
    """``what`` happens at ``at`` seconds to ``who``; ``how`` is its details, as play.py takes them."""

    at: float
    what: str
    who: str = ""
    how: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.at:9.3f}  {self.what} {self.who} {' '.join(map(str, self.how))}"


@dataclass(frozen=True)
class DomainPlan:
    """``strangers``: addresses that home has and we do not."""

    name: str
    hosts: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    users: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...]
    strangers: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    seed: int
    domains: tuple[DomainPlan, ...]
    senders: tuple[Habits, ...]
    events: tuple[Event, ...]
    home: dict[str, float] = field(default_factory=dict)  # [home]
    retry: dict[str, float] = field(default_factory=dict)
    gentle: bool = False  # home servers are healthy all the time

    def without(self, events: set[int]) -> Story:
        return replace(self, events=tuple(each for place, each in enumerate(self.events) if place not in events))

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: [home] {self.home} [retry] {self.retry}"]
        for domain in self.domains:
            lines.append(f"  {domain.name} at {', '.join(domain.hosts)}: {dict(domain.settings)}")
            lines.append(f"    users {', '.join(domain.users)}, aliases {dict(domain.aliases)}")
        lines += [f"  sender {number}: {habits}" for number, habits in enumerate(self.senders)]
        return "\n".join([*lines, *map(str, self.events)])


def story_of(seed: int) -> Story:
    return _Author(seed).write()


FIRST_SENT = 1_000_000  # numbers of letters that users send
TOLD = "There is some news.\n"  # to all users, by an administrator


def _settings(domain: DomainPlan, days: str) -> tuple[tuple[str, Any], ...]:
    return ("name", domain.name), ("settings", {"retention-days": days})


_NAMES = ("ann", "bob", "eve", "joe", "kim")


class _Author:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chance = random.Random(f"{seed} story")
        chance = self._chance
        # Most stories are short: what goes wrong needs few steps, and their number counts.
        self._letters = chance.choice((4, 6, 8, 10, 12, 16, 20, 24, 40))
        self._hours = chance.random() < 0.03  # hours instead of a minute
        self._length = chance.uniform(3600, 10_000) if self._hours else chance.uniform(15, 90)
        self._likes = {kind: chance.random() < 0.6 for kind in ("cuts", "crashes", "full", "jumps", "users", "admins")}
        self._moods = chance.sample(list(MOODS), k=chance.randint(1, 6))
        self._gentle = chance.random() < 0.15  # home servers have limits, and nothing else happens to mail
        if self._gentle:
            self._moods = list(HEALTHY)
            self._likes.update(dict.fromkeys(("cuts", "crashes", "full", "jumps", "admins"), False))
        self._events: list[Event] = []

    def write(self) -> Story:
        chance = self._chance
        domains = tuple(self._domain(name) for name in ("a.example", "b.example")[: chance.choice((1, 1, 1, 2))])
        senders = tuple(
            Habits(
                pipelines=chance.random() < 0.3,
                hurried=chance.choice((0, 0, 0.1, 0.3)),
                retry=chance.choice((0.5, 2, 5)),
                keeps=chance.choice((0.0, 0.5, 0.95)),
                leaves=chance.choice(("quit", "quit", "closes", "early")),
            )
            for _ in range(chance.randint(1, 3))
        )
        for number in range(1, self._letters + 1):
            self._letter(number, chance.choice(domains), len(senders))
        self._trouble(domains)
        quick = not self._hours
        home: dict[str, float] = {
            "connect_timeout": 3,
            "reply_timeout": 3,
            "message_timeout": 5,
            "probe_interval": 5 if quick else 60,
            "recovery_probes": chance.choice((1, 2)),
            "connections": chance.choice((1, 2, 3, 10)),
        }
        retry: dict[str, float] = {"first": chance.choice((1, 5, 30)), "longest": 60}
        if chance.random() < 0.1:
            retry["give_up"] = chance.choice((5, 60))
        self._events.sort(key=lambda event: event.at)
        return Story(self._seed, domains, senders, tuple(self._events), home, retry, self._gentle)

    def _add(self, at: float, what: str, who: str = "", *how: Any) -> None:
        self._events.append(Event(round(at, 3), what, who, how))

    def _domain(self, name: str) -> DomainPlan:
        chance = self._chance
        hosts = tuple(f"home{number}.{name}" for number in range(1, chance.choice((1, 1, 2)) + 1))
        settings = {"home": ",".join(hosts), "home-tls": "off"}
        rare = (
            ("redirect-on", "outage", 0.2),
            ("unregistered", "hold", 0.4),
            ("relay-check", "on", 0.2),
            ("retention-days", "0", 0.1),
            ("mode", "optional", 0.15),
            ("continuity", "off", 0.04),
        )
        settings.update({key: value for key, value, chances in rare if chance.random() < chances})
        if random.Random(f"{self._seed} {name} kept").random() < 0.4:  # so that all else is as without it
            settings["kept-days"] = "0"
        if random.Random(f"{self._seed} {name} home-imap").random() < 0.35:
            settings["home-imap"] = f"imap://{{user}}:{PASSWORD}@imap.{name}?tls=off"
        users = tuple(f"{each}@{name}" for each in _NAMES[: chance.randint(1, 4)])
        aliases = tuple((user, f"{user[:3]}.alias@{name}") for user in users if chance.random() < 0.3)
        strangers = (f"new@{name}", f"lee@{name}")
        return DomainPlan(name, hosts, tuple(settings.items()), users, aliases, strangers)

    def _letter(self, number: int, domain: DomainPlan, senders: int, at: float | None = None) -> None:
        chance = self._chance
        recipients = chance.choices(domain.users, k=chance.choice((1, 1, 1, 1, 2, 3)))
        for place, recipient in enumerate(recipients):
            fate = chance.random()
            if fate < 0.1:
                local, _, name = recipient.partition("@")
                recipients[place] = f"{local}+{chance.choice('xy')}@{name}"
            elif fate < 0.2 and dict(domain.aliases).get(recipient):
                recipients[place] = dict(domain.aliases)[recipient]
            elif fate < 0.28:
                recipients[place] = chance.choice(domain.strangers)
            elif fate < 0.31:
                recipients[place] = f"{NOBODY}@{domain.name}"
            elif fate < 0.33:
                recipients[place] = f"postmaster@{domain.name}"
        octets = chance.choice((0, 50, 300, 300, 300, 5000, 70_000)) if chance.random() < 0.997 else 1_150_000
        reverse_path = chance.choice(("c@client.example", "c@client.example", "d@client.example", ""))
        self._add(
            chance.uniform(0, self._length) if at is None else at,
            "letter",
            f"sender {chance.randrange(senders)}",
            number,
            reverse_path,
            tuple(dict.fromkeys(recipients)),
            octets,
            chance.choice((2, 3)) if len(recipients) == 1 and chance.random() < 0.15 else 1,
        )

    def _trouble(self, domains: tuple[DomainPlan, ...]) -> None:
        chance, likes = self._chance, self._likes
        hosts = [host for domain in domains for host in domain.hosts]
        for host in hosts:
            at = 0.0 if chance.random() < 0.5 else chance.uniform(0, self._length)
            while at < self._length:
                kinds = self._moods if self._gentle or chance.random() < 0.6 else LIKELY
                self._add(at, "mood", host, chance.choice(kinds) if chance.random() < 0.7 else "well")
                at += chance.expovariate(1 / (self._length / 4))
        if likes["cuts"]:
            for _ in range(chance.randint(1, 3)):
                weather = Weather(
                    chance.choice((0.0, 0.1, 0.4)), chance.choice((0.0, 0.05, 0.2)), chance.choice((0.001, 0.02, 0.5))
                )
                self._add(self._moment(), "weather", "", weather.cut, weather.hush, weather.latency)
        if likes["crashes"]:
            for _ in range(chance.choice((1, 1, 2, 3))):
                how = chance.choice(("power", "power", "kill", "stop"))
                unit = chance.choice(("turn", "write"))
                after = int(1.5 ** (chance.random() * 17)) if unit == "write" else int(1.5 ** (chance.random() * 20))
                down = chance.choice((0.0, 1.0, 20.0))
                self._add(self._moment(), "crash", "", how, unit, after, down)
        if likes["full"]:
            for _ in range(chance.randint(1, 2)):
                room = chance.choice((0, int(1.5 ** (chance.random() * 34))))
                self._add(self._moment(), "full", "", room, round(chance.expovariate(1 / 10), 3))
        if likes["jumps"]:
            for _ in range(chance.randint(1, 2)):
                self._add(self._moment(), "jump", "", chance.choice((-3600, -700, -30, -1, 1, 30, 700, 3600)))
        if chance.random() < 0.3:  # ten days ahead or back, for a moment or for longer than that can be a mistake
            begin, days = self._moment(), chance.choice((-864000, 864000))
            self._add(begin, "jump", "", days)
            self._add(begin + chance.choice((1.0, 12.0, 90.0, 400.0)), "jump", "", -days)
        for domain in domains:
            if likes["users"]:
                for _ in range(chance.randint(1, 5)):
                    deeds = tuple(self._deed() for _ in range(chance.randint(1, 5)))
                    self._add(self._moment(), "reads", chance.choice(domain.users), deeds)
            if likes["admins"]:
                for _ in range(chance.randint(1, 3)):
                    self._administrator(domain)
        if not self._gentle and chance.random() < 0.15:
            self._refused_return(chance.choice(domains))
        if not self._gentle and chance.random() < 0.3:
            self._declared(chance.choice(domains))
        if not self._gentle and chance.random() < 0.15:
            self._merge(chance.choice(domains))
        if not self._gentle and self._likes["admins"]:
            self._taken_out(domains[-1])
        self._sending(domains)
        self._writing(domains)
        self._archive(domains)
        self._readers_of_the_archive(domains)
        self._at_moments(domains)
        self._told(domains[0])
        for domain in domains:
            if "home-imap" in dict(domain.settings):
                self._imap(domain)

    def _refused_return(self, domain: DomainPlan) -> None:
        """An outage, and a home server that is back and refuses what it is given: the flush has to pause."""
        chance = self._chance
        begin = chance.uniform(0, self._length / 3)
        back = begin + chance.uniform(10, 30)
        mood = chance.choice(("refuses messages", "refuses messages", "refuses recipients", "refuses vaguely"))
        for host in domain.hosts:
            self._add(begin, "mood", host, "does not answer")
            self._add(back, "mood", host, mood)
        for number in range(self._letters + 1, self._letters + 1 + chance.randint(2, 6)):
            self._letter(number, domain, 1, chance.uniform(begin, back))
            self._letters = number

    def _declared(self, domain: DomainPlan) -> None:
        """A planned outage, a home server that is cut off, or a drill, with mail meanwhile and afterwards."""
        chance = self._chance
        begin = chance.uniform(0, self._length * 0.7)
        lasts = chance.choice((5, 15, 40))
        for number in range(self._letters + 1, self._letters + 1 + chance.randint(2, 6)):
            self._letter(number, domain, 1, chance.uniform(begin, begin + 1.5 * lasts))
            self._letters = number
        kind = chance.choice(("plan", "contain", "contain", "drill"))
        if kind == "plan":
            soon = chance.choice((0, 3, 10))
            self._operation(begin, domain, "domain plan", begin=f"{soon}s", until=f"{soon + lasts}s")
        elif kind == "contain":
            self._operation(begin, domain, "contain on")
            self._operation(begin + lasts, domain, "contain off")
            self._operation(begin + lasts * chance.uniform(1.2, 3), domain, "contain release")
        else:
            users = chance.sample(domain.users, k=chance.randint(1, len(domain.users)))
            self._operation(begin, domain, "drill", user=users, lasts=f"{lasts}s")
        if chance.random() < 0.3:
            early = {"plan": "domain plan end", "contain": "contain off", "drill": "drill end"}[kind]
            self._operation(begin + lasts * chance.random(), domain, early)
        if chance.random() < 0.5:
            self._add(begin + lasts * chance.random(), "admin", domain.name, "queue retry", ())

    def _sending(self, domains: tuple[DomainPlan, ...]) -> None:
        """Users send, to each other, to the world and to addresses that nobody has; the world has moods, too."""
        chance = random.Random(f"{self._seed} sending")  # so that all else is as without it
        if self._gentle or chance.random() >= 0.25:
            return
        users = [user for domain in domains for user in domain.users]
        away = [f"{local}@world.example" for local in ("zoe", "yan", NOBODY)]
        for number in range(FIRST_SENT, FIRST_SENT + chance.randint(2, 10)):
            author = chance.choice(users)
            to = chance.choices([*users, *away, f"{NOBODY}@{domains[0].name}"], k=chance.choice((1, 1, 2, 3)))
            octets = chance.choice((0, 300, 300, 5000))
            self._add(chance.uniform(0, self._length), "sends", author, number, tuple(dict.fromkeys(to)), octets)
        moods = chance.sample(list(MOODS), k=chance.randint(1, 4))
        at = 0.0
        while at < self._length:
            self._add(at, "mood", EXCHANGER, chance.choice(moods) if chance.random() < 0.6 else "well")
            at += chance.expovariate(1 / (self._length / 3))

    def _writing(self, domains: tuple[DomainPlan, ...]) -> None:
        """Users write by webmail, call back what they have sent, and send it again; the process dies meanwhile."""
        chance = random.Random(f"{self._seed} outbox")  # so that all else is as without it
        if self._gentle or chance.random() >= 0.2:
            return
        users = [user for domain in domains for user in domain.users]
        away = ["zoe@world.example", "yan@world.example", f"{NOBODY}@world.example"]
        for number in range(FIRST_WRITTEN, FIRST_WRITTEN + chance.randint(1, 6)):
            author, at = chance.choice(users), chance.uniform(0, self._length)
            to = tuple(dict.fromkeys(chance.choices([*users, *away], k=chance.choice((1, 1, 2, 3)))))
            undo = chance.choice((0.0, 0.0, chance.uniform(0, 9), chance.uniform(9.5, 11.0)))
            self._add(at, "writes", author, number, to, round(undo, 3), chance.random() < 0.5)
            if self._likes["crashes"] and chance.random() < 0.6:  # before it leaves, while it does, or behind that
                how, unit = chance.choice(("power", "power", "kill", "stop")), chance.choice(("turn", "write"))
                after = int(1.5 ** (chance.random() * (9 if unit == "write" else 12)))
                moment = at + chance.choice((chance.uniform(0, 1), chance.uniform(0, 10), chance.uniform(9.9, 12.5)))
                self._add(moment, "crash", "", how, unit, after, chance.choice((0.0, 1.0, 20.0)))

    def _archive(self, domains: tuple[DomainPlan, ...]) -> None:
        """A hold, a purge while the domain keeps nothing, another one when it does again; or a release, twice."""
        chance = random.Random(f"{self._seed} archive")  # so that all else is as without it
        domain = chance.choice(domains)
        of = (("domain", domain.name),)
        kind = chance.random()
        begin = chance.uniform(self._length / 4, self._length)
        if kind < 0.2:
            for user in chance.sample(domain.users, k=chance.randint(0, len(domain.users))):
                self._add(chance.uniform(0, begin), "admin", domain.name, "archive hold", (("user", user),))
            self._add(begin, "admin", domain.name, "domain set", _settings(domain, "0"))
            self._add(begin + chance.uniform(0.1, 5), "admin", domain.name, "archive purge", of)
            self._add(begin + chance.uniform(5, 15), "admin", domain.name, "domain set", _settings(domain, "90"))
            if chance.random() < 0.3:
                self._add(begin + 16, "admin", domain.name, "archive hold lift", (("which", chance.randrange(5)),))
            self._add(begin + chance.uniform(20, 30), "admin", domain.name, "archive purge", of)
        elif kind < 0.4 and not self._gentle:
            for _ in range(2):
                arguments = (("query", "letter"), *of)
                self._add(begin, "admin", domain.name, "archive release found", arguments)
                begin += chance.uniform(0.1, 30)

    def _readers_of_the_archive(self, domains: tuple[DomainPlan, ...]) -> None:
        """Users look into Email Archive, copy out of it, and try to change it."""
        chance = random.Random(f"{self._seed} email archive")
        if chance.random() < 0.4:
            for _ in range(chance.randint(1, 4)):
                verbs = chance.choices(("read", "wait", "copy", "see", "append"), k=chance.randint(1, 3))
                deeds = tuple((verb, EMAIL_ARCHIVE, chance.randrange(10), "INBOX") for verb in verbs)
                at = chance.uniform(self._length / 8, self._length * 1.1)
                self._add(at, "reads", chance.choice(chance.choice(domains).users), deeds)

    def _at_moments(self, domains: tuple[DomainPlan, ...]) -> None:
        """The process dies, or the disk is full, while a segment of the index is made, Email Archive is filled, the
        archive is exported, or a message is appended at home."""
        chance = random.Random(f"{self._seed} moments")  # so that all else is as without it
        hows = ["power", "power", "kill"] * self._likes["crashes"] + ["full"] * self._likes["full"]
        if self._gentle or not hows or chance.random() >= 0.4:
            return
        domain = chance.choice(domains)
        for name in chance.choices(("indexing", "filling", "exporting", "bringing"), k=chance.randint(1, 2)):
            at, how = chance.uniform(0, self._length * 0.8), chance.choice(hows)
            after = int(1.5 ** (chance.random() * (30 if how == "full" else 9))) - 1
            seconds = chance.uniform(0.5, 15) if how == "full" else chance.choice((0.0, 1.0, 20.0))
            self._add(at, "moment", name, how, chance.choice(("turn", "write")), after, round(seconds, 3))
            if name == "exporting":
                of = (("query", "letter"), ("domain", domain.name))
                self._add(at + 0.01, "admin", domain.name, "archive export", of)
            elif name == "filling":
                deeds = (("read", EMAIL_ARCHIVE, chance.randrange(10), "INBOX"),)
                self._add(at + 0.01, "reads", chance.choice(domain.users), deeds)

    def _told(self, domain: DomainPlan) -> None:
        """The process dies as soon as the first users have been told something: it is gone on with, and told once."""
        chance = random.Random(f"{self._seed} told")  # so that all else is as without it
        if self._gentle or not self._likes["crashes"] or chance.random() >= 0.2:
            return
        at, subject = chance.uniform(0, self._length * 0.8), f"News {chance.randrange(1_000_000)}"
        self._add(at, "moment", subject, chance.choice(("power", "kill")), "write", chance.randrange(8), 1.0)
        self._operation(at + 0.01, domain, "domain tell", subject=subject, text=TOLD)

    def _imap(self, domain: DomainPlan) -> None:
        """Home's IMAP door has moods of its own, and its users file and flag what they have."""
        chance = random.Random(f"{self._seed} {domain.name} mailboxes")  # so that all else is as without it
        moods = chance.sample(list(IMAP_MOODS), k=chance.randint(1, 4))
        at = 0.0 if chance.random() < 0.5 else chance.uniform(0, self._length)
        while at < self._length and not self._gentle:
            self._add(at, "mood", f"imap.{domain.name}", chance.choice(moods) if chance.random() < 0.7 else "well")
            at += chance.expovariate(1 / (self._length / 4))
        for _ in range(chance.randint(0, 8) if self._likes["users"] else 0):
            verbs = chance.choices(("move", "see", "unsee", "copy", "file", "refile", "mark"), k=chance.randint(1, 3))
            deeds = tuple((verb, "INBOX", chance.randrange(10), chance.choice(("Archive", "Junk"))) for verb in verbs)
            self._add(chance.uniform(0, self._length * 1.1), "reads", chance.choice(domain.users), deeds)

    def _operation(self, at: float, domain: DomainPlan, operation: str, **arguments: Any) -> None:
        self._add(at, "admin", domain.name, operation, (("name", domain.name), *arguments.items()))

    def _taken_out(self, domain: DomainPlan) -> None:
        """Home answers late, and an administrator takes out of the queue meanwhile what waits for that."""
        chance = random.Random(f"{self._seed} taken out")  # so that all else is as without it
        if chance.random() >= 0.15:
            return
        begin = chance.uniform(0, self._length)
        for host in domain.hosts:
            self._add(begin, "mood", host, chance.choice(("takes and answers late", "takes and answers very late")))
            self._add(begin + chance.uniform(8, 20), "mood", host, "well")
        for _ in range(chance.randint(1, 3)):
            at = begin + chance.uniform(5, 12)
            self._add(at, "admin", domain.name, "queue remove", (("which", chance.randrange(4)),))

    def _merge(self, domain: DomainPlan) -> None:
        """In an outage mail comes for somebody who waits for a password, and turns out to be a user already; all users
        are told something meanwhile."""
        chance = self._chance
        begin = chance.uniform(1, self._length / 3)
        merged = begin + chance.uniform(5, 20)
        user, pending = chance.choice(domain.users), domain.strangers[0]
        self._add(begin - 1, "admin", domain.name, "user add", (("address", pending),))
        for host in domain.hosts:
            self._add(begin, "mood", host, "does not answer")
            self._add(merged + chance.uniform(1, 30), "mood", host, "well")
        for number in range(self._letters + 1, self._letters + 1 + chance.randint(3, 8)):
            to = chance.choice(((pending,), (pending,), (pending, user), (user,)))
            at = round(chance.uniform(begin, merged + 2), 3)
            how = (number, "c@client.example", to, 300, 1)
            self._events.append(Event(at, "letter", "sender 0", how))
            self._letters = number
        self._add(merged, "admin", domain.name, "user alias add", (("address", user), ("alias", pending)))
        told = (("name", domain.name), ("subject", f"News {chance.randrange(1_000_000)}"), ("text", TOLD))
        self._add(merged, "admin", domain.name, "domain tell", told)
        if chance.random() < 0.5:
            after = int(1.5 ** (chance.random() * 17))
            self._add(merged, "crash", "", chance.choice(("power", "kill")), "write", after, 1.0)

    def _moment(self) -> float:
        return self._chance.uniform(0, self._length * 1.1)

    def _deed(self) -> Deed:
        chance = self._chance
        verb = chance.choice(VERBS)
        folder = "INBOX" if chance.random() < 0.7 else chance.choice(FOLDERS)
        target = chance.choice([each for each in FOLDERS if each not in (folder, "Trash")])
        if verb == "trash":
            return ("move", folder if folder != "Trash" else "INBOX", chance.randrange(10), "Trash")
        return (verb, folder, chance.randrange(10), target)

    def _administrator(self, domain: DomainPlan) -> None:
        chance = self._chance
        user = chance.choice(domain.users)
        choices: list[tuple[str, dict[str, Any]]] = [
            ("queue retry", {}),
            ("queue retry", {}),
            ("queue remove", {"which": chance.randrange(10)}),
            ("domain set", {"settings": {"mode": "enabled"}, "until": f"{chance.choice((5, 30, 120))}s"}),
            ("domain set", {"settings": {"mode": chance.choice(("disabled", "optional", "enabled"))}}),
            ("domain set", {"settings": {"continuity": chance.choice(("on", "off"))}}),
            ("domain set", {"settings": {"unregistered": chance.choice(("hold", "defer"))}}),
            ("domain set", {"settings": {"home": ",".join(reversed(domain.hosts))}}),
            ("user deactivate", {"address": user}),
            ("user activate", {"address": user}),
            ("user remove", {"address": user, "force": chance.random() < 0.5}),
            ("user continuity", {"address": user, "on": chance.random() < 0.7}),
            ("user add", {"address": domain.strangers[0], "password": "secret"}),
            ("user alias add", {"address": user, "alias": domain.strangers[1]}),
            ("user alias add", {"address": user, "alias": domain.strangers[0]}),
            ("user adopt", {"domain": domain.name, "addresses": list(domain.strangers)}),
            (
                "domain tell",
                {"name": domain.name, "subject": f"News {chance.randrange(1_000_000)}", "text": TOLD},
            ),
            ("status", {}),
            ("track", {}),
            ("archive search", {}),
        ]
        operation, arguments = chance.choice(choices)
        if operation == "domain set":
            arguments = {"name": domain.name, **arguments}
        self._add(self._moment(), "admin", domain.name, operation, tuple(arguments.items()))
