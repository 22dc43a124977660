"""Dialogues with the client's engine: what we say is marked C:, what the server says S:."""

from __future__ import annotations

import pytest

from mpcontinuity.protocols.imap import client
from mpcontinuity.protocols.imap.answer import Fetched, Flags, Found, Listed, Namespace, Status
from mpcontinuity.protocols.imap.client import (
    Broken,
    ClientEngine,
    Completed,
    Event,
    GoAhead,
    Greeting,
    Unsendable,
)

GREETING = b"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+] ready\r\n"


def events(engine: ClientEngine) -> list[Event]:
    found = []
    while (event := engine.next_event()) is not None:
        found.append(event)
    return found


def opened(greeting: bytes = GREETING) -> ClientEngine:
    engine = ClientEngine()
    engine.receive(greeting)
    assert isinstance(events(engine)[0], Greeting)
    return engine


def completed(engine: ClientEngine, said: bytes) -> Completed:
    engine.to_send()
    engine.receive(said)
    (event,) = events(engine)
    assert isinstance(event, Completed), event
    return event


def broken(engine: ClientEngine, said: bytes) -> Broken:
    engine.receive(said)
    found = events(engine)
    assert isinstance(found[-1], Broken), found
    assert engine.broken
    assert not engine.idle
    return found[-1]


def dialogue(engine: ClientEngine, *lines: str) -> None:
    """Lines of ours must be what the engine sends, lines of the server are given to it. ``\\r\\n`` ends each."""
    for line in lines:
        who, text = line[:2], line[3:].encode("latin-1") + b"\r\n"
        if who == "S:":
            engine.receive(text)
        else:
            said = engine.to_send()
            assert said == text, said
    assert engine.to_send() == b""


# The beginning


def test_capabilities_of_the_greeting_are_known() -> None:
    assert opened().capabilities == {"IMAP4REV1", "SASL-IR", "LITERAL+"}


def test_no_command_may_begin_before_the_greeting() -> None:
    with pytest.raises(RuntimeError):
        ClientEngine().noop()


def test_a_greeting_of_bye_is_told_and_nothing_can_be_asked() -> None:
    engine = opened(b"* BYE [UNAVAILABLE] too many connections\r\n")
    assert engine.broken
    assert not engine.idle


@pytest.mark.parametrize("said", [b"220 smtp.example ESMTP\r\n", b"a1 OK hello\r\n", b"* 5 EXISTS\r\n", b"\r\n"])
def test_what_is_no_greeting_is_no_imap_server(said: bytes) -> None:
    assert "no IMAP server" in broken(ClientEngine(), said).reason


def test_octets_behind_the_answer_to_starttls_end_the_session() -> None:
    engine = opened()
    engine.starttls()
    assert "behind its answer to STARTTLS" in broken(engine, b"a1 OK go\r\n* OK [CAPABILITY X] injected\r\n").reason


def test_what_was_offered_before_tls_counts_no_more() -> None:
    engine = opened()
    engine.starttls()
    assert completed(engine, b"a1 OK go\r\n").status.ok
    engine.tls_started()
    assert engine.capabilities == frozenset()


# Login


def test_login_quotes_what_is_special() -> None:
    engine = opened()
    engine.login("ann*master", 'a"b\\c')
    dialogue(engine, r'C: a1 LOGIN "ann*master" "a\"b\\c"', "S: a1 OK in")


def test_a_password_beyond_ascii_waits_for_permission_where_the_server_wants_that() -> None:
    engine = opened(b"* OK hello\r\n")
    engine.login("ann", "gr\u00fcn")
    dialogue(engine, 'C: a1 LOGIN "ann" {5}', "S: + go on", "C: gr\u00c3\u00bcn", "S: a1 OK in")
    assert isinstance(events(engine)[0], Completed)


def test_a_password_beyond_ascii_goes_at_once_with_literal_plus() -> None:
    engine = opened()
    engine.login("ann", "gr\u00fcn")
    dialogue(engine, 'C: a1 LOGIN "ann" {5+}\r\ngr\u00c3\u00bcn')


def test_a_refused_login_has_its_code() -> None:
    engine = opened()
    engine.login("ann", "secret")
    status = completed(engine, b"a1 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n").status
    assert status == Status(
        "NO",
        "AUTHENTICATIONFAILED",
        "",
        "Authentication failed.",
        "a1 NO [AUTHENTICATIONFAILED] Authentication failed.",
    )


def test_plain_goes_with_the_command_where_sasl_ir_is_offered() -> None:
    engine = opened()
    engine.authenticate_plain("master", "secret", "ann@example.com")
    dialogue(engine, "C: a1 AUTHENTICATE PLAIN YW5uQGV4YW1wbGUuY29tAG1hc3RlcgBzZWNyZXQ=", "S: a1 OK in")


def test_plain_waits_for_the_challenge_where_it_is_not() -> None:
    engine = opened(b"* OK hello\r\n")
    engine.authenticate_plain("master", "secret")
    dialogue(engine, "C: a1 AUTHENTICATE PLAIN", "S: + ", "C: AG1hc3RlcgBzZWNyZXQ=", "S: a1 OK in")


def test_the_error_of_oauth_is_told_and_answered() -> None:
    engine = opened()
    engine.authenticate_token("ann@example.com", "t0ken")
    engine.to_send()
    dialogue(engine, "S: + eyJzdGF0dXMiOiI0MDEifQ==", "C: ", "S: a1 NO AUTHENTICATE failed.")
    (event,) = events(engine)
    assert isinstance(event, Completed)
    assert event.challenge == '{"status":"401"}'


def test_oauthbearer_is_used_where_it_alone_is_offered() -> None:
    engine = opened(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=OAUTHBEARER] hi\r\n")
    engine.authenticate_token("ann@example.com", "t0ken")
    said = engine.to_send()
    assert said.startswith(b"a1 AUTHENTICATE OAUTHBEARER bixhPWFubkBleGFtcGxlLmNvbSw")
    dialogue(engine, "S: + eyJzdGF0dXMiOiI0MDEifQ==", "C: AQ==")


def test_challenges_without_end_end_the_session() -> None:
    engine = opened()
    engine.authenticate_plain("master", "secret")
    assert "challenges" in broken(engine, b"+ \r\n" * (client.MAX_CHALLENGES + 1)).reason


@pytest.mark.parametrize("echo", [b'geh"eim', b'geh\\"eim', b"AG1hc3RlcgBnZWgiZWlt"])
def test_a_password_that_the_server_repeats_is_not_shown(echo: bytes) -> None:
    engine = opened()
    engine.login("master", 'geh"eim')
    engine.receive(b"a1 NO no\r\n")
    events(engine)
    engine.authenticate_plain("master", 'geh"eim')
    said = completed(engine, b"a2 NO [ALERT] what is this: " + echo + b" ?\r\n")
    assert said.status.line == "a2 NO [ALERT] what is this: *** ?"


def test_a_user_may_be_able_to_do_more_than_a_stranger() -> None:
    engine = opened()
    engine.login("a", "b")
    completed(engine, b"a1 OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n")
    assert engine.capabilities == {"IMAP4REV1", "UIDPLUS"}
    engine.capability()
    completed(engine, b"* CAPABILITY IMAP4rev1 move\r\na2 OK\r\n")
    assert engine.capabilities == {"IMAP4REV1", "MOVE"}


# Mailboxes


def test_mailboxes_are_listed_with_their_uses() -> None:
    engine = opened()
    engine.list_all(uses=True)
    assert engine.to_send() == b'a1 LIST "" "*" RETURN (SPECIAL-USE)\r\n'
    said = completed(
        engine,
        b'* LIST (\\HasNoChildren \\Sent) "." "Gesendete Objekte"\r\n'
        b"* LIST (\\NoSelect) NIL {9}\r\nEntw&APw-\r\n"
        b'* LIST () "/" Entw&APw-rfe ("CHILDINFO" ("SUBSCRIBED"))\r\n'
        b'* LIST () "/" "broken&name"\r\n'
        b"* 23 EXISTS\r\na1 OK done\r\n",
    )
    assert said.data == (
        Listed(frozenset({"\\hasnochildren", "\\sent"}), ".", b"Gesendete Objekte", "Gesendete Objekte"),
        Listed(frozenset({"\\noselect"}), "", b"Entw&APw-", "Entw\u00fc"),
        Listed(frozenset(), "/", b"Entw&APw-rfe", "Entw\u00fcrfe"),
        Listed(frozenset(), "/", b"broken&name", None),
    )


def test_the_prefix_of_the_own_mailboxes_is_read() -> None:
    engine = opened()
    engine.namespace()
    said = completed(engine, b'* NAMESPACE (("INBOX." ".")) (("user." ".")) NIL\r\na1 OK\r\n')
    assert said.data == (Namespace(b"INBOX.", "."),)
    engine.namespace()
    assert completed(engine, b"* NAMESPACE NIL NIL NIL\r\na2 OK\r\n").data == ()


def test_create_subscribe_and_select_name_the_mailbox() -> None:
    engine = opened()
    engine.create(b"Entw&APw-rfe")
    dialogue(engine, 'C: a1 CREATE "Entw&APw-rfe"', "S: a1 OK")
    engine.subscribe(b'a"b')
    dialogue(engine, r'C: a2 SUBSCRIBE "a\"b"', "S: a2 OK")
    engine.select(b"INBOX", read_only=True)
    dialogue(engine, 'C: a3 EXAMINE "INBOX"', "S: a3 OK")
    engine.select(b"INBOX", read_only=False)
    engine.to_send()
    events(engine)
    said = completed(
        engine, b"* FLAGS (\\Seen k)\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] x\r\na4 OK [READ-WRITE] done\r\n"
    )
    assert said.data == (Flags(("\\Seen", "k")), Flags(("\\Seen", "\\*")))


def test_a_search_finds_uids() -> None:
    engine = opened()
    engine.search_header("Message-ID", b"<1@example.com>")
    assert engine.to_send() == b'a1 UID SEARCH HEADER "Message-ID" "<1@example.com>"\r\n'
    assert completed(engine, b"* SEARCH 5 4294967295 (MODSEQ 7)\r\na1 OK\r\n").data == (Found((5, 4294967295)),)
    engine.search_header("Message-ID", b"<1@example.com>")
    assert completed(engine, b"* SEARCH\r\na2 OK\r\n").data == (Found(()),)


def test_sizes_and_headers_are_fetched_in_any_order() -> None:
    engine = opened()
    engine.fetch_beginnings([5, 6])
    assert engine.to_send().startswith(b"a1 UID FETCH 5,6 (UID RFC822.SIZE BODY.PEEK[HEADER]<0.")
    said = completed(
        engine,
        b"* 1 FETCH (BODY[HEADER]<0> {6}\r\nA: b\r\n RFC822.SIZE 100 UID 5 FLAGS (\\Seen $Label1))\r\n"
        b'* 2 FETCH (FLAGS () X-GM-LABELS ("\\\\Inbox" (a (b))) ENVELOPE NIL UID 6 BODY[HEADER] NIL'
        b' BODY[TEXT]<0> "hello")\r\n'
        b"* 3 FETCH (FLAGS (\\Recent))\r\n"
        b"a1 OK\r\n",
    )
    assert said.data == (
        Fetched(5, 100, b"A: b\r\n", None, ("\\Seen", "$Label1")),
        Fetched(6, None, None, b"hello", ()),
        Fetched(None, None, None, None, ("\\Recent",)),
    )


def test_several_strings_of_one_response_are_each_in_their_place() -> None:
    engine = opened()
    engine.fetch_beginnings([5])
    said = completed(
        engine, b"* 1 FETCH (BODY[TEXT]<0> {5}\r\nhello UID 5 BODY[HEADER]<0> {6}\r\nA: b\r\n)\r\na1 OK\r\n"
    )
    assert said.data == (Fetched(5, None, b"A: b\r\n", b"hello"),)


def test_flags_are_changed_and_messages_copied_and_moved() -> None:
    engine = opened()
    engine.store([1, 2], "+", ["\\Seen", "$Forwarded"])
    dialogue(engine, "C: a1 UID STORE 1,2 +FLAGS.SILENT (\\Seen $Forwarded)", "S: a1 OK")
    engine.copy([3], b"Sent", move=False)
    dialogue(engine, 'C: a2 UID COPY 3 "Sent"', "S: a2 OK [COPYUID 1 3 4] done")
    engine.copy([3], b"Sent", move=True)
    dialogue(engine, 'C: a3 UID MOVE 3 "Sent"', "S: a3 OK")


# APPEND


def test_a_message_is_appended_after_permission() -> None:
    engine = opened()
    engine.append(b"Sent", ["\\Seen"], 0, 5000, binary=False)
    dialogue(engine, 'C: a1 APPEND "Sent" (\\Seen) " 1-Jan-1970 00:00:00 +0000" {5000}', "S: + go")
    assert events(engine) == [GoAhead()]
    engine.message(b"x" * 4999)
    assert engine.to_send() == b"x" * 4999
    assert engine.left == 1
    engine.message(b"y")
    assert engine.to_send() == b"y\r\n"
    status = completed(engine, b"a1 OK [APPENDUID 38505 3955] APPEND completed\r\n").status
    assert (status.code, status.argument) == ("APPENDUID", "38505 3955")
    assert status.line == "a1 OK [APPENDUID 38505 3955] APPEND completed"
    assert engine.idle


def test_a_small_message_waits_for_leave_too() -> None:
    engine = opened()
    engine.append(b"Sent", [], None, 3, binary=False)
    dialogue(engine, 'C: a1 APPEND "Sent" {3}', "S: + go")
    assert events(engine) == [GoAhead()]
    engine.message(b"abc")
    dialogue(engine, "C: abc", "S: + what is this?", "S: a1 OK")
    assert engine.idle


def test_a_message_with_nul_is_announced_as_binary() -> None:
    engine = opened(b"* OK hi\r\n")
    engine.append(b"Sent", [], None, 3, binary=True)
    dialogue(engine, 'C: a1 APPEND "Sent" ~{3}')


def test_append_refused_before_the_message_goes_leaves_the_session_usable() -> None:
    engine = opened()
    engine.append(b"Missing", [], None, 5000, binary=False)
    assert completed(engine, b"a1 NO [TRYCREATE] no such mailbox\r\n").status.code == "TRYCREATE"
    assert engine.idle
    with pytest.raises(RuntimeError):
        engine.message(b"x")


def test_append_refused_half_way_ends_the_session() -> None:
    engine = opened()
    engine.append(b"Sent", [], None, 5000, binary=False)
    engine.receive(b"+ go\r\n")
    events(engine)
    engine.message(b"x" * 100)
    engine.receive(b"a1 NO [OVERQUOTA] full\r\n")
    first, second = events(engine)
    assert isinstance(first, Completed)
    assert first.status.code == "OVERQUOTA"
    assert isinstance(second, Broken)


def test_an_ok_to_a_message_that_was_not_sent_is_not_believed() -> None:
    for said in (b"a1 OK done\r\n", b"+ go\r\na1 OK done\r\n"):
        engine = opened()
        engine.append(b"Sent", [], None, 5000, binary=False)
        assert "not heard" in broken(engine, said).reason
        assert not any(isinstance(event, Completed) for event in events(engine))


def test_what_imap_cannot_say_is_refused_before_anything_is_sent() -> None:
    engine = opened()
    for flags in (["a b"], ["\u00fc"], ["x)"], ["\\Seen\r\na NOOP"], ["*"], [""]):
        with pytest.raises(Unsendable):
            engine.append(b"Sent", flags, None, 3, binary=False)
    with pytest.raises(Unsendable):
        engine.search_header("Message-ID", b"\0")
    assert engine.to_send() == b""
    assert engine.idle


def test_a_name_with_a_line_end_cannot_begin_a_command_of_its_own() -> None:
    engine = opened()
    engine.create(b"x\r\na9 LOGOUT")
    assert engine.to_send() == b"a1 CREATE {12+}\r\nx\r\na9 LOGOUT\r\n"


# Servers that lie


def test_a_string_of_ten_terabytes_ends_the_session() -> None:
    engine = opened()
    engine.list_all()
    reason = broken(engine, b'* LIST () "/" {10995116277760}\r\n').reason
    assert reason == f"announced a string of 10995116277760 octets, with {client.MAX_LITERAL} at most"
    engine = opened()
    engine.list_all()
    assert "announced a string" in broken(engine, b'* LIST () "/" {' + b"9" * 5000 + b"}\r\n").reason


def test_strings_without_end_in_one_response_end_the_session() -> None:
    engine = opened()
    engine.fetch_beginnings([1])
    assert "strings" in broken(engine, b"* 1 FETCH (" + b"X {1}\r\na " * (client.MAX_LITERALS + 1)).reason


def test_a_line_without_end_ends_the_session() -> None:
    engine = opened()
    assert "a line of more" in broken(engine, b"* OK " + b"x" * client.MAX_LINE).reason


def test_untagged_responses_without_end_end_the_session() -> None:
    engine = opened()
    engine.noop()
    assert "to one command" in broken(engine, b"* 1 EXISTS\r\n" * (client.MAX_RESPONSES + 1)).reason
    engine = opened()
    assert "unasked" in broken(engine, b"* 1 EXISTS\r\n" * (client.MAX_UNSOLICITED + 1)).reason


def test_more_octets_than_any_answer_has_end_the_session() -> None:
    engine = opened()
    engine.list_all()
    line = b'* LIST () "/" "' + b"x" * 60_000 + b'"\r\n'
    assert "octets to one command" in broken(engine, line * (client.MAX_ANSWER // len(line) + 1)).reason


@pytest.mark.parametrize(
    "said",
    [
        b"* FLAGS (" + b"a " * 10_000 + b"a)\r\n",
        b"* LIST (" + rb"\a " * 10_000 + rb'\a) "/" x' + b"\r\n",
        b"* 1 FETCH (" + b"UID 1 " * 10_000 + b"UID 1)\r\n",
        b"* 1 FETCH (ENVELOPE (" + b"a " * 10_000 + b"a))\r\n",
        b"* 1 FETCH (" + b"X ((a) (a)) " * 2_000 + b"UID 1)\r\n",
    ],
)
def test_one_response_of_more_values_than_any_has_ends_the_session(said: bytes) -> None:
    engine = opened()
    engine.noop()
    assert "too many" in broken(engine, said).reason


def test_a_thousand_flags_and_an_envelope_that_nobody_asked_for_are_read() -> None:
    engine = opened()
    engine.noop()
    said = (
        b"* FLAGS (" + b"a " * 1000 + b"a)\r\n* 1 FETCH (ENVELOPE (" + b'(NIL NIL "a" "b") ' * 800 + b"NIL) UID 7)\r\n"
    )
    flags, fetched = completed(engine, said + b"a1 OK done\r\n").data
    assert isinstance(flags, Flags)
    assert (len(flags.names), fetched) == (1001, Fetched(uid=7))


@pytest.mark.parametrize(
    "said",
    [
        b"a9 OK done\r\n",
        b"a1 MAYBE\r\n",
        b"* LIST nonsense\r\n",
        b"* SEARCH 99999999999\r\n",
        b"* 1 FETCH ((((\r\n",
        b"* BYE going down\r\n",
        b"nonsense\r\n",
    ],
)
def test_nonsense_ends_the_session_in_one_line(said: bytes) -> None:
    engine = opened()
    engine.noop()
    reason = broken(engine, said).reason
    assert reason
    assert reason.isprintable()


def test_text_that_ends_like_the_announcement_of_a_string_is_text() -> None:
    engine = opened()
    engine.noop()
    assert completed(engine, b"* OK hello {5}\r\na1 OK done {7}\r\n").status.text == "done {7}"


def test_control_characters_of_the_server_are_not_shown() -> None:
    engine = opened()
    engine.noop()
    assert completed(engine, b"a1 NO a\x1b[31mb\rc\xff\r\n").status.line == "a1 NO a [31mb c\ufffd"
    engine.noop()
    assert completed(engine, "a2 NO a\u202eb\u2028c\r\n".encode()).status.line == "a2 NO a b c"


def test_bye_after_logout_is_no_fault() -> None:
    engine = opened()
    engine.logout()
    assert completed(engine, b"* BYE bye\r\na1 OK done\r\n").status.ok


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 1000])
def test_answers_are_the_same_however_they_are_cut(cut: int) -> None:
    said = b'* LIST (\\Sent) "/" {4}\r\nSent\r\n* LIST () "/" {0}\r\n\r\n* OK x {3}\r\na1 OK [ALERT] done\r\n'
    engine = opened()
    engine.list_all()
    for start in range(0, len(said), cut):
        assert events(engine) == []
        engine.receive(said[start : start + cut])
    (event,) = events(engine)
    assert isinstance(event, Completed)
    assert event.status.code == "ALERT"
    assert [one.wire for one in event.data if isinstance(one, Listed)] == [b"Sent", b""]
