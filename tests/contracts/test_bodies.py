"""What messages in packs and in the database have in common, on every database."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from mpcontinuity.model.body import IN_DATABASE, Body
from mpcontinuity.model.clock import DAY, HOUR, SECOND
from mpcontinuity.model.errors import Corrupt, Full, Stopping
from mpcontinuity.store.bodies import references
from mpcontinuity.store.bodies.draft import Room
from mpcontinuity.store.bodies.pieces import PIECE
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import MESSAGES, Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep.reconcile import reconcile
from mpcontinuity.store.upkeep.retention import sweep
from tests.conftest import DATABASES
from tests.fakes.clock import ManualClock
from tests.fakes.stores import Chosen, open_memory_like_store, result
from tests.store.messages import MEGABYTE, bodies, head, keep

SIZES = [0, 5, 4096, PIECE, 5 * PIECE, 3 * MEGABYTE]

_CONTENT = Statement("SELECT body, piece, data FROM content ORDER BY body, piece")
_DAMAGE = Statement("UPDATE content SET data = :data WHERE body = :body AND piece = :piece")

Open = Callable[..., Store]


@pytest.fixture(params=[(database, messages) for database in DATABASES for messages in MESSAGES], ids=" ".join)
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Open]:
    """Opens the store of this test, once it was opened again."""
    database, messages = request.param
    Chosen.database = database
    stores: list[Store] = []

    def open_it(messages: str = messages, **options: object) -> Store:
        for store in stores:
            result(store.close())
        stores[:] = [open_memory_like_store(tmp_path, clock=clock, messages=messages, **options)]  # type: ignore[arg-type]
        return stores[0]

    yield open_it
    for store in stores:
        result(store.close())


@pytest.fixture
def store(opened: Open) -> Store:
    return opened()


@functools.cache
def text(size: int) -> bytes:
    """No two pieces of it are alike."""
    return b"".join(b"%9d\n" % line for line in range(size // 10 + 1))[:size]


def pieces(store: Store) -> list[tuple[int, int, bytes]]:
    return [(body, piece, bytes(data)) for body, piece, data in result(store.read(lambda tx: tx.all(_CONTENT)))]


def damage(store: Store, body: Body) -> None:
    """Flips a bit of its last octet."""
    end = body.offset + body.length - 1
    if body.pack == IN_DATABASE:
        [data] = [data for number, piece, data in pieces(store) if (number, piece) == (body.id, end // PIECE)]
        changed = bytearray(data)
        changed[end % PIECE] ^= 1
        parameters = {"body": body.id, "piece": end // PIECE, "data": bytes(changed)}
        result(store.run(lambda tx: tx.run(_DAMAGE, **parameters)))
    else:
        path = store.packs.path(body.pack)
        changed = bytearray(path.read_bytes())
        changed[end] ^= 1
        path.write_bytes(changed)


def pass_days(store: Store, clock: ManualClock, days: int) -> None:
    """Days, and rounds of housekeeping at their end."""
    clock.advance(days * DAY / SECOND)
    result(reconcile(store, lambda *_: None))
    for _ in range(3):
        result(sweep(store))
        clock.advance(HOUR / SECOND)


@pytest.mark.parametrize("size", SIZES)
def test_a_message_comes_back_whole_and_in_pieces(opened: Open, size: int) -> None:
    kept = result(keep(opened(), text(size)))
    store = opened()
    assert result(bodies(store)) == [kept]
    assert result(store.bodies.read(kept)) == text(size)
    assert result(store.bodies.read_many([kept])) == [text(size)]
    for start, stop in ((0, 1), (3, 3), (size // 2, size // 2 + PIECE), (size - 2, size + 9)):
        if start >= 0:
            assert result(store.bodies.read(kept, start, stop)) == text(size)[start:stop]
    content = store.bodies.content(kept)
    assert b"".join(result(content.read(start, 50_000)) for start in range(0, size, 50_000)) == text(size)


def test_where_a_message_is_kept_is_what_was_asked_for(opened: Open) -> None:
    store = opened()
    in_database = [body.pack == IN_DATABASE for body in (result(keep(store, text(size))) for size in SIZES)]
    assert len(set(in_database)) == 1
    assert in_database[0] == bool(pieces(store)) == (store.packs.numbers() == [])


def test_many_are_read_at_once_and_a_damaged_one_stops_no_other(store: Store) -> None:
    kept = [result(keep(store, text(size))) for size in (700, 4096, 2 * PIECE, MEGABYTE, 9)]
    for body in kept[1:4]:
        damage(store, body)
    read = result(store.bodies.read_many(kept))
    assert [read[0], read[4]] == [text(700), text(9)]
    assert all(isinstance(one, Corrupt) for one in read[1:4])
    with pytest.raises(Corrupt, match="checksum"):
        result(store.bodies.read(kept[1]))
    content = store.bodies.content(kept[3])
    for start in range(0, 960_000, 60_000):
        result(content.read(start, 60_000))
    with pytest.raises(Corrupt, match="checksum"):
        result(content.read(960_000, 60_000))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_kept_before_the_index_names_it_is_there_for_home(store: Store, size: int) -> None:
    draft = store.bodies.draft()
    for start in range(0, size, 70_000):  # as it arrives
        draft.write(text(size)[start : start + 70_000])
    body = result(store.bodies.keep(draft, head(store)))
    assert bytes(draft.content()) == text(size)
    assert result(store.bodies.read(body)) == text(size)
    assert result(bodies(store)) == []
    result(store.run(lambda tx: references.insert_body(tx, body, 0)))
    draft.discard()
    assert result(store.bodies.read(result(bodies(store))[0])) == text(size)


@pytest.mark.parametrize("size", SIZES)
def test_room_is_given_back_when_a_message_is_kept_refused_or_given_up(opened: Open, size: int) -> None:
    store = opened(room=Room(spool=4 * MEGABYTE, floor=0))

    def fails(tx: Transaction, body: Body) -> None:
        raise ValueError

    result(keep(store, text(size)))
    with pytest.raises(ValueError):
        result(keep(store, text(size), fails))
    draft = store.bodies.draft()
    draft.write(text(size))
    draft.discard()
    assert store.bodies.spooled == 0
    draft = store.bodies.draft()
    for _ in range(4):
        draft.write(text(MEGABYTE))
    with pytest.raises(Full):
        draft.write(b"x")
    draft.discard()
    assert store.bodies.spooled == 0
    assert len(result(bodies(store))) == 1
    assert not list(store.packs.folder.glob("*.spool"))


def test_those_who_wait_together_are_kept_together_and_what_one_cannot_do_harms_no_other(store: Store) -> None:
    def work(tx: Transaction, items: list[tuple[Body, int]]) -> list[int]:
        if any(number == 2 for _, number in items):
            raise ValueError
        references.insert_bodies(tx, [(body, 0) for body, _ in items])
        return [number for _, number in items]

    kept = []
    for number in range(4):
        draft = store.bodies.draft()
        draft.write(text(number * 100_000))
        kept.append(store.keep_grouped(draft, head(store), work, number))
    assert [result(kept[number]) for number in (0, 1, 3)] == [0, 1, 3]
    with pytest.raises(ValueError):
        result(kept[2])
    assert result(store.bodies.read_many(result(bodies(store)))) == [text(0), text(100_000), text(300_000)]


@pytest.mark.parametrize("size", SIZES)
def test_a_message_goes_when_nothing_refers_to_it_and_its_day_has_come(
    opened: Open, clock: ManualClock, size: int
) -> None:
    store = opened()
    result(keep(store, text(size), keep_until=clock.now() + 80 * DAY))
    held = result(keep(store, text(size), partial(_referred_to)))
    store = opened()
    pass_days(store, clock, 70)
    assert len(result(bodies(store))) == 2
    pass_days(store, clock, 200)
    [left] = result(bodies(store))
    assert left.id == held.id
    assert result(store.bodies.read(left)) == text(size)
    assert {body for body, _, _ in pieces(store)} in ({held.id}, set())
    assert len(store.packs.numbers()) + bool(pieces(store)) == 1


def _referred_to(tx: Transaction, body: Body) -> Body:
    tx.run(_DOMAIN)
    tx.run(_ARCHIVE, id=body.id)
    return body


_DOMAIN = Statement("INSERT INTO domain (id, name) VALUES (1, 'a.example')")
_ARCHIVE = Statement("INSERT INTO archive (id, domain, body, time, direction) VALUES (:id, 1, :id, 0, 'inbound')")


@pytest.mark.parametrize("size", SIZES)
def test_after_a_change_of_the_setting_all_is_read_and_what_was_in_packs_comes_into_the_database(
    opened: Open, clock: ManualClock, size: int
) -> None:
    first = result(keep(opened(messages="files"), text(size), _referred_to))
    store = opened(messages="database")
    assert result(store.bodies.read(first)) == text(size)
    second = result(keep(store, text(size)))
    store = opened(messages="files")
    assert result(store.bodies.read_many([first, second])) == [text(size)] * 2
    store = opened(messages="database")
    pass_days(store, clock, 92)
    assert store.packs.numbers() == []
    found = {body.id: body for body in result(bodies(store))}
    assert found[first.id].pack == IN_DATABASE
    assert result(store.bodies.read(found[first.id])) == text(size)
    assert result(store.bodies.read(first)) == text(size)  # by a row that was read before


def test_nothing_is_kept_after_the_store_was_closed(store: Store) -> None:
    drafts = [store.bodies.draft() for _ in range(2)]
    result(store.close())
    with pytest.raises(Stopping):
        result(store.bodies.keep(drafts[0], head(store)))
    with pytest.raises(Stopping):
        result(store.keep(drafts[1], head(store), lambda tx, body: None))
