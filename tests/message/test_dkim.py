"""DKIM against the examples of RFC 8463, against signatures that dkimpy 1.1.8 made, and against itself."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message import dkim
from mpcontinuity.message.dkim import BadSignature, BodyHash, Field, Signature

CORPUS = Path(__file__).parent.parent / "corpus" / "dkim"
NOW = 1_800_000_000

# RFC 8463 Appendix A.2 and A.3
ED25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
RSA = (
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi"
    "0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDA"
    "QAB"
)
RFC_8463 = b"""DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")

MESSAGE = (
    b"From: Ann <ann@example.org>\r\nSubject:  a \t folded\r\n\tsubject  \r\nTo: b@example.net\r\nTo: c@example.net\r\n"
    b"\r\nText  with\tblanks \r\n \r\n\r\nend\t\r\n\r\n\r\n"
)


def halves(message: bytes) -> tuple[list[Field], bytes]:
    header, _, body = message.partition(b"\r\n\r\n")
    return dkim.fields(header + b"\r\n"), body


def hashed(signature: Signature, body: bytes) -> bytes:
    found = BodyHash(signature.body, signature.length)
    found.feed(body)
    return found.digest()


def test_the_signatures_of_rfc_8463_are_good() -> None:
    header, body = halves(RFC_8463)
    for field, key in zip(header, (ED25519, RSA), strict=False):
        signature = dkim.read(field, NOW)
        assert hashed(signature, body) == signature.body_hash
        assert dkim.verify(signature, header, key)


@pytest.mark.parametrize("number", range(8))
def test_what_another_program_signed_is_good_in_every_canonicalisation(number: int) -> None:
    signature = dkim.fields((CORPUS / "signatures.eml").read_bytes())[number]
    header, body = halves(signature.raw + MESSAGE)
    read = dkim.read(header[0], NOW)
    assert hashed(read, body) == read.body_hash
    assert dkim.verify(read, header, (CORPUS / "key.txt").read_text())
    changed = [Field(field.name, field.raw.replace(b"Ann", b"Eve")) for field in header]
    assert not dkim.verify(dkim.read(changed[0], NOW), changed, (CORPUS / "key.txt").read_text())


KEY = dkim.load_key(dkim.new_key())
RECORD = dkim.record(KEY)


def signed(message: bytes = MESSAGE) -> bytes:
    header, _, body = message.partition(b"\r\n\r\n")
    found = BodyHash("relaxed")
    found.feed(body)
    field = dkim.sign(header + b"\r\n", found.digest(), domain="example.org", selector="mpc1", key=KEY, time=NOW)
    return field + message


def good(message: bytes) -> bool:
    header, body = halves(message)
    signature = dkim.read(header[0], NOW)
    return hashed(signature, body) == signature.body_hash and dkim.verify(signature, header, RECORD)


def test_our_own_signature_is_good_and_its_lines_are_short() -> None:
    message = signed()
    assert good(message)
    field, _, _ = message.partition(b"\r\nFrom")
    assert max(map(len, field.split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"Ann", b"Eve"),
        lambda text: text.replace(b"end", b"END"),
        lambda text: text.replace(b"\r\nTo: b", b"\r\nFrom: eve@example.net\r\nTo: b"),
        lambda text: text.replace(b"\r\nTo: b", b"\r\nSubject: other\r\nTo: b"),
        lambda text: text.replace(b"\r\nTo: b", b"\r\nReply-To: eve@example.net\r\nTo: b"),
        lambda text: text.replace(b"\r\nTo: c@example.net", b""),
        lambda text: text + b"more\r\n",
    ],
)
def test_what_is_changed_or_added_on_the_way_shows(change: object) -> None:
    assert callable(change)
    assert not good(change(signed()))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"Received: by another\r\n" + text[text.index(b"DKIM") :],
        lambda text: text.replace(b"Text  with\tblanks ", b"Text with blanks"),
        lambda text: text + b"\r\n\r\n",
        lambda text: text.replace(b"Subject:  a \t folded\r\n\tsubject  ", b"subject: a folded subject"),
    ],
)
def test_what_happens_to_honest_mail_does_not_break_it(change: object) -> None:
    assert callable(change)
    message = change(signed())
    assert good(message[message.index(b"DKIM") :])


@given(
    st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"word", b"\r\n\r\n", b".", b"\xe4"]), max_size=40), st.data()
)
def test_the_hash_does_not_depend_on_how_a_body_is_cut(words: list[bytes], data: st.DataObject) -> None:
    body = b"".join(words) + b"\r\n"
    for way in ("simple", "relaxed"):
        length = data.draw(st.none() | st.integers(0, len(body)))
        whole, cut = (BodyHash(way, length) for _ in range(2))
        whole.feed(body)
        at = 0
        while at < len(body):
            step = data.draw(st.integers(1, 7))
            cut.feed(body[at : at + step])
            at += step
        assert whole.digest() == cut.digest()


@pytest.mark.parametrize(
    ("field", "why"),
    [
        (b"v=2; a=rsa-sha256; d=a.b; s=s; h=from; bh=AA==; b=AA==", "version"),
        (b"v=1; a=rsa-sha1; d=a.b; s=s; h=from; bh=AA==; b=AA==", "not accepted"),
        (b"v=1; a=rsa-sha256; d=a.b; s=s; h=to; bh=AA==; b=AA==", "does not cover From"),
        (b"v=1; a=rsa-sha256; d=a.b; s=s; h=from; bh=AA==", "no b="),
        (b"v=1; a=rsa-sha256; d=a.b; s=s; h=from; bh=!; b=AA==", "base64"),
        (b"v=1; a=rsa-sha256; d=a.b; s=s; h=from; bh=AA==; b=AA==; x=1", "expired"),
        (b"v=1; a=rsa-sha256; d=a.b; s=s; h=from; bh=AA==; b=AA==; i=@c.d", "not of its d="),
        (b"v=1; a=rsa-sha256; d=a.b; s=s; h=from; bh=AA==; b=AA==; l=x", "no number"),
        (b"v=1; a=rsa-sha256; c=odd; d=a.b; s=s; h=from; bh=AA==; b=AA==", "canonicalisation"),
        (b"v=1; v=1", "cannot be read"),
        (b"nonsense", "cannot be read"),
        (b"\xff", "no text"),
    ],
)
def test_a_signature_that_cannot_be_used_says_why(field: bytes, why: str) -> None:
    with pytest.raises(BadSignature, match=why):
        dkim.read(Field(b"dkim-signature", b"DKIM-Signature: " + field + b"\r\n"), NOW)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("v=DKIM1; p=", "revoked"),
        ("v=DKIM1", "no key"),
        ("v=DKIM2; p=AA==", "version"),
        ("k=ed25519; p=AA==", "another algorithm"),
        ("h=sha1; " + RECORD.partition("; ")[2], "other hashes"),
        ("s=web; " + RECORD.partition("; ")[2], "not for mail"),
        ("p=AAAA", "cannot be read"),
        ("nonsense", "cannot be read"),
    ],
)
def test_a_key_record_that_cannot_be_used_says_why(record: str, why: str) -> None:
    header, _ = halves(signed())
    with pytest.raises(BadSignature, match=why):
        dkim.verify(dkim.read(header[0], NOW), header, record)


def test_a_short_key_is_not_believed() -> None:
    # 512 bits cannot be made any more; its public half of old can.
    public = rsa.RSAPublicNumbers(65537, (1 << 1000) + 297).public_key()
    header, _ = halves(signed())
    with pytest.raises(BadSignature, match="too short"):
        dkim.verify(dkim.read(header[0], NOW), header, _record_of(public))


def _record_of(public: Any) -> str:
    encoded = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; p={base64.b64encode(encoded).decode()}"
