"""What FETCH answers from the blob, against the messages' own bytes."""

from __future__ import annotations

import email.header
import mmap
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mpcontinuity.message import rendered
from mpcontinuity.message.render import render, render_whole
from mpcontinuity.message.rendered import HeaderNames
from tests.corpus import messages
from tests.message.imap import read


def _structure(message: bytes) -> Any:
    return read(rendered.bodystructure(render(message)))


def _section(message: bytes, path: tuple[int, ...], text: str = "") -> bytes | None:
    found = rendered.section(render_whole(message), path, text)
    return None if found is None else message[found[0] : found[0] + found[1]]


def test_an_envelope_has_its_ten_members() -> None:
    anna = [[b"Anna Berg", None, b"anna", b"example.org"]]
    assert read(rendered.envelope(render(messages.PLAIN))) == [
        b"Sun, 22 Nov 2026 04:03:00 +0100",
        b"Agenda",
        anna,
        anna,
        anna,
        [[None, None, b"ben", b"example.net"]],
        None,
        None,
        None,
        b"<1@example.org>",
    ]


def test_groups_and_encoded_words_stand_in_the_envelope_as_rfc_9051_wants() -> None:
    envelope = read(rendered.envelope(render(messages.ALTERNATIVE_WITH_ATTACHMENT)))
    assert envelope[1] == b"=?UTF-8?Q?=C3=9Cberweisung?= =?UTF-8?Q?_heute?="
    assert envelope[2] == [[b"Berg, Anna", None, b"anna", b"example.org"]]
    assert envelope[5] == [
        [b"Ben", None, b"ben", b"example.net"],
        [b"=?utf-8?B?TcO8bGxlcg==?=", None, b"m", b"example.net"],
    ]
    assert envelope[6] == [
        [None, None, b"Friends", None],
        [None, None, b"a", b"example.com"],
        [None, None, b"b", b"example.com"],
        [None, None, None, None],
    ]


def test_absent_fields_are_nil_and_empty_ones_are_empty() -> None:
    assert read(rendered.envelope(render(b"Subject:\r\nDate: \r\nTo:\r\nSender: \r\nFrom: a@b\r\n\r\n"))) == [
        b"",
        b"",
        *[[[None, None, b"a", b"b"]]] * 3,
        *[None] * 5,
    ]
    assert read(rendered.envelope(render(b""))) == [None] * 10


def _words(value: bytes) -> str:
    """As a client decodes them."""
    return str(email.header.make_header(email.header.decode_header(value.decode("ascii"))))


def test_letters_beyond_ascii_are_encoded_words_whatever_the_header_has() -> None:
    """RFC 6855 §3: a client that has not enabled UTF8=ACCEPT gets none of them raw."""
    envelope = read(rendered.envelope(render(messages.EIGHT_BIT)))
    assert _words(envelope[1]) == "Grüße\N{REPLACEMENT CHARACTER}!"
    assert [(_words(name), *rest) for name, *rest in envelope[2]] == [("Jürgen", None, b"j", b"example.org")]
    long = "Überlänge, die in kein einzelnes Wort paßt, weil es höchstens 75 Zeichen haben darf, 会議"
    subject = read(rendered.envelope(render(f"Subject: =?utf-8?q?M=C3=A4rz?= {long}\r\n\r\n".encode())))[1]
    assert _words(subject) == f"März {long}"
    assert max(map(len, subject.split())) <= 75
    latin = read(rendered.envelope(render("Subject: Grüße\r\n\r\n".encode("latin-1"))))[1]
    assert _words(latin) == "Grüße"


def test_an_address_beyond_ascii_has_a_domain_that_can_be_asked_for() -> None:
    message = "From: <jürgen@müller.example>\r\nTo: <x@\u2003.example>\r\n\r\n".encode()
    _, _, from_, _, _, to, *_ = read(rendered.envelope(render(message)))
    assert [(_words(local), host) for _, _, local, host in from_] == [("jürgen", b"xn--mller-kva.example")]
    assert to == [[None, None, b"x", b"???.example"]]


def test_names_of_files_beyond_ascii_are_shown_as_rfc_2231_has_them() -> None:
    head = "Content-Type: a/b; name=Grüße.pdf\r\nContent-Disposition: inline; filename*=utf-8''ü\r\n"
    structure = _structure(head.encode() + "Content-Description: Büro\r\n\r\n".encode())
    assert structure[2] == [b"name*", b"utf-8''Gr%C3%BC%C3%9Fe.pdf"]
    assert structure[8] == [b"inline", [b"filename*", b"utf-8''%C3%BC"]]
    assert _words(structure[4]) == "Büro"


def test_quotes_and_backslashes_are_escaped() -> None:
    blob = render(b'Subject: say "a\\b"\r\nFrom: "O\\"Neil" <o@x.org>\r\n\r\n')
    assert b'"say \\"a\\\\b\\""' in rendered.envelope(blob)
    assert read(rendered.envelope(blob))[2] == [[b'O"Neil', None, b"o", b"x.org"]]


def test_a_bodystructure_shows_parts_sizes_lines_and_extension_data() -> None:
    alternative, pdf, subtype, parameters, *rest = _structure(messages.ALTERNATIVE_WITH_ATTACHMENT)
    plain, html, kind, inner_parameters, *_ = alternative
    assert plain == [
        *(b"text", b"plain", [b"charset", b"utf-8"], None, None, b"quoted-printable", 45, 1),
        *(None, None, None, None),
    ]
    assert html[:8] == [b"text", b"html", [b"charset", b"utf-8"], None, None, b"7bit", 12, 0]
    assert (kind, inner_parameters) == (b"alternative", [b"boundary", b"mix-alt"])
    assert pdf == [
        *(b"application", b"pdf", [b"name", b"invoice.pdf"], b"<pdf@example.org>", b"the invoice", b"base64", 12),
        *(None, [b"attachment", [b"filename*", b"UTF-8''%C3%9Cberweisung.pdf"]], [b"de", b"en"], None),
    ]
    assert (subtype, parameters, rest) == (b"mixed", [b"boundary", b"mix"], [None, None, None])


def test_body_is_bodystructure_without_extension_data() -> None:
    alternative, pdf, subtype = read(rendered.body(render(messages.ALTERNATIVE_WITH_ATTACHMENT)))
    assert [part[:2] for part in alternative[:2]] == [[b"text", b"plain"], [b"text", b"html"]]
    assert len(alternative[0]) == 8
    assert len(pdf) == 7
    assert subtype == b"mixed"


def test_an_enclosed_message_brings_its_envelope_structure_and_lines() -> None:
    enclosed = _structure(messages.FORWARDED)[1]
    assert enclosed[:2] == [b"message", b"rfc822"]
    assert enclosed[7][1] == b"inner"
    assert enclosed[8][0][:2] == [b"text", b"plain"]
    assert enclosed[8][1][7][1] == b"innermost"
    assert enclosed[9] == 14


@pytest.mark.parametrize(
    ("path", "text", "content"),
    [
        ((1,), "", b"see below"),
        ((1,), "MIME", b"Content-Type: text/plain\r\n\r\n"),
        ((1,), "HEADER", None),
        ((2,), "MIME", b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"),
        ((2, 1), "", b"inner text"),
        ((2, 1), "MIME", b"\r\n"),
        ((2, 2), "HEADER", b"Subject: innermost\r\n\r\n"),
        ((2, 2), "TEXT", b"deep"),
        ((2, 2), "", b"Subject: innermost\r\n\r\ndeep"),
        ((2, 2, 1), "", b"deep"),
        ((2, 2, 1), "MIME", b"Subject: innermost\r\n\r\n"),
        ((2, 2, 2), "", None),
        ((2, 2, 1, 1), "", None),
        ((3,), "", None),
        ((0,), "", None),
        ((), "MIME", None),
    ],
)
def test_sections_of_enclosed_messages_are_exact(path: tuple[int, ...], text: str, content: bytes | None) -> None:
    assert _section(messages.FORWARDED, path, text) == content


def test_header_and_text_of_an_enclosed_message_are_its_own() -> None:
    header, text = _section(messages.FORWARDED, (2,), "HEADER"), _section(messages.FORWARDED, (2,), "TEXT")
    assert header is not None
    assert text is not None
    assert header.startswith(b"From: carla@example.com\r\n")
    assert header.endswith(b"boundary=inner\r\n\r\n")
    assert text.startswith(b"--inner\r\n")
    assert text.endswith(b"--inner--")
    assert header + text == _section(messages.FORWARDED, (2,))


@pytest.mark.parametrize("name", messages.NAMED)
def test_header_and_text_together_are_the_message(name: str) -> None:
    message = messages.NAMED[name]
    blob = render(message)
    header, text = _section(message, (), "HEADER"), _section(message, (), "TEXT")
    assert header is not None
    assert text is not None
    assert header + text == message == _section(message, ())
    assert rendered.header(blob) == header
    assert rendered.header_length(blob) == len(header)


def test_the_only_part_of_a_plain_message_is_its_text() -> None:
    assert _section(messages.PLAIN, (1,)) == b"Tomorrow at nine.\r\n"
    assert _section(messages.PLAIN, (1,), "MIME") == _section(messages.PLAIN, (), "HEADER")
    assert _section(messages.PLAIN, (2,)) is None


def test_a_message_of_type_rfc822_is_entered_by_its_only_part() -> None:
    message = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntext"
    assert _section(message, (1,), "HEADER") == b"Subject: in\r\n\r\n"
    assert _section(message, (1, 1)) == b"text"


def test_parts_of_a_digest_are_messages_by_default() -> None:
    first, second, *_ = _structure(messages.DIGEST)
    assert first[:2] == [b"message", b"rfc822"]
    assert first[7][1] == b"one"
    assert second[:2] == [b"text", b"plain"]
    assert _section(messages.DIGEST, (1,), "TEXT") == b"first"


@pytest.mark.parametrize("name", ["EMPTY_MULTIPART", "NO_BOUNDARY_LINE", "NO_BOUNDARY_PARAMETER"])
def test_a_multipart_without_parts_is_shown_as_plain_text(name: str) -> None:
    """K-9 does not survive an empty multipart, and a user wants to read what is there."""
    message = messages.NAMED[name]
    structure = _structure(message)
    assert structure[:3] == [b"text", b"plain", [b"charset", b"us-ascii"]]
    assert _section(message, (1,)) == _section(message, (), "TEXT")


def test_the_last_part_of_an_unterminated_multipart_ends_with_the_message() -> None:
    assert _section(messages.UNTERMINATED, (2,)) == b"cut off"


def test_a_boundary_may_be_the_beginning_of_another() -> None:
    assert _section(messages.BOUNDARY_IS_A_PREFIX, (1, 1)) == b"one"
    assert _section(messages.BOUNDARY_IS_A_PREFIX, (2,)) == b"two"
    longer_outside = (
        b"Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b1\r\n\r\ntwo\r\n--b1--\r\n"
    )
    assert _section(longer_outside, (1, 1)) == b"one"
    assert _section(longer_outside, (2,)) == b"two"


def test_a_boundary_that_ends_with_dashes_is_not_the_end_of_another() -> None:
    message = (
        b"Content-Type: multipart/mixed; boundary=b--\r\n\r\n--b--\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n\r\ntwo\r\n--b----\r\n"
    )
    assert _section(message, (1, 1)) == b"one"
    assert _section(message, (2,)) == b"two"


def test_parts_that_lack_a_body_or_a_header_are_empty_and_in_place() -> None:
    first, second, *_ = _structure(messages.HEADERS_WITHOUT_BODIES)
    assert first[1] == b"html"
    assert first[6:8] == [0, 0]
    assert second[6:8] == [0, 0]
    assert _section(messages.HEADERS_WITHOUT_BODIES, (1,), "MIME") == b"Content-Type: text/html\r\n"


def test_bare_line_feeds_change_nothing_but_sizes() -> None:
    for message in (messages.FORWARDED, messages.ALTERNATIVE_WITH_ATTACHMENT, messages.DIGEST):
        bare = message.replace(b"\r\n", b"\n")
        for path in ((1,), (2,), (1, 1), (2, 2), (2, 2, 1)):
            for text in ("", "HEADER", "TEXT", "MIME"):
                expected = _section(message, path, text)
                assert _section(bare, path, text) == (expected and expected.replace(b"\r\n", b"\n"))
    assert _section(messages.MIXED_LINE_ENDS, (1, 1)) == _section(messages.ALTERNATIVE_WITH_ATTACHMENT, (1, 1))


def test_ten_thousand_parts_are_all_there() -> None:
    message = messages.parts(10_000)
    blob = render_whole(message)
    assert len(read(rendered.bodystructure(blob))) > 9_990
    assert _section(message, (9_990,)) == b"x"


@pytest.mark.parametrize("make", messages.MADE)
def test_what_is_beyond_the_limits_is_kept_but_not_taken_apart(make: str) -> None:
    message = messages.MADE[make](20_000)
    blob = render_whole(message)
    for item in (rendered.envelope(blob), rendered.body(blob), rendered.bodystructure(blob)):
        read(item)
    assert rendered.section(blob, (), "") == (0, len(message))


def test_a_field_is_found_however_far_behind_in_the_header_it_stands() -> None:
    """Gmail takes headers of 500 KB: neither the subject nor the attachment may be lost behind them."""
    for filler in (b"X-Filler: " + b"f" * 900 + b"\r\n", b"X:\r\n", b" folded\r\n"):
        header = b"X-First: 1\r\n" + filler * (700_000 // len(filler))
        blob = render(header + b"Subject: behind\r\n" + messages.ALTERNATIVE_WITH_ATTACHMENT)
        assert read(rendered.envelope(blob))[1] == b"behind"
        assert len(read(rendered.bodystructure(blob))[0]) > 1
        assert rendered.section(blob, (2,), "") is not None


def test_enclosed_messages_are_taken_apart_however_long_their_headers_are_together() -> None:
    one = b"--b\r\nContent-Type: message/rfc822\r\n\r\nX: %b\r\nContent-Type: text/html\r\n\r\n<p>\r\n"
    blob = render(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + one % (b"x" * 10_000) * 300 + b"--b--\r\n")
    *enclosed, _, _, _, _, _ = read(rendered.bodystructure(blob))
    assert len(enclosed) == 300
    assert {part[8][1] for part in enclosed} == {b"html"}


@pytest.mark.parametrize("line", [b"-- Dumping data", b"--", b"--b-", b"--bb--", b"---b", b"--B"])
def test_no_number_of_lines_with_dashes_hides_what_is_behind_them(line: bytes) -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
    message = head + (line + b"\r\n") * 120_000 + b"--b \t\r\nContent-Type: a/b\r\n\r\npdf\r\n--b--\r\n--b\r\n"
    dump, attachment, *_ = _structure(message)
    assert dump[7] == 119_999
    assert attachment[:2] == [b"a", b"b"]
    assert _section(message, (2,)) == b"pdf"


def test_a_boundary_is_found_where_the_search_for_it_stops_and_begins_again() -> None:
    """Beyond a thousand lines with dashes it is searched for in steps of 64 KiB."""
    head = b"Content-Type: multipart/mixed; boundary=boundary\r\n\r\n--boundary\r\n\r\n" + b"--\r\n" * 1_100
    for fill in range(64 * 1024 - 30, 64 * 1024 + 30):
        message = head + b"x" * fill + b"\r\n--boundary\r\n\r\nsecond"
        assert _section(message, (2,)) == b"second"


def test_a_message_whose_header_runs_into_its_first_boundary_has_all_its_parts() -> None:
    first = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    message = (
        b"Subject: s\r\nContent-Type: multipart/alternative; boundary=QQ\r\n--QQ\r\n"
        + first
        + b"dGV4dA==\r\n--QQ\r\nContent-Type: text/html\r\n\r\n<b>html</b>\r\n--QQ--\r\n"
    )
    outer = b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n" + message + b"--o--\r\n"
    for whole, path in ((message, ()), (outer, (1,))):
        assert _section(whole, (*path, 1)) == b"dGV4dA=="
        assert _section(whole, (*path, 1), "MIME") == first
        assert _section(whole, (*path, 2)) == b"<b>html</b>"
    assert _section(message, (), "HEADER") == message[: message.index(b"--QQ")]


@pytest.mark.parametrize("encoding", [b"base64", b"Quoted-Printable"])
def test_an_encoded_message_is_an_attachment_with_its_name(encoding: bytes) -> None:
    head = b'Content-Type: message/rfc822; name="report.eml"\r\nContent-Transfer-Encoding: ' + encoding
    assert _structure(head + b"\r\n\r\nU3ViamVjdA==")[:3] == [b"application", b"octet-stream", [b"name", b"report.eml"]]


def test_header_fields_come_in_their_order_with_folded_lines_and_a_blank_line() -> None:
    message = b"A: 1\r\nTo: x,\r\n\ty\r\nAB: 2\r\nto: z\r\nJunk\r\nSubject : s\r\n\r\nTo: not me\r\n"
    blob = render(message)
    assert rendered.fields(blob, HeaderNames([b"TO", b"Subject"])) == (b"To: x,\r\n\ty\r\nto: z\r\nSubject : s\r\n\r\n")
    assert rendered.fields(blob, HeaderNames([b"to", b"a"], exclude=True)) == b"AB: 2\r\nJunk\r\nSubject : s\r\n\r\n"
    assert rendered.fields(blob, HeaderNames([b"None", b"T.", b"(", b"\xff"])) == b"\r\n"


def test_header_fields_of_a_cut_header_end_with_a_blank_line() -> None:
    assert HeaderNames([b"subject"]).pick(messages.NO_BLANK_LINE) == b"Subject: cut\r\n\r\n"
    assert HeaderNames([b"subject"]).pick(b"Subject: cut\r\n") == b"Subject: cut\r\n\r\n"


def test_a_long_header_is_not_stored() -> None:
    message = b"X: " + b"y" * 20_000 + b"\r\nSubject: s\r\n\r\nbody"
    blob = render(message)
    assert rendered.header(blob) is None
    assert rendered.fields(blob, HeaderNames([b"subject"])) is None
    assert rendered.header_length(blob) == len(message) - 4
    assert read(rendered.envelope(blob))[1] == b"s"


@pytest.mark.parametrize(
    ("field", "day"),
    [
        ("Sun, 22 Nov 2026 23:59:00 -1100", date(2026, 11, 22)),
        ("1 jan 99 00:00 GMT", date(1999, 1, 1)),
        ("Mon,  1\r\n Jan 07 00:00 GMT", date(2007, 1, 1)),
        ("Thu, 1-Jan-1970 00:00:00 GMT", date(1970, 1, 1)),
        ("31 Feb 2026 00:00", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_the_sent_date_is_the_senders_day(field: str, day: date | None) -> None:
    assert rendered.sent_date(render(f"Date: {field}\r\n\r\n".encode())) == day


@pytest.mark.parametrize("name", messages.NAMED)
def test_a_mapped_file_gives_the_same_as_bytes(name: str, tmp_path: Path) -> None:
    message = messages.NAMED[name]
    if not message:
        return
    path = tmp_path / "message"
    path.write_bytes(message)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert render(mapped) == render(message)
