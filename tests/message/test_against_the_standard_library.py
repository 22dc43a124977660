"""Structure, headers and addresses as the standard library's parser sees them, where both have a meaning."""

from __future__ import annotations

import email
import email.message
import email.policy
import email.utils
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message import addresses, encodedwords, fields, rendered
from mpcontinuity.message.matching import Needle
from mpcontinuity.message.render import render
from mpcontinuity.message.structure import Part, scan
from mpcontinuity.message.summary import summarise
from tests.corpus import messages
from tests.message.imap import read

_TEXT = st.text("ab -:\r\n".replace("\r\n", "\n"), max_size=30).map(lambda text: text.replace("\n", "\r\n").encode())
_TYPES = st.sampled_from([b"", b"Content-Type: text/html; charset=utf-8\r\n", b"Content-Type: image/png\r\n"])


def _multipart(children: list[bytes], depth: int, subtype: bytes) -> bytes:
    boundary = b"=_%d_%d" % (depth, len(children))
    before = b"\r\nSubject: of a message\r\n" if subtype == b"digest" else b""
    body = b"".join(b"--%b\r\n%b%b\r\n" % (boundary, before, child) for child in children)
    head = b'Content-Type: multipart/%b; boundary="%b"\r\n\r\npreamble\r\n' % (subtype, boundary)
    return b"%b%b--%b--\r\n" % (head, body, boundary)


_LEAVES = st.builds(lambda header, text: header + b"\r\n" + text, _TYPES, _TEXT)


def _entities(depth: int) -> st.SearchStrategy[bytes]:
    if not depth:
        return _LEAVES
    below = _entities(depth - 1)
    return st.one_of(
        _LEAVES,
        st.builds(
            _multipart,
            st.lists(below, min_size=1, max_size=3),
            st.just(depth),
            st.sampled_from([b"mixed", b"alternative", b"digest"]),
        ),
        below.map(lambda inner: b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n" + inner),
    )


def _theirs(message: email.message.Message[str, str]) -> Any:
    payload: Any = message.get_payload()
    if message.get_content_maintype() == "multipart" and isinstance(payload, list):
        return [message.get_content_type(), [_theirs(part) for part in payload]]
    if message.get_content_type() == "message/rfc822" and isinstance(payload, list):
        return ["message/rfc822", _theirs(payload[0])]
    return [message.get_content_type(), payload]


def _ours(data: bytes, part: Part) -> Any:
    kind = b"/".join(part.type.kind).decode()
    if part.parts:
        return [kind, [_ours(data, child) for child in part.parts]]
    if part.message is not None:
        return [kind, _ours(data, part.message)]
    return [kind, data[part.body : part.end].decode()]


@given(_entities(3))
def test_structure_and_content_are_the_same(entity: bytes) -> None:
    message = b"From: a@b\r\n" + entity
    assert _ours(message, scan(message)) == _theirs(email.message_from_bytes(message))


_NAMES = st.text("AbXy-", min_size=1, max_size=6)
_VALUES = st.text('ab ,;=?"<>@é', max_size=20)


@given(st.lists(st.tuples(_NAMES, _VALUES, st.booleans()), max_size=6))
def test_header_fields_are_the_same(given_fields: list[tuple[str, str, bool]]) -> None:
    header = "".join(
        f"{name}: {value}{chr(13)}{chr(10)}" + (" folded\r\n" if fold else "") for name, value, fold in given_fields
    )
    data = (header + "\r\nbody").encode()
    theirs = [
        (name, str(value).encode("ascii", "surrogateescape"))
        for name, value in email.message_from_bytes(data, policy=email.policy.compat32).raw_items()
    ]
    ours = [(name.decode(), fields.unfold(value)) for name, value in fields.read(fields.block(data))]
    assert ours == [(name, value.replace(b"\r\n", b"").replace(b"\n", b"").strip()) for name, value in theirs]


_LOCAL = st.text("abc1+-_", min_size=1, max_size=8)
_DOMAIN = st.text("abc1-", min_size=1, max_size=8)
_DISPLAY = st.text('abc XY.,;<>@()\\"', max_size=12)


@given(st.lists(st.tuples(_DISPLAY, _LOCAL, _DOMAIN), min_size=1, max_size=4))
def test_addresses_are_the_same(people: list[tuple[str, str, str]]) -> None:
    value = ", ".join(email.utils.formataddr((name, f"{local}@{domain}")) for name, local, domain in people)
    theirs = email.utils.getaddresses([value])
    ours = read(addresses.structure(value.encode()))
    assert [((name or b"").split(), mailbox + b"@" + host) for name, _, mailbox, host in ours] == [
        (name.encode().split(), address.encode()) for name, address in theirs
    ]


@given(st.text(max_size=40))
def test_subjects_that_it_encodes_are_decoded(subject: str) -> None:
    subject = " ".join(subject.split())
    encoded = email.message.EmailMessage()
    try:
        encoded["Subject"] = subject
        data = bytes(encoded)
    except (ValueError, UnicodeError):  # control characters, lone surrogates
        return
    ours = encodedwords.text(fields.index(data).get(b"subject", b""))
    assert ours.split() == str(email.message_from_bytes(data, policy=email.policy.default)["Subject"]).split()


_PIECES = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b"--", b"--a", b"--a--", b"--b\r\n", b"\0", b"\xff", b" ", b"\t", b"x", b"\r\n\r\n"),
        b"Content-Type: multipart/mixed; boundary=a\r\n",
        b"Content-Type: multipart/digest; boundary=b\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: text/plain; name*0*=x''%41; name*1=\"\\\r\n",
        b"Content-Disposition: attachment; filename=",
        b"Content-Transfer-Encoding: base64\r\n",
        b'To: "x" <a@b>, g: a, b;\r\n',
        b"Subject: =?utf-8?q?=C3?= =?utf-8?b?w6Q=?=\r\n",
        b"Date: 1 Jan 99 x\r\n",
    ]
)
_PATHS = [(), (1,), (2,), (1, 1), (1, 2), (2, 1), (1, 1, 1)]


@given(st.binary(max_size=400) | st.lists(_PIECES, max_size=40).map(b"".join))
def test_any_bytes_are_rendered_within_their_bounds(data: bytes) -> None:
    blob = render(data)
    for item in (rendered.envelope(blob), rendered.body(blob), rendered.bodystructure(blob)):
        read(item)
    for path in _PATHS:
        for text in ("", "HEADER", "TEXT", "MIME"):
            found = rendered.section(blob, path, text)
            assert found is None or 0 <= found[0] <= found[0] + found[1] <= len(data)
    summarise(data)
    Needle("x").in_text(data, headers=True)


@given(st.sampled_from(sorted(messages.NAMED)), st.integers(0, 2000))
def test_any_beginning_of_a_message_is_rendered(name: str, length: int) -> None:
    data = messages.NAMED[name][:length]
    read(rendered.bodystructure(render(data)))
    assert rendered.section(render(data), (), "") == (0, len(data))
