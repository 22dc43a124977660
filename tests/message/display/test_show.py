"""What is shown of whole messages."""

from __future__ import annotations

import base64
import struct

import pytest

from mpcontinuity.message.display import choosing
from mpcontinuity.message.display.show import header
from mpcontinuity.message.display.shown import Person, Shown, Warned
from tests.message.display.messages import html, part, plain, several, shown

PNG = part("image/png; name=p.png", b"iVBORw0KGgo=", "Content-ID: <p@x>\r\nContent-Transfer-Encoding: base64\r\n")


def test_the_header_is_shown_decoded_and_what_would_hide_is_visible() -> None:
    content = (
        b"From: =?utf-8?q?J=C3=BCrgen?= <j@b.example>\r\nTo: Ann <a@example.org>, b@example.org\r\n"
        b"Subject: invoice =?utf-8?b?4oCuZnBkLmV4ZQ==?=\r\nDate: Mon, 30 Nov 2026 10:00:00 +0100\r\n"
        b"Message-ID: <1@b>\r\nReferences: <2@b>\r\n <3@b>\r\n\r\nHello"
    )
    found = shown(content)
    assert found.sender == (Person("Jürgen", "j@b.example"),)
    assert found.to == (Person("Ann", "a@example.org"), Person("", "b@example.org"))
    assert found.subject == "invoice \\u202efpd.exe"
    assert Warned("hidden", "Subject") in found.warnings
    assert found.sent == 1_796_029_200
    assert (found.message_id, found.references) == ("<1@b>", "<2@b> <3@b>")
    assert found.text == "Hello"


def test_of_alternatives_html_is_shown_and_plain_text_is_quoted() -> None:
    found = shown(several("alternative", part("text/plain", b"plain"), part("text/html", b"<b>rich</b>")))
    assert (found.html, found.text, found.rich) == ("<b>rich</b>", "plain", True)


def test_html_alone_is_quoted_by_its_text() -> None:
    found = shown(html("<p>One</p><p>two</p>"))
    assert found.text == "One\n\ntwo"


def test_pictures_within_the_message_are_shown_and_are_attachments_too() -> None:
    found = shown(several("related", part("text/html", b"<img src='cid:p@x'>"), PNG))
    assert found.html == '<img src="/images/CAPABILITY/2">'
    (picture,) = found.attachments
    assert (picture.path, picture.name, picture.kind, picture.size, picture.inline) == (
        "2",
        "p.png",
        "image/png",
        8,
        True,
    )


def test_a_picture_with_script_in_it_is_none() -> None:
    svg = part("image/svg+xml", b"<svg/>", "Content-ID: <p@x>\r\n")
    assert shown(several("related", part("text/html", b"<img src='cid:p@x'>x"), svg)).html == "<img>x"


def test_several_texts_are_shown_one_below_the_other_and_files_are_not() -> None:
    file = part("text/plain; name=a.txt", b"file", "Content-Disposition: attachment\r\n")
    found = shown(several("mixed", part("text/plain", b"one"), PNG, part("text/plain", b"two"), file))
    assert found.text == "one\n\ntwo"
    assert [each.path for each in found.attachments] == ["2", "4"]


def test_the_octets_of_an_attachment_are_where_it_says() -> None:
    content = several("mixed", part("text/plain", b"x"), several("mixed", PNG, header=""))
    (picture,) = shown(content).attachments
    assert picture.path == "2.1"
    assert content[picture.start : picture.end] == b"iVBORw0KGgo="


def test_an_enclosed_message_is_a_file_named_by_its_subject() -> None:
    (found,) = shown(several("mixed", part("message/rfc822", b"Subject: a/b\r\n\r\nx"))).attachments
    assert (found.name, found.note) == ("a_b.eml", "message")


def test_an_invitation_is_told() -> None:
    calendar = (
        b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Lunch\\, at\r\n  noon\r\n"
        b"DTSTART;TZID=Europe/Berlin:20261130T120000\r\nDTEND:20261130T120000Z\r\nLOCATION:Here\r\n"
        b'ORGANIZER;CN="Ann, B":mailto:a@b.example\r\nATTENDEE;CN=C:MAILTO:c@example.org\r\nRRULE:FREQ=DAILY\r\n'
        b"BEGIN:VALARM\r\nSUMMARY:no\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    found = shown(several("alternative", part("text/plain", b"x"), part("text/calendar; method=REQUEST", calendar)))
    (invitation,) = found.invitations
    assert (invitation.method, invitation.summary, invitation.place) == ("request", "Lunch, at noon", "Here")
    assert (invitation.start, invitation.end) == ("2026-11-30 12:00 Europe/Berlin", "2026-11-30 12:00 UTC")
    assert invitation.organizer == Person("Ann, B", "a@b.example")
    assert invitation.attendees == (Person("C", "c@example.org"),)
    assert invitation.repeats
    assert found.attachments[0].note == "invitation"


def test_what_outlook_packed_is_told_by_its_names() -> None:
    title = b"report.pdf\0"
    packed = b"\x78\x9f\x3e\x22\x01\x00" + struct.pack("<BII", 2, 0x00018010, len(title)) + title + b"\0\0"
    content = part(
        "application/ms-tnef; name=winmail.dat", base64.b64encode(packed), "Content-Transfer-Encoding: base64\r\n"
    )
    (found,) = shown(several("mixed", part("text/plain", b"x"), content)).attachments
    assert (found.note, found.within) == ("winmail", ("report.pdf",))


@pytest.mark.parametrize(
    "content",
    [
        several("encrypted", part("application/pgp-encrypted", b"Version: 1"), part("application/octet-stream", b"x")),
        part("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", b"AA=="),
    ],
)
def test_what_only_a_key_opens_is_said_to_be_so(content: bytes) -> None:
    found = shown(content)
    assert found.shortfalls == ("encrypted",)
    assert {each.note for each in found.attachments} == {"encrypted"}


def test_a_signed_message_is_read_and_the_signature_is_told() -> None:
    found = shown(several("signed", part("text/plain", b"x"), part("application/pgp-signature", b"x")))
    assert (found.text, found.attachments[0].note) == ("x", "signature")


def test_html_that_is_too_much_is_shown_as_its_text() -> None:
    found = shown(html("<b>" * 1_000 + "deep"))
    assert (found.rich, found.shortfalls) == (False, ("too-much",))
    assert "deep" in found.html


def test_html_within_something_that_goes_is_shown_as_its_text() -> None:
    found = shown(html("<svg><desc>Read me"))
    assert "Read me" in found.html


def test_with_plain_html_is_left_alone() -> None:
    found = shown(html("<b>x</b>"), plain=True)
    assert (found.rich, found.html) == (False, '<div class="mpc-text">x</div>')


def test_a_long_text_is_cut_and_that_is_said() -> None:
    found = shown(plain("x" * 600_000))
    assert found.shortfalls == ("cut",)
    assert len(found.text) == 512 * 1024


@pytest.mark.parametrize(
    ("charset", "octets", "text"),
    [
        ("iso-8859-1", b"caf\xe9", "café"),
        ("utf-16", "\ufeffcafé".encode("utf-16-le"), "café"),
        ("shift_jis", "日本".encode("shift_jis"), "日本"),
        ("no-such", "café".encode(), "café"),
        ("utf-7", b"+ADw-script+AD4-", "<script>"),
        ("", b"caf\xe9", "café"),
    ],
)
def test_every_charset_shows_something_sensible_and_none_makes_html_of_text(
    charset: str, octets: bytes, text: str
) -> None:
    found = shown(b"Content-Type: text/plain; charset=" + charset.encode() + b"\r\n\r\n" + octets)
    assert found.text.lstrip("\ufeff") == text
    assert "<script" not in found.html


@pytest.mark.parametrize("charset", ["utf-7", "hz", "iso-2022-jp", "utf-16be", "cp1252"])
def test_a_charset_that_hides_a_tag_hides_it_from_nobody(charset: str) -> None:
    content = b"Content-Type: text/html; charset=" + charset.encode() + b"\r\n\r\n"
    found = shown(content + "<script>alert(1)</script>x".encode(charset))
    assert "<script" not in found.html


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"no header at all",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b",
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n--b--",
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!",
        b'Content-Type: text/html; charset="\0"\r\n\r\n\0\0',
        b"From: \xff\xfe\r\nDate: x\r\n\r\n",
        b"From: " + b"a@b," * 10_000 + b"\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n" * 2_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(200)),
    ],
)
def test_broken_messages_are_shown_somehow(content: bytes) -> None:
    found = shown(content)
    assert isinstance(found, Shown)
    assert len(found.attachments) <= choosing.MOST_ATTACHMENTS


def test_the_header_is_told_field_by_field() -> None:
    found = header(b"A: =?utf-8?q?=C3=A4?=\r\nB: x\r\n y\r\nC: \xe2\x80\xae\r\n\r\nD: no")
    assert [(each.name, each.text) for each in found] == [("A", "ä"), ("B", "x y"), ("C", "\\u202e")]


def test_plain_text_may_have_any_number_of_signs_that_html_writes_otherwise() -> None:
    found = shown(plain("a & b <\r\n" * 30_000))
    assert found.html.count("&amp; b &lt;") == 30_000
    assert found.shortfalls == ()
