"""SCRAM-SHA-256 by the example of RFC 7677 §3, and every way in which it must fail."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from mpcontinuity.protocols.sasl.exchange import Challenge, Failed, Lookup, Proven
from mpcontinuity.protocols.sasl.scram import Keys, Scram, make_keys, read_keys, unknown_keys

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
KEYS = make_keys("pencil", SALT, 4096)
NONCE = "rOprNGfwEbeRWgbNEkqO"


def fixed(count: int) -> bytes:
    return b"\x01" * count


def client(password: str, message: bytes, server_first: bytes, header: bytes = b"n,,") -> bytes:
    """What a client answers, written from RFC 5802 §3 and not from the code."""
    fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    without = f"c={base64.b64encode(header).decode()},r={fields['r']}"
    bare = message.split(b",", 2)[2].decode()
    signed = f"{bare},{server_first.decode()},{without}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    return f"{without},p={base64.b64encode(proof).decode()}".encode()


def test_the_example_of_rfc_7677() -> None:
    scram = Scram(fixed)
    assert scram.receive(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO") == Lookup("user")
    # the server's part of the nonce is what the RFC has there
    scram._random = lambda _: b""
    scram.found(KEYS)
    scram._nonce = NONCE + "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    scram._server_first = f"r={scram._nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final = f"c=biws,r={scram._nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode()
    assert scram.receive(final) == Proven("user", b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_the_server_adds_to_the_nonce_and_names_salt_and_iterations() -> None:
    scram = Scram(fixed)
    assert scram.receive(None) == Challenge(b"")
    scram.receive(b"n,,n=user,r=abc")
    challenge = scram.found(KEYS).data.decode()
    assert challenge == f"r=abc{base64.b64encode(fixed(18)).decode()},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n,,n=user",
        b"n,,r=abc,n=user",
        b"x,,n=user,r=abc",
        b"n,,m=ext,n=user,r=abc",
        b"n,,n=us=er,r=abc",
        b"n,,n=user,r=a\x00b",
        b"n,,n=user,r=",
        b"n,,n=\xff,r=abc",
        b"p=tls-exporter,,n=user,r=abc",
        b"n,,n=" + b"u" * 7000 + b",r=abc",
    ],
)
def test_a_bad_first_message_fails(first: bytes) -> None:
    assert isinstance(Scram(fixed).receive(first), Failed)


def test_names_are_unescaped_and_nobody_acts_for_another() -> None:
    assert Scram(fixed).receive(b"n,a=a=2Cb=3D,n=a=2Cb=3D,r=abc") == Lookup("a,b=")
    assert isinstance(Scram(fixed).receive(b"n,a=other,n=user,r=abc"), Failed)


@pytest.mark.parametrize("wrong", ["password", "proof", "nonce", "binding", "length", "keys"])
def test_what_does_not_fit_is_not_proven(wrong: str) -> None:
    scram = Scram(fixed)
    first = b"n,,n=user,r=abc"
    scram.receive(first)
    keys = unknown_keys("user", b"secret") if wrong == "keys" else KEYS
    server_first = scram.found(keys).data
    final = client("crayon" if wrong == "password" else "pencil", first, server_first)
    if wrong == "proof":
        final = final[:-8] + (b"AAAA" if final[-8:-4] != b"AAAA" else b"BBBB") + final[-4:]
    elif wrong == "nonce":
        final = final.replace(b"r=abc", b"r=abd")
    elif wrong == "binding":
        final = client("pencil", first, server_first, b"y,,")
    elif wrong == "length":
        final = final[: final.index(b",p=")] + b",p=AAAA"
    assert isinstance(scram.receive(final), Failed)


def test_a_right_password_is_proven() -> None:
    scram = Scram(fixed)
    first = b"n,,n=user,r=abc"
    scram.receive(first)
    assert isinstance(scram.receive(client("pencil", first, scram.found(KEYS).data)), Proven)


def test_with_a_channel_binding_the_channel_must_be_the_same() -> None:
    for bound, proven in [(b"channel", True), (b"another", False)]:
        scram = Scram(fixed, binding=b"channel", plus=True)
        first = b"p=tls-exporter,,n=user,r=abc"
        scram.receive(first)
        final = client("pencil", first, scram.found(KEYS).data, b"p=tls-exporter,," + bound)
        assert isinstance(scram.receive(final), Proven) is proven


def test_a_client_that_was_told_of_no_binding_where_there_is_one_is_refused() -> None:
    assert isinstance(Scram(fixed, binding=b"channel").receive(b"y,,n=user,r=abc"), Failed)
    assert Scram(fixed).receive(b"y,,n=user,r=abc") == Lookup("user")
    assert Scram(fixed, binding=b"channel").receive(b"n,,n=user,r=abc") == Lookup("user")
    assert isinstance(Scram(fixed, binding=b"c", plus=True).receive(b"n,,n=user,r=abc"), Failed)
    assert isinstance(Scram(fixed, binding=b"c", plus=True).receive(b"p=tls-unique,,n=user,r=abc"), Failed)


def test_keys_are_stored_as_text_and_read_again() -> None:
    assert read_keys(str(KEYS)) == KEYS
    for text in ("", "SCRAM-SHA-256$4096:AA==$AA==:AA==", "$argon2id$v=19$x", str(KEYS).replace("=", "!")):
        assert read_keys(text) is None


def test_a_name_that_nobody_has_looks_like_any_other() -> None:
    one, again, other = unknown_keys("a", b"s"), unknown_keys("a", b"s"), unknown_keys("b", b"s")
    assert one == again != other
    real: Keys = make_keys("x", fixed(16))
    assert (len(one.salt), one.iterations) == (len(real.salt), real.iterations)
