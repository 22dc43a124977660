"""Backups: what is in one, what a second one copies, what an interrupted one leaves, what a damaged one restores."""

from __future__ import annotations

import contextlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import succeed

from mpcontinuity.accounts import home_history, home_state, users, vacation
from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.accounts.vacation import Vacation
from mpcontinuity.control.backup import backup
from mpcontinuity.control.operation import Control
from mpcontinuity.mailbox import drafts
from mpcontinuity.mailbox.drafts import Written
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.identifier import LAST
from mpcontinuity.model.settings import Settings, Tls
from mpcontinuity.model.settings import Store as StoreSettings
from mpcontinuity.queue import vacation as waiting
from mpcontinuity.queue.vacation import NewDue
from mpcontinuity.routing.health import Health, State
from mpcontinuity.store.backup import backup as making
from mpcontinuity.store.backup import manifest
from mpcontinuity.store.backup.restore import restore
from mpcontinuity.store.bodies import appender
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.upkeep import retention
from mpcontinuity.store.upkeep.reconcile import reconcile
from tests.check.damaged import Damaged
from tests.fakes import postgresql
from tests.fakes.clock import SeededRandomness
from tests.fakes.stores import Chosen, result


@pytest.fixture
def served(damaged: Damaged) -> Any:
    """Open, as a server has it."""
    damaged.serve()
    yield damaged
    damaged.stop()


def control_of(served: Damaged) -> Control:
    tls = Tls(certificate=str(served.tmp_path / "server.pem"), private_key=str(served.tmp_path / "server.key"))
    return Control(
        served.store,
        Settings(tls=tls, store=StoreSettings(database=served.url)),
        Passwords("pbkdf2_sha256"),
        lambda work: succeed(work()),
        SeededRandomness(),
        listening=list,
    )


def back_up(served: Damaged, folder: str = "backup", **options: Any) -> dict[str, Any]:
    return msgspec.structs.asdict(result(backup(control_of(served), str(served.tmp_path / folder), **options)))


def restored(served: Damaged, *, folder: str = "backup", into: str = "other", force: bool = False) -> Damaged:
    """The backup in a data folder of its own, after all that `restore` does to it."""
    other = elsewhere(served, into)
    put_back(served.tmp_path / folder, other, force=force)
    repaired = other.repair(older=True)
    assert repaired.repaired, repaired.text
    assert other.check().clean
    return other


def elsewhere(served: Damaged, into: str) -> Damaged:
    other = object.__new__(Damaged)
    other.__dict__.update(served.__dict__)
    other.tmp_path = served.tmp_path / into
    other.folder = other.tmp_path / "data"
    other.database = other.folder / DATABASE
    if served.url != "sqlite" and other.folder not in Chosen.urls:
        Chosen.urls[other.folder] = postgresql.fresh_database()
    return other


def put_back(folder: Path, other: Damaged, *, force: bool = False) -> None:
    restore(folder, other.url, other.folder, {}, other.clock.now(), lambda _: None, force=force)


HISTORY = partial(home_history.listing, domain=0, since=0, before=LAST, limit=10)


def test_a_backup_restored_elsewhere_has_all_that_was_there(served: Damaged) -> None:
    (domain, (known, _)) = result(served.store.read(home_state.load)).popitem()
    down = Health(State.DOWN, served.clock.now(), "no connection")
    assert result(served.store.run(partial(home_state.save, domain=domain, known=known, health=down, node="")))
    made = back_up(served)
    assert made["packs"] == made["packs_copied"] == 2
    assert made["missing"] == []
    served.redirect("later")
    other = restored(served)
    other.serve()
    assert [(row.state, row.reason) for row in result(other.store.read(HISTORY))] == [("down", "no connection")]
    assert other.subjects() == ["one", "two"]
    assert other.subjects("bob@example.org") == ["two"]
    assert other.subjects(folder="Drafts") == ["four"]
    assert other.owed() == {"one": "in_doubt", "two": "in_doubt"}
    assert other.ledger()
    other.stop()


def test_what_was_to_leave_from_webmail_when_it_was_made_is_a_draft_with_the_reason(served: Damaged) -> None:
    account = result(served.store.read(partial(users.find, address=parse("ann@example.org"))))
    assert account is not None
    create = partial(drafts.create, account=account.id, written=Written(to="x@y.example"), id_=7, message_id="<7@x>")
    result(served.store.run(create))
    result(served.store.run(partial(drafts.send, account=account.id, id_=7, version=1, message_id="<7@x>")))
    back_up(served)
    other = restored(served)
    other.serve()
    found = result(other.store.read(partial(drafts.find, account=account.id, id_=7)))
    assert found is not None
    assert (found.due, found.fault) == (0, drafts.RESTORED)
    other.stop()


def test_what_waited_for_a_vacation_text_when_it_was_made_is_answered_no_more(served: Damaged) -> None:
    user = result(served.store.read(partial(users.find, address=parse("ann@example.org"))))
    assert user is not None
    away = Vacation(vacation.ALWAYS, text="Away")
    result(served.store.run(partial(vacation.save, user=user, vacation=away)))
    new = NewDue(user.id, "eve@far.example", 1, user.address, "eve@far.example", 1, submitted=True, least=1)
    result(served.store.run(partial(waiting.note, rows=[new])))
    back_up(served)
    other = restored(served)
    other.serve()
    count = Statement("SELECT COUNT(*) FROM vacation_due")
    assert [result(each.store.read(lambda tx: tx.value(count))) for each in (served, other)] == [1, 0]
    assert result(other.store.read(partial(vacation.find, account=user.id))) == away
    other.stop()


def test_configuration_and_key_are_in_it_for_the_owner_alone(served: Damaged) -> None:
    (served.tmp_path / "server.key").write_text("secret")
    (served.tmp_path / "mpcontinuity.toml").write_text("# mine")
    back_up(served, configuration=str(served.tmp_path / "mpcontinuity.toml"))
    files = {path.name: path for path in (served.tmp_path / "backup").rglob("*") if path.is_file()}
    assert files["private_key.pem"].read_text() == "secret"
    assert files["mpcontinuity.toml"].read_text() == "# mine"
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}


def test_a_second_backup_copies_only_what_is_new(served: Damaged) -> None:
    first = back_up(served)
    again = back_up(served)
    assert again["packs_copied"] == 0
    assert again["copied"] == again["database"]
    served.redirect("five", text=b"x" * 10_000)
    third = back_up(served)
    assert third["packs_copied"] == 1
    assert 10_000 < third["copied"] - third["database"] < 11_000
    assert third["total"] - third["database"] > first["total"] - first["database"] + 10_000
    other = restored(served)
    other.serve()
    assert other.subjects() == ["one", "two", "five"]
    other.stop()
    assert len(list((served.tmp_path / "backup").iterdir())) == 4  # manifest, packs, lock, one folder


def test_a_pack_that_grew_is_copied_from_where_the_last_backup_ended(served: Damaged) -> None:
    served.redirect("five", text=b"x" * 50_000)
    back_up(served)
    served.redirect("six")
    made = back_up(served)
    assert made["copied"] - made["database"] < 5_000
    other = restored(served)
    other.serve()
    assert other.subjects() == ["one", "two", "five", "six"]
    other.stop()


def test_an_interrupted_backup_leaves_the_one_before(served: Damaged, monkeypatch: pytest.MonkeyPatch) -> None:
    back_up(served)
    served.redirect("five", text=b"x" * 10_000)
    with monkeypatch.context() as patch:
        patch.setattr(making, "_piece", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(Refused, match="the backup before stays"):
            back_up(served)
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "write", lambda *_: (_ for _ in ()).throw(OSError(5, "I/O error")))
        with pytest.raises(Refused):
            back_up(served)
    other = restored(served)
    other.serve()
    assert other.subjects() == ["one", "two"]
    other.stop()
    back_up(served)
    other = restored(served, into="third")
    other.serve()
    assert other.subjects() == ["one", "two", "five"]
    other.stop()


def test_retention_does_not_take_packs_from_under_a_backup(served: Damaged, monkeypatch: pytest.MonkeyPatch) -> None:
    """The snapshot names packs that are emptied, and would be unlinked, before their turn comes."""
    original = making._Backup._pack
    swept: list[bool] = []

    async def sweep_first(*arguments: Any) -> Any:
        if not swept:
            swept.append(True)
            served.clock.advance(200 * DAY / SECOND)
            await reconcile(served.store, lambda *_: None)
            await retention.sweep(served.store)
            await served.store.run(partial(retention.hold, until=served.clock.now() + DAY))  # as it is renewed
            served.clock.advance(3600)
            await retention.sweep(served.store)
        return await original(*arguments)

    monkeypatch.setattr(making._Backup, "_pack", sweep_first)
    before = {path.name for path in served.packs()}
    back_up(served)
    assert served.post.rows("SELECT id FROM pack WHERE gone > 0")
    assert {path.name for path in served.packs()} > before
    other = restored(served)
    other.serve()
    assert other.subjects() == ["one", "two"]
    other.stop()
    result(retention.sweep(served.store))
    assert not before <= {path.name for path in served.packs()}


@pytest.mark.sqlite
def test_a_damaged_backup_is_refused_before_anything_is_written(served: Damaged) -> None:
    back_up(served)
    pack = next((served.tmp_path / "backup" / "packs").iterdir())
    content = bytearray(pack.read_bytes())
    content[100] ^= 1
    pack.write_bytes(content)
    other = served.tmp_path / "other"
    with pytest.raises(Refused, match="does not match its checksum"):
        restore(served.tmp_path / "backup", "sqlite", other, {}, 0, lambda _: None, force=False)
    assert not other.exists()
    pack.write_bytes(content[:50])
    with pytest.raises(Refused, match="cut short"):
        restore(served.tmp_path / "backup", "sqlite", other, {}, 0, lambda _: None, force=False)
    pack.unlink()
    with pytest.raises(Refused, match="missing"):
        restore(served.tmp_path / "backup", "sqlite", other, {}, 0, lambda _: None, force=False)
    with pytest.raises(Refused, match="no backup"):
        restore(other, "sqlite", served.tmp_path / "third", {}, 0, lambda _: None, force=False)


def test_a_store_is_not_restored_over_another_without_force(served: Damaged) -> None:
    back_up(served)
    with pytest.raises(Refused, match="is not empty; "):
        put_back(served.tmp_path / "backup", served)


@pytest.mark.parametrize("interrupted_at", ["restoring 0", "restoring the ", "after the copies, before the check"])
def test_an_interrupted_restore_does_not_serve_and_is_made_again_by_force(served: Damaged, interrupted_at: str) -> None:
    back_up(served)
    other = elsewhere(served, "other")

    def say(text: str) -> None:
        if text.startswith(interrupted_at):
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        restore(served.tmp_path / "backup", other.url, other.folder, {}, other.clock.now(), say, force=False)
    with pytest.raises(Refused, match="a restore was interrupted, which is to be done again"):
        other.serve()
    result(other.store.close())
    again = restored(served, force=True)
    again.serve()
    assert again.subjects() == ["one", "two"]
    again.stop()


def test_a_backup_put_back_beside_todays_packs_loses_nothing(damaged: Damaged) -> None:
    damaged.serve()
    back_up(damaged)
    damaged.redirect("five")
    damaged.append("six")
    damaged.stop()
    damaged.lose_database()
    other = restored(damaged, into=".", force=True)
    other.serve()
    assert other.subjects() == ["one", "two", "five"]
    assert other.subjects(folder="Drafts") == ["four", "six"]
    assert other.ledger()
    other.stop()


@pytest.mark.sqlite
def test_the_database_of_a_backup_copied_by_hand_is_known_as_older(damaged: Damaged) -> None:
    damaged.serve()
    back_up(damaged)
    damaged.redirect("five")
    damaged.stop()
    copy = next((damaged.tmp_path / "backup").rglob(DATABASE))
    damaged.put_back(copy)
    with pytest.raises(Refused, match="older than the message packs"):
        damaged.serve()
    result(damaged.store.close())
    damaged.repair()
    damaged.serve()
    assert damaged.subjects() == ["one", "two", "five"]
    damaged.stop()


def test_a_pack_that_is_damaged_since_is_replaced_by_that_of_the_backup(damaged: Damaged) -> None:
    damaged.serve()
    back_up(damaged)
    damaged.stop()
    damaged.flip("one", bits=5)
    damaged.lose_database()
    other = restored(damaged, into=".", force=True)
    other.serve()
    assert other.subjects() == ["one", "two"]
    other.stop()
    assert len(list((damaged.folder / "packs").glob("*.damaged-*"))) == 1


def test_where_a_backup_may_go(served: Damaged) -> None:
    with pytest.raises(Refused, match="is in the data folder"):
        back_up(served, "data/backup")
    (served.tmp_path / "full").mkdir()
    (served.tmp_path / "full" / "photos").write_text("")
    with pytest.raises(Refused, match="not empty"):
        back_up(served, "full")
    with pytest.raises(Refused, match="absolute"):
        result(backup(control_of(served), "relative"))


def test_large_messages_and_many_packs_are_in_it(served: Damaged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appender, "PACK_SIZE", 1000)
    for number in range(8):
        served.redirect(f"small {number}", text=b"y" * 400)
    served.redirect("large", text=b"z" * 3_000_000)
    made = back_up(served)
    assert made["packs"] >= 5
    assert json.loads((served.tmp_path / "backup" / "manifest.json").read_text())["dialect"] in served.url
    other = restored(served)
    other.serve()
    assert other.subjects() == ["one", "two", *(f"small {number}" for number in range(8)), "large"]
    other.stop()
