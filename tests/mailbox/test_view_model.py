"""Several sessions and a plain model: whatever happens in whatever order, every client ends with what is stored."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from twisted.internet.defer import Deferred

from mpcontinuity.mailbox import change
from mpcontinuity.mailbox.view import Exists, Expunge, FlagsChanged, KeywordsChanged, View, Views
from mpcontinuity.model import uidset
from mpcontinuity.model.flags import DELETED, FLAGGED, SEEN
from tests.fakes.stores import Chosen, open_memory_like_store, result
from tests.mailbox.conftest import _PACK, User
from tests.mailbox.test_view import Paced

BOXES = ("INBOX", "Archive")
boxes = st.sampled_from(BOXES)
masks = st.sampled_from([0, SEEN, FLAGGED, DELETED, SEEN | DELETED])
hows = st.sampled_from(["add", "remove", "replace"])
sets = st.lists(st.integers(1, 12), max_size=4).map(uidset.of) | st.just(((1, 0xFFFFFFFF),))
words = st.sampled_from([(), (), ("work",), ("home", "Work")])


class Client:
    """What a mail client holds of a mailbox: UIDs and flags by message number, changed by what it is told alone."""

    def __init__(self, name: str, seen: View) -> None:
        self.name = name
        self.view = seen
        self.messages: list[list[int]] = []
        self._fetch()

    def _fetch(self) -> None:
        for number in range(len(self.messages) + 1, self.view.exists + 1):
            self.messages.append([self.view.uid(number), self.view.flags(number)])

    def poll(self, expunges: bool) -> None:
        updates = self.view.poll(expunges)
        for update in updates:
            match update:
                case Expunge(sequence):
                    assert expunges
                    del self.messages[sequence - 1]
                case Exists(count):
                    assert count > len(self.messages)
                    self._fetch()
                    assert count == len(self.messages)
                case FlagsChanged(sequence, uid, flags, _):
                    assert self.messages[sequence - 1][0] == uid
                    self.messages[sequence - 1][1] = flags
                case KeywordsChanged():
                    pass
                case _:
                    raise AssertionError(update)
        assert [uid for uid, _ in self.messages] == list(self.view.uids())


class Sessions(RuleBasedStateMachine):
    clients = Bundle("clients")

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_memory_like_store(Path(self.folder.name))
        result(self.store.run(lambda tx: tx.run(_PACK)))
        self.user = User(self.store)
        self.paced = Paced(self.store)
        self.views = Views(self.paced)  # type: ignore[arg-type]
        self.ids = {name: self.user.mailbox(name) for name in BOXES}
        # The model: per mailbox UID -> [flags, body], the highest UID ever, the highest modseq.
        self.model: dict[str, dict[int, list[int]]] = {name: {} for name in BOXES}
        self.highest = dict.fromkeys(BOXES, 0)
        self.modseq = {name: self.user.info(name).modseq for name in BOXES}

    def _added(self, name: str, uids: list[int], messages: list[list[int]]) -> None:
        for uid, message in zip(uids, messages, strict=True):
            assert uid > self.highest[name]
            self.highest[name] = uid
            self.model[name][uid] = message

    def _named(self, name: str, uids: Any) -> list[int]:
        return [uid for uid in self.model[name] if any(first <= uid <= last for first, last in uids)]

    @rule(name=boxes, count=st.integers(1, 3), mask=masks)
    def deliver(self, name: str, count: int, mask: int) -> None:
        appended = self.user.deliver(count, name, flags=mask)
        uids = list(range(appended.first_uid, appended.last_uid + 1))
        bodies = {row[0]: row[4] for row in self.user.entries(name)}
        self._added(name, uids, [[mask, bodies[uid]] for uid in uids])

    @rule(name=boxes, uids=sets, how=hows, mask=masks, names=words)
    def store_flags(self, name: str, uids: Any, how: Any, mask: int, names: tuple[str, ...]) -> None:
        changed = self.user.run(
            change.store_flags, mailbox=self.ids[name], uids=uids, how=how, flags=mask, keywords=names
        )
        assert [message[0] for message in changed.messages] == self._named(name, uids)
        for uid, flags, _ in changed.messages:
            old = self.model[name][uid][0] & 255
            system = {"add": old | mask, "remove": old & ~mask, "replace": mask}[how]
            assert flags & 255 == system
            self.model[name][uid][0] = flags

    @rule(source=boxes, destination=boxes, uids=sets, moved=st.booleans())
    def copy_or_move(self, source: str, destination: str, uids: Any, moved: bool) -> None:
        named = self._named(source, uids)
        work = change.move if moved else change.copy
        copied = self.user.run(work, source=self.ids[source], uids=uids, target=self.ids[destination])
        assert list(uidset.numbers(copied.sources)) == named
        messages = [list(self.model[source][uid]) for uid in named]
        if moved:
            for uid in named:
                del self.model[source][uid]
        if source != destination:  # keywords have other bits there
            flags = {row[0]: row[1] for row in self.user.entries(destination)}
            for uid, message in zip(uidset.numbers(copied.targets), messages, strict=True):
                assert flags[uid] & 255 == message[0] & 255
                assert bin(flags[uid]).count("1") == bin(message[0]).count("1")
                message[0] = flags[uid]
        self._added(destination, list(uidset.numbers(copied.targets)), messages)

    @rule(name=boxes, uids=sets | st.none())
    def expunge(self, name: str, uids: Any) -> None:
        gone = self.user.run(change.expunge, mailbox=self.ids[name], uids=uids)
        named = self._named(name, uids if uids is not None else ((1, 0xFFFFFFFF),))
        expected = [uid for uid in named if self.model[name][uid][0] & DELETED]
        assert list(uidset.numbers(gone)) == expected
        for uid in expected:
            del self.model[name][uid]

    @rule(target=clients, name=boxes, at_once=st.booleans())
    def open(self, name: str, at_once: bool) -> Any:
        opening = Deferred.fromCoroutine(self.views.open(self.user.info(name)))
        if not at_once and self.paced.waiting:
            self.paced.step()
        self.paced.drain()
        return Client(name, result(opening))

    @rule(client=consumes(clients))
    def close(self, client: Client) -> None:
        client.view.close()

    @rule()
    def read(self) -> None:
        if self.paced.waiting:
            self.paced.step()

    @rule(client=clients, expunges=st.booleans())
    def poll(self, client: Client, expunges: bool) -> None:
        client.poll(expunges)

    @rule(client=clients)
    def converge(self, client: Client) -> None:
        refreshed = client.view.refresh()
        self.paced.drain()
        result(refreshed)
        client.poll(True)
        assert client.messages == [[uid, message[0]] for uid, message in sorted(self.model[client.name].items())]
        assert list(client.view.flags_of_all()) == [message[1] for message in client.messages]

    @invariant()
    def what_is_stored_is_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        self.user.check_counters()
        for name in BOXES:
            stored = {row[0]: [row[1], row[4]] for row in self.user.entries(name)}
            assert stored == dict(sorted(self.model[name].items()))
            info = self.user.info(name)
            assert info.uidnext == self.highest[name] + 1
            assert info.modseq >= self.modseq[name]
            self.modseq[name] = info.modseq

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.paced.drain()
            result(self.store.close())
            self.folder.cleanup()
            Chosen.drop()


TestSessions = Sessions.TestCase
TestSessions.settings = settings(settings.default, max_examples=60, stateful_step_count=40)
