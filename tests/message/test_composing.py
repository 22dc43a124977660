"""What a user composes, read back by the standard library and by our own readers."""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message import addresses, composing, encodedwords, fields
from mpcontinuity.message.composing import Correspondent, Enclosure, Letter
from mpcontinuity.message.structure import scan
from mpcontinuity.message.summary import summarise
from mpcontinuity.message.text import of_part
from mpcontinuity.model.address import parse

ANNA = Correspondent("Anna", parse("anna@example.org"))
TIME = 1_800_000_000_000_000


def written(octets: Sequence[bytes] = (), step: int = 1000, **given: Any) -> bytes:
    letter = Letter(**{"sender": ANNA, "time": TIME, "message_id": "<1@mx.example>", "boundary": "=_b", **given})
    out = []
    for piece in composing.compose(letter):
        if isinstance(piece, bytes):
            out.append(piece)
            continue
        encoder, data = composing.encoder(letter.enclosures[piece].kind), octets[piece]
        out += [encoder.feed(data[at : at + step]) for at in range(0, len(data), step)]
        out.append(encoder.finish())
    return b"".join(out)


def read(content: bytes) -> Any:
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    message = message_from_bytes(content, policy=policy.SMTP)
    assert not [defect for part in message.walk() for defect in part.defects]
    return message


# What the standard library reads otherwise than it stands: halves of pairs, and blanks and controls at which it cuts.
_WORDS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp", "Zs"), exclude_characters="\ufffd"), max_size=40
)


@given(st.text(), st.text(), st.text(), st.text(), st.text())
def test_nothing_that_is_typed_makes_another_field(subject: str, name: str, text: str, file: str, kind: str) -> None:
    to = (Correspondent(name, parse("bob@far.example")),)
    content = written([b"octets"], to=to, subject=subject, text=text, enclosures=(Enclosure(file, kind),))
    message = read(content)
    assert message.keys() == ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]
    body, attached = message.iter_parts()
    assert body.keys() == ["Content-Type", "Content-Transfer-Encoding"]
    assert attached.keys() == ["Content-Type", "Content-Disposition", "Content-Transfer-Encoding"]


@given(st.lists(_WORDS, min_size=1, max_size=8).map(" ".join))
def test_a_subject_and_a_name_are_read_as_they_were_typed(typed: str) -> None:
    typed = " ".join(typed.split())
    to = (Correspondent(typed, parse("bob@far.example")),)
    message = read(written(to=to, subject=typed))
    assert message["Subject"] == typed
    assert message["To"].addresses[0].addr_spec == "bob@far.example"
    if len(typed.encode()) <= 45:  # the standard library puts blanks between encoded words of a name (RFC 2047 §6.2)
        assert message["To"].addresses[0].display_name == typed
    (ours,) = addresses.parse(fields.index(written(to=to, subject=typed))[b"to"])
    assert (encodedwords.text(ours.name or b""), ours.mailbox, ours.host) == (typed, b"bob", b"far.example")
    assert summarise(written(subject=typed)).subject == typed


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t"), max_size=400))
def test_a_text_is_read_as_it_was_typed_however_long_its_lines_are(text: str) -> None:
    text = text.replace("\u2028", "").replace("\u2029", "").replace("\ufeff", "")
    message = read(written(text=text))
    assert message.get_content().replace("\r\n", "\n") == text.removesuffix("\n") + "\n"


@given(st.binary(max_size=3000), st.integers(1, 200))
def test_an_attachment_is_read_as_it_was_given_in_whatever_pieces(octets: bytes, step: int) -> None:
    content = written([octets], step, enclosures=(Enclosure("a.bin", "application/x-thing"),), text="x")
    (attached,) = read(content).iter_attachments()
    assert attached.get_content() == octets
    assert attached.get_content_type() == "application/x-thing"
    part = scan(content).parts[1]
    assert part.end - part.body + len(b"\r\n") * bool(octets) == composing.encoded_size("a/b", len(octets))


@given(_WORDS.filter(lambda name: name and not set(name) & set("/\\")))
def test_a_file_name_is_read_as_it_was_given(name: str) -> None:
    (attached,) = read(written([b"x"], enclosures=(Enclosure(name * 4, "image/png"),))).iter_attachments()
    assert attached.get_filename() == name * 4


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_an_enclosed_message_is_not_encoded_and_ends_its_lines_with_crlf(step: int) -> None:
    inner = b"Subject: inner\n\nfirst\rsecond\r\nthird \xc3\xa4"
    content = written([inner], step, enclosures=(Enclosure("x.eml", "message/rfc822"),))
    (attached,) = read(content).iter_attachments()
    assert attached.get_content()["Subject"] == "inner"
    found = scan(content).parts[1].message
    assert found is not None
    assert content[found.body : found.end] == b"first\r\nsecond\r\nthird \xc3\xa4\r\n"


def test_pictures_of_html_stand_beside_it_and_attachments_outside() -> None:
    content = written(
        [b"picture", b"file"],
        text="plain",
        also=(("text/html", "<p>rich <img src='cid:1@x'>"),),
        enclosures=(Enclosure("p.png", "image/png", "1@x"), Enclosure("f.txt", "text/plain")),
    )
    message = read(content)
    assert [part.get_content_type() for part in message.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html"),
        *("image/png", "text/plain"),
    ]
    assert message.get_body(("html",)).get_content().strip() == "<p>rich <img src='cid:1@x'>"
    assert message.get_body(("plain",)).get_content().strip() == "plain"
    assert [part.get_filename() for part in message.iter_attachments()] == ["f.txt"]


def test_our_own_reader_finds_the_text() -> None:
    content = written([b"x"], text="Grüße\nEnde", enclosures=(Enclosure("f", "a/b"),))
    assert "".join(of_part(content, scan(content).parts[0])).strip() == "Grüße\r\nEnde"


def test_many_recipients_are_folded() -> None:
    people = [
        Correspondent(f'Doe, "Jö" {n}' if n % 2 else f"J. Doe {n}", parse(f"u{n}@far.example")) for n in range(300)
    ]
    content = written(to=people, bcc=people[:1])
    assert [one.addr_spec for one in read(content)["To"].addresses] == [one.address.text for one in people]
    assert [one.display_name for one in read(content)["To"].addresses] == [one.name for one in people]
    assert [one.addr_spec for one in read(content)["Bcc"].addresses] == ["u0@far.example"]
    assert max(map(len, content.split(b"\r\n"))) <= 78


def test_a_thread_names_its_first_message_and_the_last_ones() -> None:
    ids = [f"<{n}@x>" for n in range(200)]
    found = composing.thread("<new@x>", [*ids, "no id", "<a b@x>\r\nBcc: x@y"])
    assert (found[0], found[-1], len(found)) == ("<0@x>", "<new@x>", composing.MOST_REFERENCES)
    message = read(written(in_reply_to="<new@x>", references=found))
    assert message["References"].split() == list(found)
    assert message["In-Reply-To"] == "<new@x>"


@pytest.mark.parametrize("name", ["a\u202egpj.exe", "a\r\nb", "a\0b", "a\u2066b"])
def test_a_name_does_not_turn_its_direction(name: str) -> None:
    (attached,) = read(written([b"x"], enclosures=(Enclosure(name, "image/png"),))).iter_attachments()
    assert not set(attached.get_filename()) & set("\u202e\u2066\r\n\0")


@pytest.mark.parametrize("kind", ["multipart/mixed", "message/partial", "x", "text/html\r\nBcc: x@y", "", "a/b/c"])
def test_what_is_no_type_of_a_single_file_is_unknown_octets(kind: str) -> None:
    assert composing.media_type(kind) == composing.UNKNOWN


@given(st.booleans(), st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), max_size=6))
def test_every_part_is_where_readers_look_for_it(rich: bool, files: list[tuple[bool, bytes]]) -> None:
    """A text, or a choice of its forms with the pictures of the richest beside it, and files around all of that."""
    enclosures = [
        Enclosure(f"{number}.png", "image/png", f"{number}@a.example" if shown and rich else "")
        for number, (shown, _) in enumerate(files)
    ]
    also = [("text/html", "<p>Hi</p>")] if rich else []
    message = read(written([octets for _, octets in files], text="Hi", also=also, enclosures=enclosures))
    kinds = [part.get_content_type() for part in message.walk()]
    shown = [one for one in enclosures if one.content_id]
    expected = ["multipart/mixed"] if len(shown) < len(enclosures) else []
    expected += ["multipart/alternative", "text/plain"] if rich else ["text/plain"]
    expected += [*(["multipart/related"] if shown else []), "text/html", *["image/png"] * len(shown)] if rich else []
    expected += ["image/png"] * (len(enclosures) - len(shown))
    assert kinds == expected
    pictures = [part for part in message.walk() if part["content-id"]]
    assert [part["content-id"] for part in pictures] == [f"<{one.content_id}>" for one in shown]
    assert sorted(part.get_content() for part in message.walk() if part.get_content_type() == "image/png") == sorted(
        octets for _, octets in files
    )
