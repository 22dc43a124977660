"""Content-Type and Content-Disposition with the parameters of RFC 2231."""

from __future__ import annotations

import pytest

from mpcontinuity.message import contenttype
from mpcontinuity.message.contenttype import content_type


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        (b"text/plain", (b"text", b"plain"), {b"charset": b"us-ascii"}),
        (b"text/html", (b"text", b"html"), {}),
        (b"text; charset=utf-8", (b"text", b"plain"), {b"charset": b"utf-8"}),
        (b"pdf; name=x.pdf", (b"text", b"plain"), {b"charset": b"us-ascii", b"name": b"x.pdf"}),
        (b' TEXT / Html ; Charset = "utf-8" ;', (b"text", b"html"), {b"charset": b"utf-8"}),
        (b"text/plain; charset=us-ascii (Plain text)", (b"text", b"plain"), {b"charset": b"us-ascii"}),
        (b'a/b; name="x\\"y;z"; name=second', (b"a", b"b"), {b"name": b'x"y;z'}),
        (b"a/b; name=with blanks.pdf", (b"a", b"b"), {b"name": b"with blanks.pdf"}),
        (b'a/b; name="open', (b"a", b"b"), {b"name": b"open"}),
        (b'a/b;\r\n\tboundary="=_x"', (b"a", b"b"), {b"boundary": b"=_x"}),
        (b'a/b; n*0=one; n*1=" two"', (b"a", b"b"), {b"n": b"one two"}),
        (b"a/b; n*1=two; n*0=one; n*3=lost", (b"a", b"b"), {b"n": b"onetwo"}),
        (b"a/b; n*0*=utf-8'de'%C3%A4; n*1=\" %b\"", (b"a", b"b"), {b"n*": b"utf-8'de'%C3%A4%20%25b"}),
        (b"a/b; n*0=a; n*1*=%C3%A4", (b"a", b"b"), {b"n*": b"''a%C3%A4"}),
        (b"a/b; n*=utf-8''x; n=y", (b"a", b"b"), {b"n*": b"utf-8''x", b"n": b"y"}),
        (b"a/b; =x; y; z=", (b"a", b"b"), {b"z": b""}),
        (b"a/b; n*1=one; n*2=two", (b"a", b"b"), {b"n": b"onetwo"}),
        (b"a/b; n*1*=%C3%A4", (b"a", b"b"), {b"n*": b"''%C3%A4"}),
        (b'm/x boundary="=_x" charset=y', (b"m", b"x"), {b"boundary": b"=_x", b"charset": b"y"}),
        (b'a/b charset=utf-8 name="a b.txt"', (b"a", b"b"), {b"charset": b"utf-8", b"name": b"a b.txt"}),
        (b"a/b; n=x = y (2).pdf; z=z(1).pdf", (b"a", b"b"), {b"n": b"x = y (2).pdf", b"z": b"z(1).pdf"}),
        (b"a/b (odd; name=no) ; name=yes (a (b)", (b"a", b"b"), {b"name": b"yes (a"}),
        (b'a/b; name="x" "; charset=y', (b"a", b"b"), {b"name": b"x", b"charset": b"y"}),
    ],
)
def test_a_content_type_is_read(value: bytes, kind: tuple[bytes, bytes], parameters: dict[bytes, bytes]) -> None:
    found = content_type(value)
    assert found is not None
    assert found.kind == kind
    assert dict(found.parameters) == parameters


@pytest.mark.parametrize("value", [b"", b"text", b"/", b"text/", b"<a/b>", b"\xff/\xff"])
def test_what_is_no_content_type_is_none(value: bytes) -> None:
    assert content_type(value) is None


def test_a_boundary_may_be_extended_or_in_pieces() -> None:
    for value in (b"multipart/mixed; boundary*0=a; boundary*1=b", b"multipart/mixed; boundary*=us-ascii'en'%61b"):
        found = content_type(value)
        assert found is not None
        assert found.parameter(b"boundary") == b"ab"


def test_values_are_decoded_to_text() -> None:
    assert contenttype.text((b"name*", b"iso-8859-1'de'%FCber")) == "über"
    assert contenttype.text((b"name*", b"''a%20b")) == "a b"
    assert contenttype.text((b"name", b"=?utf-8?q?=C3=BCber?=")) == "über"
    assert contenttype.text((b"name*", b"no quotes")) == ""


@pytest.mark.parametrize(
    ("value", "kind", "name"),
    [
        (b' attachment; filename="a b.txt"', b"attachment", b"a b.txt"),
        (b'filename="a b.txt"', b"attachment", b"a b.txt"),
        (b"; filename = x", b"attachment", b"x"),
        (b'"attachment"; filename=x', b"attachment", b"x"),
        (b"inline filename=x", b"inline", b"x"),
        (b"attachment;\r\n\tfilename=a\r\n b;", b"attachment", b"a b"),
    ],
)
def test_a_disposition_keeps_the_name_of_the_file(value: bytes, kind: bytes, name: bytes) -> None:
    assert contenttype.disposition(value) == (kind, ((b"filename", name),))


@pytest.mark.parametrize("value", [b"", b" ;", b"()", b'"'])
def test_what_has_neither_a_type_nor_a_parameter_is_no_disposition(value: bytes) -> None:
    assert contenttype.disposition(value) is None
