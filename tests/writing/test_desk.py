"""Drafts: one message in Drafts, whatever is saved how often, and nobody's words overwrite another's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial

import msgspec
import pytest

from mpcontinuity.mailbox import change, drafts, enclosures, mailboxes
from mpcontinuity.mailbox.append import UID_BITS, lock
from mpcontinuity.mailbox.drafts import Draft, DraftChanged, Written
from mpcontinuity.mailbox.enclosures import PIECE
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.model.settings import Limits
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep import retention
from mpcontinuity.writing import desk
from tests.delivery.conftest import Post
from tests.fakes.stores import result
from tests.writing.conftest import BOB, LETTER, Study, pieces


def test_what_is_saved_twenty_times_is_one_message_in_drafts(study: Study) -> None:
    draft = study.save()
    for number in range(20):
        draft = study.save(msgspec.structs.replace(LETTER, text=f"Version {number}"), draft)
    (message,) = study.messages("Drafts")
    assert message.get_content() == "Version 19\r\n"
    assert message["To"] == "Eve <eve@far.example>"
    (flags,) = study.post.rows("SELECT flags FROM entry")
    assert flags == (17,)  # \Seen \Draft


def test_half_an_address_is_kept_and_the_others_are_shown(study: Study) -> None:
    draft = study.save(Written(to="eve@far.example, bo", bcc="carl@far.example", subject="x"))
    found = study.found(draft)
    assert found is not None
    assert found[0].written.to == "eve@far.example, bo"
    (message,) = study.messages("Drafts")
    assert (message["To"], message["Bcc"]) == ("eve@far.example", "carl@far.example")


def test_a_draft_that_was_moved_is_replaced_with_both_folders_locked_at_once(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[set[int]] = []

    def locks(tx: Transaction, mailboxes: Collection[int]) -> None:
        locked.append(set(mailboxes))
        lock(tx, mailboxes)

    monkeypatch.setattr(desk, "lock", locks)
    draft = study.save()
    inbox, folder, uid = study.folder("INBOX"), study.folder("Drafts"), draft.entry & (1 << UID_BITS) - 1
    result(study.store.run(partial(change.move, source=folder, uids=((uid, uid),), target=inbox)))
    entry = Statement("UPDATE draft SET entry = :entry")
    result(study.store.run(lambda tx: tx.run(entry, entry=inbox << UID_BITS | 1)))
    found = study.found(draft)
    assert found is not None
    study.save(msgspec.structs.replace(LETTER, text="more"), found[0])
    assert locked[-1] == {inbox, folder}
    assert (len(study.messages("INBOX")), len(study.messages("Drafts"))) == (0, 1)


def test_another_window_does_not_overwrite_what_this_one_saved(study: Study) -> None:
    first = study.save()
    study.save(msgspec.structs.replace(LETTER, text="mine"), first)
    with pytest.raises(DraftChanged):
        study.save(msgspec.structs.replace(LETTER, text="theirs"), first)
    (message,) = study.messages("Drafts")
    assert message.get_content() == "mine\r\n"


def test_a_draft_is_there_after_a_restart(study: Study) -> None:
    draft = study.save()
    attached = study.attach(draft, b"x" * 700_000)
    study.open()
    found = study.found(draft)
    assert found is not None
    assert found[0].written == LETTER
    assert [(one.id, one.complete) for one in found[1]] == [(attached.id, True)]


def test_a_large_draft_is_shown_when_asked_for_and_else_once_a_minute(study: Study) -> None:
    draft = study.save()
    study.attach(draft, b"x" * 700_000)
    draft = study.save(draft=draft)
    entry = draft.entry
    draft = study.save(msgspec.structs.replace(LETTER, text="typed"), draft, asked=False)
    assert draft.entry == entry
    found = study.found(draft)
    assert found is not None
    assert found[0].written.text == "typed"
    study.post.clock.advance(61)
    draft = study.save(msgspec.structs.replace(LETTER, text="more"), draft, asked=False)
    assert draft.entry != entry
    (message,) = study.messages("Drafts")
    text, attachment = message.iter_parts()
    assert (text.get_content(), attachment.get_content()) == ("more\r\n", "x" * 700_000)


def test_the_room_of_a_large_draft_that_was_replaced_is_given_back_by_the_next_sweep(study: Study) -> None:
    draft = study.save()
    study.attach(draft, b"x" * 2_000_000)
    for number in range(4):
        draft = study.save(msgspec.structs.replace(LETTER, text=f"Version {number}"), draft)
    alone = "SELECT id FROM pack WHERE kind = 'solo' AND gone = 0"
    if not study.post.rows(alone):
        pytest.skip("messages are in the database")
    assert len(study.post.rows(alone)) == 4
    result(retention.sweep(study.store))
    assert len(study.post.rows(alone)) == 1
    (message,) = study.messages("Drafts")
    assert next(iter(message.iter_attachments())).get_content() == "x" * 2_000_000


def test_what_large_drafts_write_anew_in_an_hour_is_bounded_and_nothing_typed_is_lost(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "_MOST_REPLACED", 2_000_000)
    draft = study.save()
    study.attach(draft, b"x" * 700_000)
    shown = set()
    for number in range(5):
        draft = study.save(msgspec.structs.replace(LETTER, text=f"Version {number}"), draft)
        shown.add(draft.entry)
    assert len(shown) == 2
    found = study.found(draft)
    assert found is not None
    assert found[0].written.text == "Version 4"
    study.post.clock.advance(3600)
    assert study.save(draft=draft).entry not in shown


def test_an_attachment_goes_on_where_it_was_cut_off(study: Study) -> None:
    draft, data = study.save(), bytes(range(256)) * 3000
    attached = result(study.desk.attach(study.ann, draft.id, "a.bin", "application/x-b", len(data)))
    assert result(study.desk.take(study.ann, attached, 0, pieces(data[:300_000]))) == 300_000
    study.open()
    there = result(study.store.read(partial(enclosures.find, draft=draft.id, id_=attached.id)))
    assert there is not None
    assert there.received == 300_000
    result(study.desk.take(study.ann, there, 300_000, pieces(data[300_000:])))
    study.save(draft=draft)
    (message,) = study.messages("Drafts")
    assert next(iter(message.iter_attachments())).get_content() == data


@pytest.mark.parametrize("start", [0, 1, 299_999, 300_001])
def test_octets_that_are_not_the_next_ones_are_refused(study: Study, start: int) -> None:
    draft = study.save()
    attached = result(study.desk.attach(study.ann, draft.id, "a", "a/b", 400_000))
    result(study.desk.take(study.ann, attached, 0, pieces(b"x" * 300_000)))
    with pytest.raises(Refused):
        result(study.desk.take(study.ann, attached, start, pieces(b"y")))


def test_more_octets_than_were_announced_are_refused(study: Study) -> None:
    draft = study.save()
    attached = result(study.desk.attach(study.ann, draft.id, "a", "a/b", 10))
    with pytest.raises(Refused):
        result(study.desk.take(study.ann, attached, 0, pieces(b"x" * 11)))


def test_what_is_too_large_for_a_message_is_refused_before_it_is_uploaded(post: Post) -> None:
    study = Study(post, limits=Limits(message_size=1_000_000))
    draft = study.save()
    study.attach(draft, b"x" * 400_000)
    with pytest.raises(Refused, match="too large"):
        result(study.desk.attach(study.ann, draft.id, "b", "a/b", 400_000))


def test_what_is_beyond_the_quota_is_refused_before_it_is_uploaded(post: Post) -> None:
    study = Study(post, limits=Limits(user_storage=1_000_000))
    draft = study.save()
    study.attach(draft, b"x" * 600_000)
    with pytest.raises(MailboxRefused, match="full"):
        result(study.desk.attach(study.ann, draft.id, "b", "a/b", 600_000))


def test_what_is_attached_goes_with_the_draft(study: Study) -> None:
    draft = study.save()
    study.attach(draft, b"x" * 700_000)
    result(study.desk.discard(study.ann, draft.id))
    assert study.messages("Drafts") == []
    assert [study.post.count(table) for table in ("draft", "enclosure", "enclosure_piece", "entry")] == [0, 0, 0, 0]


def test_a_draft_whose_message_was_deleted_elsewhere_is_swept_a_day_later(study: Study) -> None:
    draft = study.save()
    mailbox, uid = draft.entry >> UID_BITS, draft.entry & (1 << UID_BITS) - 1
    result(study.store.run(partial(change.remove, mailbox=mailbox, uids=((uid, uid),))))
    result(desk.sweep(study.store))
    assert study.post.count("draft") == 1
    study.post.clock.advance(drafts.KEPT / SECOND + 1)
    result(desk.sweep(study.store))
    assert study.post.count("draft") == 0


def test_what_was_attached_to_drafts_that_are_gone_is_swept_whole(study: Study) -> None:
    other = study.save()
    kept = study.attach(other, b"y" * 300_000)
    draft = study.save()
    for number in range(enclosures.STEP + 1):  # without an octet: they are the first ones, and have no pieces
        result(study.desk.attach(study.ann, draft.id, str(number), "a/b", 1))
    study.attach(draft, b"x" * (enclosures.STEP + 1) * PIECE)
    result(study.store.run(lambda tx: tx.run(Statement("DELETE FROM draft WHERE id = :id"), id=draft.id)))
    result(desk.sweep(study.store))
    assert study.post.rows("SELECT id FROM enclosure") == [(kept.id,)]
    assert study.post.count("enclosure_piece") == 2


def test_what_is_detached_gives_its_room_back_at_once(study: Study) -> None:
    draft = study.save()
    attached = study.attach(draft, b"x" * 700_000)
    result(study.desk.detach(study.ann, draft.id, attached.id))
    assert study.post.count("enclosure_piece") == 0


def test_what_is_attached_counts_for_the_domain(study: Study) -> None:
    before = study.stored()
    draft = study.save()
    shown = study.stored() - before
    study.attach(draft, b"x" * 700_000)
    assert study.stored() == before + shown + 700_000


@pytest.mark.parametrize("how", ["sent", "discarded", "swept"])
def test_attachments_go_in_the_transaction_in_which_their_draft_goes(study: Study, how: str) -> None:
    draft = study.save()
    study.attach(draft, b"secret")
    if how == "sent":
        assert study.send(study.save(draft=draft)) == []
        study.wait()
    elif how == "discarded":
        result(study.store.run(partial(drafts.discard, account=study.ann.id, id_=draft.id)))
    else:
        study.post.clock.advance(drafts.KEPT / SECOND + 1)
        assert result(study.store.run(partial(drafts.drop_orphans, ids=[draft.id]))) == 0  # its message is there
        result(study.store.run(lambda tx: tx.run(Statement("DELETE FROM entry"))))
        assert result(study.store.run(partial(drafts.drop_orphans, ids=[draft.id]))) == 1
    assert study.post.count("enclosure") == 0


def test_whoever_begins_a_draft_by_the_id_of_anothers_gets_nothing_of_it(study: Study) -> None:
    draft = study.save()
    attached = study.attach(draft, b"secret")
    result(study.store.run(lambda tx: tx.run(Statement("DELETE FROM draft"))))  # and what is attached stays, once
    bob = study.user(BOB)
    result(study.desk.create(bob, LETTER, draft.id))
    found = result(study.desk.find(bob, draft.id))
    assert found is not None
    assert found[1] == []
    assert result(study.store.read(partial(enclosures.find, draft=draft.id, id_=attached.id))) is None
    assert not result(study.desk.detach(bob, draft.id, attached.id))


def test_a_draft_that_another_user_saved_by_this_ones_id_keeps_nothing_from_being_saved(study: Study) -> None:
    bob, id_ = study.user(BOB), study.desk.new_id()
    theirs = result(study.desk.create(bob, Written(text="mine"), id_))
    draft = result(study.desk.create(study.ann, LETTER, id_))
    assert draft.id != id_
    staged = result(study.desk.create_with(study.ann, LETTER, partial(enclose, study), id_))
    there = study.found(staged)
    assert there is not None
    assert [one.complete for one in there[1]] == [True]
    assert result(study.desk.find(bob, id_)) == (theirs, [])
    assert study.send(study.save(LETTER, draft)) == []


async def enclose(study: Study, draft: Draft) -> None:
    attached = await study.desk.attach(study.ann, draft.id, "a.txt", "a/b", 5)
    await study.desk.take(study.ann, attached, 0, pieces(b"12345"))


def test_no_message_is_made_of_a_part_of_a_file(study: Study) -> None:
    draft = study.save()
    study.attach(draft, b"x" * 700_000)
    last = Statement("DELETE FROM enclosure_piece WHERE start = (SELECT MAX(start) FROM enclosure_piece)")
    result(study.store.run(lambda tx: tx.run(last)))
    with pytest.raises(Temporary):
        study.save(draft=draft)
    assert study.send(draft) == []
    study.wait()
    assert study.post.count("outgoing") == 0


def test_another_users_draft_and_attachment_are_not_there(study: Study) -> None:
    draft = study.save()
    attached = study.attach(draft, b"secret")
    bob = study.user(BOB)
    assert result(study.desk.find(bob, draft.id)) is None
    with pytest.raises(DraftChanged):
        result(study.desk.save(bob, draft.id, draft.version, Written(text="mine")))
    with pytest.raises(DraftChanged):
        result(study.desk.discard(bob, draft.id))
    with pytest.raises(Refused):
        result(study.desk.attach(bob, draft.id, "a", "a/b", 1))
    with pytest.raises(Refused):
        result(study.desk.detach(bob, draft.id, attached.id))
    with pytest.raises(Refused):
        result(study.desk.take(bob, attached, 6, pieces(b"x")))


def test_a_user_writes_by_their_aliases_too(study: Study) -> None:
    study.post.user("carl@example.org", aliases=("c@example.org",))
    carl = study.user("carl@example.org")
    assert result(study.desk.addresses(carl)) == ["carl@example.org", "c@example.org"]


def test_drafts_of_a_user_are_bounded(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MOST", 2)
    study.save()
    study.save()
    with pytest.raises(Refused, match="2 drafts"):
        study.save()


def test_no_more_drafts_are_read_for_each_page_than_it_says(study: Study) -> None:
    for _ in range(drafts.MOST_FAILED + 1):
        draft = study.save()
        result(study.outbox.send(study.ann, draft))
        assert result(study.store.run(partial(drafts.give_up, draft=draft.seen, fault="Not now.")))
    assert len(result(study.store.read(partial(drafts.failed, account=study.ann.id)))) == drafts.MOST_FAILED


def test_drafts_are_found_by_whatever_name_the_user_gave_their_folder(study: Study) -> None:
    result(study.store.run(partial(mailboxes.rename, account=study.ann.id, old="Drafts", new="Entwürfe")))
    study.save()
    assert len(study.messages("Entwürfe")) == 1


def test_a_quota_that_is_reached_is_said_and_the_last_version_stays(post: Post) -> None:
    study = Study(post, limits=Limits(user_storage=9_000))
    draft = study.save()
    with pytest.raises(MailboxRefused):
        study.save(msgspec.structs.replace(LETTER, text="x" * 9_000), draft)
    (message,) = study.messages("Drafts")
    assert message.get_content() == "How are you?\r\n"
    found = study.found(draft)
    assert found is not None
    assert found[0].version == draft.version


def failing(study: Study, error: Exception) -> Callable[[Draft], Awaitable[None]]:
    """Attaches one file of two."""

    async def take(draft: Draft) -> None:
        attached = await study.desk.attach(study.ann, draft.id, "a.txt", "a/b", 5)
        await study.desk.take(study.ann, attached, 0, pieces(b"12345"))
        raise error

    return take


@pytest.mark.parametrize("error", [Temporary("no room"), Refused("too large", "conflict")])
def test_a_draft_whose_files_cannot_all_be_taken_is_not_begun(study: Study, error: Exception) -> None:
    with pytest.raises(type(error)):
        result(study.desk.create_with(study.ann, LETTER, failing(study, error)))
    assert [study.post.count(table) for table in ("draft", "enclosure", "enclosure_piece")] == [0, 0, 0]


def test_two_who_begin_the_same_draft_with_files_make_one(study: Study) -> None:
    id_ = study.desk.new_id()

    async def take(draft: Draft) -> None:
        attached = await study.desk.attach(study.ann, draft.id, "a.txt", "a/b", 5)
        await study.desk.take(study.ann, attached, 0, pieces(b"12345"))

    made = result(study.desk.create_with(study.ann, LETTER, take, id_))
    with pytest.raises(DraftChanged):
        result(study.desk.create_with(study.ann, LETTER, take, id_))
    found = study.found(made)
    assert found is not None
    assert [one.complete for one in found[1]] == [True]
    assert [study.post.count(table) for table in ("draft", "enclosure", "enclosure_piece")] == [1, 1, 1]
