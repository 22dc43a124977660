"""Object identifiers and threads (RFC 8474, RFC 5256): C: and S:."""

from __future__ import annotations

import re

import pytest

from mpcontinuity.mailbox import threads
from mpcontinuity.store.statement import Statement
from tests.access.imap.world import World, converse
from tests.fakes.stores import result


def message(name: str, *answered: str, subject: str = "a", day: int = 1) -> bytes:
    lines = [f"Message-ID: <{name}@x>", f"Subject: {subject}", f"Date: {day} Sep 2026 10:00:00 +0000"]
    if answered:
        lines.append("References: " + " ".join(f"<{one}@x>" for one in answered))
    return "\r\n".join([*lines, "", "text"]).encode()


def test_mailboxes_have_an_id_that_a_new_name_does_not_change(world: World) -> None:
    client = world.logged_in()
    made = re.search(rb"a OK \[MAILBOXID \((F[\w-]+)\)\]", client.ask("a CREATE Work"))
    assert made is not None
    client.say("b RENAME Work Play")
    shown = made[1].decode()
    assert f"(MAILBOXID ({shown}) MESSAGES 0)" in client.ask("c STATUS Play (MAILBOXID MESSAGES)").decode()
    assert f"* OK [MAILBOXID ({shown})]" in client.ask("d SELECT Play").decode()
    assert f"MAILBOXID ({shown})" in client.ask('e LIST "" Play RETURN (STATUS (MAILBOXID))').decode()
    assert shown not in client.ask("f STATUS INBOX (MAILBOXID)").decode()


def test_a_copy_has_the_same_content_and_an_answer_the_same_thread(world: World) -> None:
    world.deliver(message("1"))
    world.deliver(message("2", "1"), "Sent")
    world.deliver(message("3"))
    client = world.logged_in("INBOX")
    found = re.findall(rb"EMAILID \((M\w+)\) THREADID \((T\w+)\)", client.ask("a FETCH 1:* (EMAILID THREADID)"))
    (first, thread), (second, other) = found
    assert first != second
    assert thread != other
    client.say("b COPY 1 Sent")
    client.say("c SELECT Sent")
    answer = client.ask("d UID FETCH 1:* (THREADID EMAILID FLAGS BODY.PEEK[TEXT])")
    assert [(a, b) for b, a in re.findall(rb"THREADID \((T\w+)\) EMAILID \((M\w+)\)", answer)][1] == (first, thread)
    assert re.findall(rb"THREADID \((T\w+)\)", answer) == [thread, thread]
    assert b"* SEARCH 1 2\r\n" in client.ask(f"e SEARCH THREADID {thread.decode()}")
    assert b"* SEARCH 2\r\n" in client.ask(f"f UID SEARCH EMAILID {first.decode()}")
    assert b"* SEARCH 1\r\n" in client.ask(f"g SEARCH THREADID {thread.decode()} NOT EMAILID {first.decode()}")


def test_what_is_no_id_of_ours_finds_nothing(world: World) -> None:
    world.deliver(message("1"))
    converse(
        world.logged_in("INBOX"),
        """
        C: a SEARCH OR THREADID T0000000000000 OR EMAILID M12345 THREADID x
        S: * SEARCH
        S: a OK …
        C: b SEARCH EMAILID "x y"
        S: b BAD …
        """,
    )


def test_the_thread_is_nil_until_it_is_known(world: World) -> None:
    world.deliver(message("1"))
    result(world.store.run(lambda tx: tx.run(Statement("DELETE FROM conversation_entry"))))
    assert b"* 1 FETCH (THREADID NIL)\r\n" in world.logged_in("INBOX").ask("a FETCH 1 THREADID")


def test_threads_by_references_and_by_subject(world: World) -> None:
    world.deliver(message("1", subject="one"))
    world.deliver(message("2", "1", subject="Re: one"))
    world.deliver(message("3", subject="two", day=2))
    world.deliver(message("4", "1", subject="Re: one", day=3))
    converse(
        world.logged_in("INBOX"),
        """
        C: a THREAD REFERENCES UTF-8 ALL
        S: * THREAD (1 (2)(4))(3)
        S: a OK threaded
        C: b UID THREAD ORDEREDSUBJECT US-ASCII SUBJECT one
        S: * THREAD (1 (2)(4))
        S: b OK threaded
        C: c THREAD REFERENCES UTF-8 SEEN
        S: * THREAD
        S: c OK threaded
        C: d THREAD REFS UTF-8 ALL
        S: d BAD REFS is no algorithm of THREAD
        C: e THREAD REFERENCES KOI8-R ALL
        S: e NO [BADCHARSET (US-ASCII UTF-8)] search in one of these
        C: f STORE 2 +FLAGS.SILENT (\\Deleted)
        S: f OK …
        C: g EXPUNGE
        S: * 2 EXPUNGE
        S: g OK …
        C: h THREAD REFERENCES UTF-8 ALL
        S: * THREAD (1 3)(2)
        S: h OK threaded
        C: i UID THREAD REFERENCES UTF-8 ALL
        S: * THREAD (1 4)(3)
        S: i OK threaded
        """,
    )
    assert b"THREAD=ORDEREDSUBJECT THREAD=REFERENCES" in world.logged_in().ask("a CAPABILITY")


def test_a_thread_of_thousands_is_one_answer(world: World) -> None:
    for number in range(300):
        world.deliver(message(str(number), *(str(before) for before in range(number))))
    answer = world.logged_in("INBOX").ask("a THREAD REFERENCES UTF-8 ALL")
    assert b"* THREAD (" + b" ".join(b"%d" % number for number in range(1, 301)) + b")\r\n" in answer


def test_messages_in_threads_are_rationed_over_all_sessions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MOST", 4)
    monkeypatch.setattr(threads, "IN_HAND", 6)
    for name in "123":
        world.deliver(message(name))
    client = world.logged_in("INBOX")
    in_hand = world.services.threads
    assert in_hand.take(7_000, 4)
    assert b"a NO [LIMIT] too many messages" in client.ask("a THREAD REFERENCES UTF-8 ALL")
    assert b"b OK" in client.ask("b THREAD REFERENCES UTF-8 1:2")
    in_hand.give(7_000, 4)
    assert b"* THREAD ((1)(2)(3))" in client.ask("c THREAD REFERENCES UTF-8 ALL")
    assert in_hand.take(7_000, 4)  # what was answered is in hand no more
    assert not in_hand.take(7_000, 1)  # one account has its part alone
    assert in_hand.take(7_001, 2)
    assert not in_hand.take(7_002, 1)
