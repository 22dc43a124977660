"""Names of mailboxes, and what can be done with mailboxes as a whole."""

from __future__ import annotations

import pytest

from mpcontinuity.mailbox import mailboxes, names
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model.events import MailboxChanged, MailboxListChanged, Notice
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result
from tests.mailbox.conftest import ACCOUNT, User


def create(user: User, name: str, use: str = "") -> mailboxes.MailboxInfo:
    return user.run(mailboxes.create, account=user.account, name=name, use=use)


def rename(user: User, old: str, new: str) -> None:
    user.run(mailboxes.rename, account=user.account, old=old, new=new)


def delete(user: User, name: str) -> None:
    user.run(mailboxes.delete, account=user.account, name=name)


def test_a_new_user_has_the_standard_folders_subscribed(user: User) -> None:
    assert {info.name: info.use for info in user.read(mailboxes.listing, account=ACCOUNT)} == mailboxes.STANDARD
    assert user.read(mailboxes.subscriptions, account=ACCOUNT) == sorted(mailboxes.STANDARD)
    assert user.read(mailboxes.inbox, account=ACCOUNT) == user.mailbox("inbox")
    sent = user.read(mailboxes.by_use, account=ACCOUNT, use="\\Sent")
    assert sent is not None
    assert sent.name == "Sent"
    assert user.read(mailboxes.by_id, mailbox=sent.id) == sent
    with pytest.raises(MailboxRefused):
        user.read(mailboxes.inbox, account=8)


def test_inbox_is_found_in_any_case_and_other_names_are_not(user: User) -> None:
    create(user, "inBox/Notes")
    assert "INBOX/Notes" in user.names()
    assert user.read(mailboxes.find, account=ACCOUNT, name="sent") is None
    assert names.canonical("ınbox") == "ınbox"  # a dotless i is another letter


def test_composed_and_decomposed_names_are_one(user: User) -> None:
    create(user, "Entwu\u0308rfe")
    assert user.info("Entw\u00fcrfe").name == "Entw\u00fcrfe"


@pytest.mark.parametrize("name", ["", "/", "a//b", "/a", "a\r\nb", "a\x00", "\ud800"])
def test_unusable_names_are_refused(user: User, name: str) -> None:
    with pytest.raises(MailboxRefused) as refused:
        create(user, name)
    assert refused.value.code == "CANNOT"


def test_names_have_limits(user: User) -> None:
    for name in ("x" * (names.MAX_OCTETS + 1), "/".join("x" * (names.MAX_DEPTH + 1))):
        with pytest.raises(MailboxRefused) as refused:
            create(user, name)
        assert refused.value.code == "LIMIT"
    create(user, "x" * names.MAX_OCTETS)
    create(user, "/".join("x" * names.MAX_DEPTH))


def test_create_makes_the_missing_superiors_and_ignores_a_separator_at_the_end(user: User) -> None:
    assert create(user, "a/b/c/").name == "a/b/c"
    assert [name for name in user.names() if name.startswith("a")] == ["a", "a/b", "a/b/c"]
    with pytest.raises(MailboxRefused) as refused:
        create(user, "a/b")
    assert refused.value.code == "ALREADYEXISTS"


def test_a_special_use_belongs_to_one_mailbox(user: User) -> None:
    for use in ("\\Sent", "\\Flagged"):
        with pytest.raises(MailboxRefused) as refused:
            create(user, "More", use)
        assert refused.value.code == "USEATTR"


def test_the_number_of_mailboxes_has_a_limit(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes, "MAX_MAILBOXES", 8)
    create(user, "a/b")
    with pytest.raises(MailboxRefused) as refused:
        create(user, "c")
    assert refused.value.code == "LIMIT"
    for old in ("INBOX", "Sent"):
        with pytest.raises(MailboxRefused):
            rename(user, old, "x/y/z")


def test_uidvalidity_rises_with_every_creation_and_follows_the_clock(user: User, clock: ManualClock) -> None:
    seen = [info.uidvalidity for info in user.read(mailboxes.listing, account=ACCOUNT)]
    for _ in range(3):
        seen.append(create(user, "again").uidvalidity)
        delete(user, "again")
    assert len(set(seen)) == len(seen)
    assert max(seen) == seen[-1]
    clock.advance(100_000)
    assert create(user, "again").uidvalidity > seen[-1] + 90_000


def test_the_id_of_a_deleted_mailbox_is_not_given_to_another(user: User) -> None:
    deleted = create(user, "again").id
    delete(user, "again")
    assert create(user, "again").id > deleted


def test_rename_takes_the_mailboxes_below_along(user: User) -> None:
    made = create(user, "a/b/c")
    create(user, "ab")
    rename(user, "a", "x/y")
    assert [name for name in user.names() if name[0] in "ax"] == ["ab", "x", "x/y", "x/y/b", "x/y/b/c"]
    assert user.info("x/y/b/c").id == made.id
    assert user.info("x/y/b/c").uidvalidity == made.uidvalidity


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("none", "x", "NONEXISTENT"),
        ("a", "Sent", "ALREADYEXISTS"),
        ("a", "INBOX", "ALREADYEXISTS"),
        ("a", "a/b/d", "CANNOT"),
        ("a", "x//y", "CANNOT"),
        ("a", "/".join("x" * (names.MAX_DEPTH - 1)), "LIMIT"),  # what is below would be too deep
    ],
)
def test_a_rename_that_cannot_be_is_refused_and_changes_nothing(user: User, old: str, new: str, code: str) -> None:
    create(user, "a/b/c")
    before = user.names()
    with pytest.raises(MailboxRefused) as refused:
        rename(user, old, new)
    assert refused.value.code == code
    assert user.names() == before


def test_who_has_more_mailboxes_than_allowed_may_rename_them_but_not_to_more(user: User) -> None:
    create(user, "a/b")
    user.run(mailboxes.rename, account=ACCOUNT, old="a/b", new="a/c", most=3)
    user.run(mailboxes.rename, account=ACCOUNT, old="a", new="z", most=3)
    assert user.names()[-2:] == ["z", "z/c"]
    for old, new in (("z/c", "new/c"), ("INBOX", "Old")):
        with pytest.raises(MailboxRefused):
            user.run(mailboxes.rename, account=ACCOUNT, old=old, new=new, most=3)


def test_renaming_inbox_moves_its_messages_and_leaves_it_empty(user: User) -> None:
    create(user, "INBOX/Notes")
    user.deliver(3)
    was = user.info("INBOX")
    rename(user, "INBOX", "Old/2026")
    assert user.info("Old/2026").messages == 3
    now = user.info("INBOX")
    assert (now.messages, now.uidnext) == (0, 1)
    assert now.uidvalidity > was.uidvalidity
    assert "INBOX/Notes" in user.names()
    assert user.read(mailboxes.inbox, account=ACCOUNT) == now.id
    user.check_counters()


def test_delete_takes_messages_and_keywords_and_frees_the_bodies(user: User) -> None:
    create(user, "a")
    user.deliver(2, "a", keywords=("$Work",))
    body = user.entries("a")[0][4]
    delete(user, "a")
    assert "a" not in user.names()
    assert user.keep_until(body) == user.store.clock.now()


@pytest.mark.parametrize(
    ("name", "code"), [("INBOX", "CANNOT"), ("Trash", "CANNOT"), ("a", "NONEXISTENT"), ("none", "NONEXISTENT")]
)
def test_a_mailbox_that_must_stay_is_not_deleted(user: User, name: str, code: str) -> None:
    create(user, "a/b")
    delete(user, "a")  # a name alone from here on
    with pytest.raises(MailboxRefused) as refused:
        delete(user, name)
    assert refused.value.code == code


def test_a_deleted_mailbox_with_others_below_stays_as_a_name(user: User) -> None:
    before = create(user, "a/b/c").uidvalidity
    user.deliver(2, "a/b")
    delete(user, "a/b")
    assert [name for name in user.names() if name[0] == "a"] == ["a", "a/b/c"]
    create(user, "a/b/d")
    assert "a/b" not in user.names()  # it is not made again by the way
    rename(user, "a/b", "x")
    assert [name for name in user.names() if name[0] in "ax"] == ["a", "x/c", "x/d"]
    with pytest.raises(MailboxRefused) as refused:
        rename(user, "a", "x")
    assert refused.value.code == "ALREADYEXISTS"
    assert create(user, "x").uidvalidity > before
    assert user.info("x").messages == 0


def test_names_without_a_mailbox_count_as_well(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes, "MAX_MAILBOXES", 9)
    create(user, "a/b/c")
    delete(user, "a")
    with pytest.raises(MailboxRefused) as refused:
        create(user, "d")
    assert refused.value.code == "LIMIT"
    create(user, "a")


def test_a_large_mailbox_is_deleted_in_steps(user: User) -> None:
    create(user, "large")
    user.deliver(1500, "large")
    transactions = 0

    def count(notices: object) -> None:
        nonlocal transactions
        transactions += 1

    user.store.listen(count)
    result(mailboxes.delete_in_steps(user.store, ACCOUNT, "large"))
    assert "large" not in user.names()
    assert transactions == 3  # a thousand, five hundred, the mailbox
    with pytest.raises(MailboxRefused):
        result(mailboxes.delete_in_steps(user.store, ACCOUNT, "Sent"))


def test_all_of_an_account_goes_with_its_user(user: User) -> None:
    user.deliver(2)
    user.run(mailboxes.delete_all, account=ACCOUNT)
    assert user.names() == []
    assert user.read(mailboxes.subscriptions, account=ACCOUNT) == []


def test_subscriptions_outlive_their_mailbox(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.run(mailboxes.subscribe, account=ACCOUNT, name="a/b")
    user.run(mailboxes.subscribe, account=ACCOUNT, name="a/b")
    user.run(mailboxes.unsubscribe, account=ACCOUNT, name="inbox")
    assert user.read(mailboxes.subscriptions, account=ACCOUNT) == ["Archive", "Drafts", "Junk", "Sent", "Trash", "a/b"]
    monkeypatch.setattr(mailboxes, "MAX_SUBSCRIPTIONS", 6)
    user.run(mailboxes.subscribe, account=ACCOUNT, name="a/b")  # it is there
    for name in ("c", "a//b"):
        with pytest.raises(MailboxRefused):
            user.run(mailboxes.subscribe, account=ACCOUNT, name=name)


def test_every_change_of_the_list_is_announced(user: User) -> None:
    heard: list[Notice] = []
    user.store.listen(heard.extend)
    create(user, "a")
    rename(user, "a", "b")
    user.run(mailboxes.subscribe, account=ACCOUNT, name="b")
    user.run(mailboxes.unsubscribe, account=ACCOUNT, name="b")
    deleted = user.mailbox("b")
    delete(user, "b")
    assert heard.count(MailboxListChanged(ACCOUNT)) == 5
    assert any(isinstance(notice, MailboxChanged) and notice.mailbox == deleted for notice in heard)


def test_two_creations_of_one_name_in_one_batch_make_one_mailbox(store: Store, user: User) -> None:
    def twice(tx: Transaction) -> None:
        mailboxes.create(tx, ACCOUNT, "a")
        with pytest.raises(MailboxRefused):
            mailboxes.create(tx, ACCOUNT, "a")

    result(store.run(twice))
    assert user.names().count("a") == 1
