"""A story, played: the service on its machine, home servers, mail servers, users and administrators, and an auditor."""

from __future__ import annotations

import gc
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model import settings
from mpcontinuity.model.errors import Refused, Stopping, Temporary
from tests.simulation.audit import Audit
from tests.simulation.finding import look_for_all
from tests.simulation.hearing import subscribers, told
from tests.simulation.home import Home, Host
from tests.simulation.machine import Deaths, Machine
from tests.simulation.mailboxes import Mailboxes
from tests.simulation.network import Network, Weather
from tests.simulation.outbox import Writing
from tests.simulation.process import EXCHANGER, Process
from tests.simulation.reader import Deed, Owner, ReaderSession
from tests.simulation.sender import Habits, Letter, Sender, SenderSession
from tests.simulation.story import Event, Story
from tests.simulation.world import World

LOOK = 2.0  # seconds between two looks of the auditor
BOUND = 2 * 3600.0  # seconds after all heals within which everything is where it belongs
_CLOCK_BELIEVED = 600.0  # until a clock that was set back is believed, and what lies too far ahead is due
BOOT_AGAIN = 5.0
STOP_WITHIN = 10.0  # contract: SIGTERM
START_WITHIN = 60.0


@dataclass
class Result:
    """``faults``: what was found wrong. ``simulated``: seconds."""

    seed: int
    faults: list[str]
    simulated: float
    fingerprint: str
    trace: list[str] = field(default_factory=list)


class Play:
    """One run of a story."""

    def __init__(self, story: Story, *, traced: bool = False, look: float = LOOK) -> None:
        """``look`` is the seconds between two looks of the auditor."""
        self.story = story
        self._look_every = look
        self.world = World(story.seed, traced=traced)
        self.machine = Machine(self.world)
        self.network = Network(self.world)
        self.homes = {domain.name: Home(self.world, domain.name) for domain in story.domains}
        self.hosts: dict[str, Host | Mailboxes] = {
            host: Host(self.homes[plan.name], host) for plan in story.domains for host in plan.hosts
        }
        for plan in story.domains:
            boxes = Mailboxes(self.world, plan.name, {alias: user for user, alias in plan.aliases})
            boxes.on_append = lambda: self._moment("bringing")
            self.homes[plan.name].mailboxes = self.hosts[boxes.name] = boxes
        self.exchanger = Home(self.world, "world.example", ours=False)  # all mail servers of the world
        self.hosts[EXCHANGER] = Host(self.exchanger, EXCHANGER)
        self.letters: dict[int, Letter] = {}
        self.sent: dict[int, Letter] = {}  # by users
        self._sends = any(event.what in ("sends", "writes") for event in story.events)
        self.writing = Writing(self)
        self._clients: dict[str, Sender] = {}  # by user
        self.owners = {user: Owner(user) for plan in story.domains for user in plan.users}
        self.senders = [Sender(self.world, number, habits, self._dial) for number, habits in enumerate(story.senders)]
        self.deaths = Deaths()
        self.removing: set[str] = set()  # users whom an administrator wanted removed
        self.releasing: set[int] = set()  # owed rows that one wanted released
        self.unrecorded: set[str] = set()  # messages that home took while our store failed
        self.faults: list[str] = []
        self.states: list[tuple[float, str]] = []  # of home servers, with the seconds when they began
        self.process: Process | None = None
        self._buried: list[Process] = []
        self._crash: tuple[str, int] = ("", 0)  # how, and in how many turns
        self._down = 0.0
        self._moments: dict[str, tuple[str, str, int, float]] = {}  # what is to happen then
        self._stopped = 0
        self._asked_to_stop: Process | None = None
        self._audit = Audit(self)
        self._settings = settings.Settings(home=settings.Home(**story.home), retry=settings.Retry(**story.retry))  # type: ignore[arg-type]
        for host in self.hosts.values():
            self.network.listen(host.name, host.accept)
        for home in self.homes.values():
            home.on_taken = self._audit.taken
        self.exchanger.on_taken = self._audit.sent.taken
        for home in self.homes.values():
            home.on_sent = self._audit.filing.sent
        for plan in story.domains:
            self.network.listen(plan.name, lambda life: None)

    def run(self) -> Result:
        # What an earlier story left behind says its last words when it is collected: not into this one.
        collects = gc.isenabled()
        gc.disable()
        try:
            with mock.patch.object(Logger, "emit", self._logged):
                self._run()
        finally:
            self.machine.close()
            if collects:
                gc.enable()
        world = self.world
        return Result(self.story.seed, self.faults, world.now, world.fingerprint(), world.trace)

    def fault(self, text: str) -> None:
        self.world.note("FAULT", text)
        if text not in self.faults:
            self.faults.append(text)

    def _run(self) -> None:
        self._begin()
        begun = self.world.now
        for event in self.story.events:
            self.world.at(begun + event.at, self._happens, event)
        end = begun + max((event.at for event in self.story.events), default=0.0) + 10
        while self.world.now < end and not self.faults:
            self._live(min(self._look_every, end - self.world.now))
        if not self.faults:
            self._end_well()

    def _begin(self) -> None:
        """A service that runs, with its domains and users."""
        self._boot()
        assert self.process is not None, self.faults
        for plan in self.story.domains:
            given = dict(plan.settings)
            home = given.pop("home")
            self._await(OPERATIONS["domain add"], {"name": plan.name, "home": home, "settings": given})
            aliases = dict(plan.aliases)
            for user in plan.users:
                more = {"aliases": [aliases[user]]} if user in aliases else {}
                self._await(OPERATIONS["user add"], {"address": user, "password": "secret", **more})
            for subscriber in subscribers(plan):
                self._await(OPERATIONS["alert add"], {"domain": plan.name, "email": subscriber})

    def _await(self, operation: Any, arguments: dict[str, Any]) -> Any:
        assert self.process is not None
        return self.machine.wait(operation(self.process.control, arguments), 600)

    # Time goes on

    def _live(self, seconds: float) -> None:
        """Lets time pass, through the ends and beginnings of processes; then the auditor looks."""
        world, machine = self.world, self.machine
        until = world.now + seconds
        while world.now < until and not self.faults:
            if not machine.on:
                self._died()
            elif not world.step(until):
                break
            else:
                if machine.on and self.process is not None and not self.process.stops:
                    self._audit.filing.look()
                    self._look_for_news()
                if self._crash[0]:
                    self._maybe_crash()
        if self.process is not None and machine.on and not self.process.stops:  # its database may be closed by now
            self._audit.look()

    def _look_for_news(self) -> None:
        """That the first users are told something is a moment of that subject."""
        for subject in [name for name in self._moments if name.startswith("News ")]:
            if self.machine.look(partial(told, subject=subject)):
                self._moment(subject)

    def _maybe_crash(self) -> None:
        how, turns = self._crash
        if turns >= 0:
            self._crash = (how, turns - 1)
            if turns == 0:
                self.world.note(f"{how} at this turn")
                self.machine.life.dead = True

    def _died(self) -> None:
        """The process is gone, in the middle of whatever it did; the machine comes up again later."""
        how = self._crash[0] or "power"
        self._crash = ("", 0)
        self._end_process(power=how == "power")
        self.world.later(self._down, self.world.nobody, self._boot)

    def _end_process(self, *, power: bool) -> None:
        life = self.machine.life
        self.deaths.of[life.number] = self.world.now
        if self.process is not None:
            self._buried.append(self.process)
            self.process = None
        self.network.dies(life)
        self.machine.switch_off(power=power)

    def _boot(self) -> None:
        if self.process is not None or not self.machine.on:
            return
        self.world.note(f"process {self.machine.life.number} starts")
        try:
            process = Process(
                self.machine,
                self.network,
                self._settings,
                sends=self._sends,
                numbers=self.writing.numbers,
                moment=self._moment,
            )
        except Exception as error:
            self._not_started(error)
            return
        self.process = process
        if problems := self.machine.check_database():
            self.fault(f"the database is damaged: {problems}")
        Deferred.fromCoroutine(process.start()).addCallbacks(
            lambda _: self._started(process), lambda failure: self._not_started(failure.value)
        )

    def _started(self, process: Process) -> None:
        if process is self.process:
            self._audit.started()

    def _not_started(self, error: BaseException) -> None:
        """As in app.service: the process ends, and whoever watches it tries again."""
        self.world.note(f"cannot start: {error!r}")
        if not self.machine.on:  # power failed meanwhile
            return
        if isinstance(error, Stopping) and self._asked_to_stop is self.process:  # SIGTERM came before it had begun
            return
        if not self._disk_troubled():
            self.fault(f"the service cannot start: {error!r}")
            return
        self._crash = ("", 0)
        self._end_process(power=False)
        self.world.later(BOOT_AGAIN, self.world.nobody, self._boot)

    def _disk_troubled(self) -> bool:
        now = self.world.now
        return self.machine.disk.room is not None or self.deaths.full_between(now - 10, now)

    # What happens

    def _happens(self, event: Event) -> None:
        self.world.note(str(event).strip())
        getattr(self, "happens_" + event.what)(event.who, *event.how)

    def happens_letter(
        self, sender: str, number: int, reverse_path: str, recipients: tuple[str, ...], octets: int, times: int = 1
    ) -> None:
        chance = self.world.chance("letter", number)
        lines = b"".join(
            chance.choices((b".\r\n", b"..x\r\n", b"text\r\n", b"x" * 900 + b"\r\n"), k=octets // 225 + bool(octets))
        )
        head = b"From: <%s>\r\nTo: %s\r\nSubject: letter %d\r\nMessage-ID: <%d@client.example>\r\n\r\n"
        content = head % (reverse_path.encode(), ", ".join(recipients).encode(), number, number) + lines
        letter = Letter(number, reverse_path, recipients, content, list(recipients), times=times)
        homes = [self.homes.get(recipient.partition("@")[2]) for recipient in recipients]
        if all(home is not None and home.chunks for home in homes) and chance.random() < 0.3:
            letter.bare = True
            letter.content += chance.choice(
                (b"a bare LF\n.\nQUIT\r\n", b"a bare CR\r.\r\n", b"a bare CR at the end\r", b"\n")
            )
        letter.chunked = letter.bare or chance.random() < 0.3
        self.letters[number] = letter
        self.senders[int(sender.split()[1])].post(letter)

    def happens_sends(self, user: str, number: int, recipients: tuple[str, ...], octets: int) -> None:
        chance = self.world.chance("sent", number)
        if user not in self._clients:
            habits = Habits(chance.random() < 0.5, chance.choice((0, 0.1, 0.3)), keeps=chance.random())
            self._clients[user] = Sender(self.world, 100 + len(self._clients), habits, self._dial, login=user)
        head = (
            b"Date: Mon, 21 Sep 2026 13:33:20 +0000\r\nFrom: <%s>\r\nTo: %s\r\n"
            b"Subject: sent letter %d\r\nMessage-ID: <%d@client.example>\r\n\r\n"
        )
        content = head % (user.encode(), ", ".join(recipients).encode(), number, number)
        content += b"".join(chance.choices((b".\r\n", b"text\r\n", b"x" * 900 + b"\r\n"), k=octets // 300))
        letter = Letter(number, user, recipients, content, list(recipients), chunked=chance.random() < 0.3)
        self.sent[number] = letter
        self._clients[user].post(letter)

    def happens_writes(self, user: str, number: int, recipients: tuple[str, ...], undo: float, again: bool) -> None:
        process = self.process
        if process is None or not process.serves or not self.machine.on:
            return
        written = Deferred.fromCoroutine(self.writing.write(process, user, number, recipients, undo, again))
        written.addErrback(self._asked, "webmail")

    def _dial(self, session: SenderSession) -> bool:
        process = self.process
        if process is None or not process.serves or not self.machine.on:
            return False
        session.life = process.life.number
        name, peer = session._sender.name, session._sender.address
        door = process.submission if session._sender.login else process.smtp
        self.network.join(name, session, self.world.nobody, door.buildProtocol(None), process.life, peer)
        return True

    def happens_mood(self, host: str, mood: str) -> None:
        self.hosts[host].change_mood(mood)

    def happens_names(self, host: str, what: str) -> None:
        """DNS ``fails`` to tell the host's name, is ``well`` again, or has a new address for it, where it is now."""
        if what == "fails":
            self.network.unknown.add(host)
        elif what == "well":
            self.network.unknown.discard(host)
        else:
            self.network.move(host, what)

    def happens_weather(self, _: str, cut: float, hush: float, latency: float) -> None:
        self.network.weather = Weather(cut, hush, latency)

    def happens_crash(self, _: str, how: str, unit: str, after: int, down: float) -> None:
        if self.process is None or not self.machine.on:
            return
        self._down = down
        if how == "stop":
            if self._asked_to_stop is not self.process:  # a second SIGTERM changes nothing
                self._stop()
        elif unit == "write":
            self._crash = (how, -1)
            self.machine.disk.fail_after(after)
        else:
            self._crash = (how, after)

    def happens_moment(self, name: str, how: str, unit: str, after: int, seconds: float) -> None:
        """As soon as that is done next, the process dies as `happens_crash` has it, or the disk is ``full``."""
        self._moments[name] = (how, unit, after, seconds)

    def _moment(self, name: str) -> None:
        how, unit, after, seconds = self._moments.pop(name, ("", "", 0, 0.0))
        if how:
            self.world.note(f"{how} while {name}")
        if how == "full":
            self.happens_full("", after, seconds)
        elif how:
            self.happens_crash("", how, unit, after, seconds)

    def _stop(self) -> None:
        self._asked_to_stop = process = self.process
        assert process is not None
        begun = self.world.now

        def stopped(failure: Failure | None) -> None:
            if process is not self.process or not self.machine.on:
                return
            if failure is not None and not self._disk_troubled():
                self.fault(f"the service cannot stop: {failure.value!r}")
            if self.world.now - begun > STOP_WITHIN:
                self.fault(f"the service took {self.world.now - begun:.1f} s to stop")
            self._crash = ("", 0)
            self._end_process(power=False)
            self.world.later(self._down, self.world.nobody, self._boot)
            self._stopped += 1

        Deferred.fromCoroutine(process.stop()).addCallbacks(lambda _: stopped(None), stopped)

    def happens_full(self, _: str, room: int, seconds: float) -> None:
        """No more than ``room`` octets for a while."""
        self.machine.disk.room = room
        now = self.world.now
        self.deaths.full.append((now, now + seconds))
        self.world.at(now + seconds, self._make_room)

    def _make_room(self) -> None:
        if not self.deaths.full_between(self.world.now + 0.001, self.world.now + 0.001):
            self.machine.disk.room = None

    def happens_jump(self, _: str, seconds: float) -> None:
        self.machine.wall.jump(seconds)

    def happens_reads(self, user: str, deeds: tuple[Deed, ...]) -> None:
        process = self.process
        if process is None or not process.serves or not self.machine.on:
            return
        owner = self.owners[user]
        session = ReaderSession(self.world, owner, deeds, check=self._audit.shown, fault=self.fault)
        door = process.imap.buildProtocol(None)
        self.network.join(f"client of {user}", session, self.world.nobody, door, process.life, "203.0.113.1")

    def happens_admin(self, domain: str, operation: str, arguments: tuple[tuple[str, Any], ...]) -> None:
        process = self.process
        if process is None or not process.serves or not self.machine.on:
            return
        asked = Deferred.fromCoroutine(self._ask(process, operation, dict(arguments)))
        asked.addErrback(self._asked, operation)

    async def _ask(self, process: Process, operation: str, arguments: dict[str, Any]) -> None:
        if operation == "queue remove":
            rows = await OPERATIONS["queue list"](process.control, {})
            if not rows:
                return
            row = rows[arguments["which"] % len(rows)]
            arguments = {"ids": [row.id]}
            self._audit.releasing(row.id)
        elif operation == "user remove":
            self.removing.add(arguments["address"])
        elif operation == "archive search":
            await look_for_all(process, self.fault)
            return
        elif operation == "archive hold lift":
            holds = await OPERATIONS["archive hold list"](process.control, {})
            if not holds:
                return
            arguments = {"id": holds[arguments["which"] % len(holds)].id}
        self._audit.declared.asked(operation, arguments)
        self._audit.held.asked(operation, arguments)
        if operation == "archive export":
            self._moment("exporting")
        await OPERATIONS[operation](process.control, arguments)
        self._audit.declared.answered(operation, arguments)
        self._audit.held.answered(operation, arguments)

    def _asked(self, failure: Failure, operation: str) -> None:
        self.world.note(f"{operation}: {failure.value}")
        if not isinstance(failure.value, Refused | Temporary | Stopping) and self.machine.on:
            self.fault(f"{operation} broke: {failure.getTraceback()}")

    # The end

    def _end_well(self) -> None:
        """Everything heals: within a bound all that was answered is where it belongs, and nothing is left over."""
        self.world.note("all heals")
        for host in self.hosts.values():
            host.change_mood("well")
        self.network.calm()
        self.machine.disk.room = None
        self.machine.disk.fail_after(-1)
        self._crash = ("", 0)
        self._moments.clear()
        self._down = 0.0
        while (self.process is None or not self.machine.on) and not self.faults:
            self._live(1.0)
        if self.faults or self.process is None:
            return
        for plan in self.story.domains:
            healed = {"mode": "disabled", "continuity": "on"}
            self._declare("domain set", name=plan.name, settings=healed)
            for operation in ("domain plan end", "contain off", "contain release", "drill end"):
                with suppress(Refused):
                    self._declare(operation, name=plan.name)
        end = self.world.now + BOUND + _CLOCK_BELIEVED
        self.network.calm()
        while self.world.now < end and not self.faults and not self._audit.settled():
            self._live(5.0)
        if not self.faults:
            self._live(40.0)  # timers of what has ended
            self._audit.end()
            self.machine.wait(look_for_all(self.process, self.fault), 600)
        if not self.faults:
            self._stop()
            stopped = self._stopped
            self._live(STOP_WITHIN + 1)
            if self._stopped == stopped and not self.faults:
                self.fault("the service does not stop")

    def _declare(self, operation: str, **arguments: Any) -> None:
        self._audit.declared.asked(operation, arguments)
        self._await(OPERATIONS[operation], arguments)
        self._audit.declared.answered(operation, arguments)

    # What the service says of itself

    def _logged(self, level: Any, format: str | None = None, **event: Any) -> None:
        """Instead of Logger.emit: a failure that nobody expected is a fault of the service."""
        if self.world.traced and level is not LogLevel.debug:
            self.world.note("log:", (format or "").format_map(_Any(event)))
        if format == "home server of {domain} is {state}{because}":
            self.states.append((self.world.now, event["state"]))
        if format == "redelivery to {domain} paused: {reason}":
            self._audit.paused(event["domain"])
        if level is not LogLevel.critical:
            return
        if "message" in event and "was taken by its home server" in (format or ""):
            self.unrecorded.add(event["message"])
            return
        failure = event.get("log_failure")
        if self.machine.life.dead or self._disk_troubled():
            return
        reason = failure.getTraceback() if failure is not None else ""
        self.fault(f"the service logs a failure: {(format or '').format_map(_Any(event))} {reason}")


class _Any(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"
