"""What silence after a final dot says: of the server, or of one mailbox."""

from __future__ import annotations

from mpcontinuity.outbound.mailboxes import FAULT_LASTS, Mailboxes

ANN, BOB = frozenset({"ann"}), frozenset({"bob"})


def counts(known: Mailboxes, mailboxes: frozenset[str], began: float, now: float, asked: float | None = None) -> bool:
    return known.silence_counts(mailboxes, began=began, asked=began if asked is None else asked, now=now)


def test_silence_counts_where_nothing_was_answered() -> None:
    known = Mailboxes()
    assert counts(known, ANN, 0, 10)
    assert counts(known, ANN, 11, 21)


def test_an_answer_for_others_since_the_transaction_began_shows_whose_fault_it_is() -> None:
    known = Mailboxes()
    known.answered(BOB, 5)
    assert not counts(known, ANN, 0, 20, asked=9)
    assert not counts(known, ANN, 30, 40)
    assert counts(known, ANN, 60, 20 + FAULT_LASTS)


def test_an_answer_for_the_same_mailbox_matters_from_the_final_dot_on() -> None:
    known = Mailboxes()
    known.answered(ANN, 5)
    assert not counts(known, ANN, 0, 14, asked=4)
    assert counts(known, ANN, 0, 19, asked=9)


def test_silence_in_sessions_that_were_begun_before_the_first_counted_is_one() -> None:
    known = Mailboxes()
    assert [counts(known, ANN, 0, 10) for _ in range(5)] == [True, False, False, False, False]
    assert counts(known, BOB, 0, 10)


def test_of_a_message_to_several_nobody_is_known_to_be_slow() -> None:
    known = Mailboxes()
    known.answered({"carol"}, 5)
    assert not counts(known, ANN | BOB, 0, 10)
    assert not known.faulty("ann", 11)
