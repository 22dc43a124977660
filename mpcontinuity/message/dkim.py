"""DKIM (RFC 6376, with Ed25519 of RFC 8463): what is hashed of a message, and what a signature and a key record say.

A message of any size is hashed in pieces as it is read, and each piece costs a few passes in C; the arithmetic is
OpenSSL's. So neither needs a thread of its own, and no message is held in memory whole (docs/decisions/0010).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Canonical = Literal["simple", "relaxed"]
PrivateKey = rsa.RSAPrivateKey | Ed25519PrivateKey

# RFC 8301 §3.2: shorter keys are not believed.
LEAST_BITS: Final = 1024

_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*")
_BLANKS = re.compile(rb"[ \t]+")
_FOLD = re.compile(rb"\r?\n")
_B_VALUE = re.compile(rb"(?<![A-Za-z0-9_])(b[ \t\r\n]*=)[^;]*")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ALL_BLANKS = re.compile(r"\s+")
_NUMBER = re.compile(r"[0-9]{1,76}")


class Field(msgspec.Struct, frozen=True):
    """A header field as it stands, with the line ends of its lines."""

    name: bytes  # in lower case
    raw: bytes


def fields(header: bytes) -> list[Field]:
    """Of a header block whose lines end in CRLF or LF; what is no field is passed over."""
    if not header.endswith(b"\n"):
        header += b"\r\n"
    return [Field(raw.partition(b":")[0].rstrip(b" \t").lower(), raw) for raw in _FIELD.findall(header)]


def canonical_field(field: Field, way: Canonical) -> bytes:
    """RFC 6376 §3.4.1 and §3.4.2, with its line end."""
    if way == "simple":
        return field.raw
    value = _BLANKS.sub(b" ", _FOLD.sub(b"", field.raw.partition(b":")[2]).replace(b"\r", b""))
    return field.name + b":" + value.strip(b" ") + b"\r\n"


class BodyHash:
    """SHA-256 (or SHA-1, which no longer counts) of a body that is fed in pieces of any size; `digest` ends it."""

    def __init__(self, way: Canonical, length: int | None = None) -> None:
        """``length``: the octets that are hashed at most (the tag l=)."""
        self._relaxed = way == "relaxed"
        self._left = length
        self._hash = hashlib.sha256()
        self._held: list[bytes] = []  # blanks and line ends that may be the last ones
        self._any = False
        self._octets = 0

    def feed(self, data: bytes) -> None:
        rest = data.rstrip(b" \t\r\n" if self._relaxed else b"\r\n")
        if not rest:
            if data:
                self._held.append(data)
            return
        tail = data[len(rest) :]
        self._put(self._canonical(b"".join([*self._held, rest])))
        self._held = [tail] if tail else []

    def _canonical(self, data: bytes) -> bytes:
        """Ends with something else than a blank, so that no run of them is cut."""
        if not self._relaxed:
            return data
        data = data.replace(b"\t", b" ")
        while b"  " in data:
            data = data.replace(b"  ", b" ")
        return data.replace(b" \r\n", b"\r\n")

    def _put(self, data: bytes) -> None:
        self._any = True
        self._octets += len(data)
        if self._left is not None:
            data, self._left = data[: self._left], max(self._left - len(data), 0)
        self._hash.update(data)

    def digest(self) -> bytes:
        held = b"".join(self._held)
        if self._relaxed:
            held = self._canonical(held + b".")[:-1]  # the dot: no blank may be the last octet
            held = held.rstrip(b" ") if held.endswith(b" ") else held
        while held.endswith(b"\r\n"):
            held = held[:-2]
        if held:
            self._put(held)
        if self._any or not self._relaxed:
            self._put(b"\r\n")
        return self._hash.digest()

    @property
    def octets(self) -> int:
        """Of the canonical body; complete after `digest`."""
        return self._octets


# Signing

# RFC 6376 §5.4.1. Each is named once more than it occurs, so that none can be added; but for those that are added
# on the way by right.
_SIGNED: Final = (
    *(b"from", b"to", b"cc", b"reply-to", b"subject", b"date", b"message-id", b"in-reply-to", b"references"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding"),
)
_ONCE: Final = (b"sender", b"auto-submitted", b"list-unsubscribe", b"list-unsubscribe-post", b"list-id")


def sign(header: bytes, body_hash: bytes, *, domain: str, selector: str, key: PrivateKey, time: int) -> bytes:
    """The field DKIM-Signature with its line end; ``header`` is the message's, ``body_hash`` a relaxed one.

    ``time`` in seconds since 1970. It stands before the message.
    """
    present: dict[bytes, list[Field]] = defaultdict(list)
    for field in fields(header):
        present[field.name].append(field)
    names = [name for name in _SIGNED for _ in range(len(present[name]) + 1)]
    names += [name for name in _ONCE for _ in present[name]]
    algorithm = "rsa" if isinstance(key, rsa.RSAPrivateKey) else "ed25519"
    tags = [
        f"v=1; a={algorithm}-sha256; c=relaxed/relaxed; d={domain};",
        f"s={selector}; t={time};",
        *_folded("h=" + ":".join(name.decode() for name in names) + ";"),
        f"bh={base64.b64encode(body_hash).decode()};",
    ]
    unsigned = ("DKIM-Signature: " + "\r\n\t".join(tags) + "\r\n\tb=").encode("ascii")
    digest = _header_hash(names, present, Field(b"dkim-signature", unsigned), "relaxed")
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(digest.signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        signature = key.sign(digest.hashed)
    text = base64.b64encode(signature).decode()
    return unsigned + "\r\n\t ".join(text[at : at + 72] for at in range(0, len(text), 72)).encode() + b"\r\n"


def _folded(text: str) -> list[str]:
    """At its colons, so that no line is longer than 78 characters."""
    lines, line = [], ""
    for part in text.split(":"):
        if line and len(line) + len(part) > 70:
            lines.append(line + ":")
            line = part
        else:
            line = f"{line}:{part}" if line else part
    return [*lines, line]


class _Digest(msgspec.Struct, frozen=True):
    signed: bytes  # what is hashed

    @property
    def hashed(self) -> bytes:
        """What Ed25519 signs (RFC 8463 §3)."""
        return hashlib.sha256(self.signed).digest()


def _header_hash(
    names: Iterable[bytes], present: dict[bytes, list[Field]], signature: Field, way: Canonical
) -> _Digest:
    """RFC 6376 §3.7: the named fields from below, then the signature itself without its value and line end."""
    left = {name: list(found) for name, found in present.items()}
    signed = [canonical_field(left[name].pop(), way) for name in names if left.get(name)]
    last = canonical_field(signature, way)
    return _Digest(b"".join(signed) + last.removesuffix(b"\r\n").removesuffix(b"\n"))


# Keys

BITS: Final = 2048


def new_key() -> str:
    """A key as PEM. RSA of 2,048 bits: not every verifier knows Ed25519, and longer ones do not fit a TXT record that
    goes over UDP (RFC 8301 §3.2)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return encoded.decode("ascii")


def load_key(pem: str) -> PrivateKey:
    """Raises ValueError."""
    key = serialization.load_pem_private_key(pem.encode("ascii"), None)
    if not isinstance(key, rsa.RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("neither an RSA nor an Ed25519 key")
    return key


def record(key: PrivateKey) -> str:
    """The TXT record of ``selector._domainkey.domain``."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={base64.b64encode(encoded).decode()}"
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"


def same_key(published: str, key: PrivateKey) -> bool:
    """Whether a TXT record has the public half."""
    try:
        wanted, found = tags(record(key)), tags(published)
    except BadSignature:
        return False
    return found.get("k", "rsa") == wanted["k"] and _ALL_BLANKS.sub("", found.get("p", "")) == wanted["p"]


# Verifying


class BadSignature(Exception):
    """It cannot be read, or used: the result `permerror` (RFC 8601 §2.7.1). The text says why."""


class Signature(msgspec.Struct, frozen=True):
    """A field DKIM-Signature."""

    field: Field
    domain: str
    selector: str
    algorithm: str  # rsa | ed25519
    header: Canonical
    body: Canonical
    names: tuple[bytes, ...]  # in lower case
    body_hash: bytes
    signature: bytes
    length: int | None
    identity: str  # i=


def tags(text: str) -> dict[str, str]:
    """RFC 6376 §3.2. Raises BadSignature."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not _TAG.fullmatch(name) or name in found:
            raise BadSignature("its tags cannot be read")
        found[name] = value.strip()
    return found


def read(field: Field, now: int) -> Signature:
    """``now`` in seconds. Raises BadSignature."""
    try:
        found = tags(_FOLD.sub(b"", field.raw.partition(b":")[2]).decode("utf-8"))
    except UnicodeDecodeError:
        raise BadSignature("it is no text") from None
    for name in ("v", "a", "b", "bh", "d", "h", "s"):
        if name not in found:
            raise BadSignature(f"it has no {name}=")
    if found["v"] != "1":
        raise BadSignature("it has another version")
    algorithm, _, hashed = found["a"].partition("-")
    if algorithm not in ("rsa", "ed25519") or hashed != "sha256":  # RFC 8301 §3.1: rsa-sha1 counts no longer
        raise BadSignature("its algorithm is not accepted")
    header, _, body = found.get("c", "simple/simple").partition("/")
    names = tuple(name.strip().lower().encode() for name in found["h"].split(":"))
    if b"from" not in names:
        raise BadSignature("it does not cover From")
    domain, identity = found["d"].lower().rstrip("."), found.get("i", "").lower()
    if identity and not _below(identity.rpartition("@")[2], domain):
        raise BadSignature("its i= is not of its d=")
    expires = found.get("x", "")
    if expires and (not _NUMBER.fullmatch(expires) or int(expires) < now):
        raise BadSignature("it has expired")
    length = found.get("l")
    if length is not None and not _NUMBER.fullmatch(length):
        raise BadSignature("its l= is no number")
    return Signature(
        field=field,
        domain=domain,
        selector=found["s"].lower().rstrip("."),
        algorithm=algorithm,
        header=_way(header),
        body=_way(body or "simple"),
        names=names,
        body_hash=_base64(found["bh"]),
        signature=_base64(found["b"]),
        length=int(length) if length is not None else None,
        identity=identity,
    )


def _below(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _way(text: str) -> Canonical:
    if text == "simple":
        return "simple"
    if text == "relaxed":
        return "relaxed"
    raise BadSignature("its canonicalisation is not known")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(_ALL_BLANKS.sub("", text), validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature("its base64 cannot be read") from None


def verify(signature: Signature, header: Sequence[Field], published: str) -> bool:
    """Whether the header is as it was signed, by the key in the TXT record ``published``. The body's hash is compared
    by the caller. Raises BadSignature."""
    key = _public_key(signature, published)
    present: dict[bytes, list[Field]] = defaultdict(list)
    for field in header:
        present[field.name].append(field)
    unsigned = Field(signature.field.name, _B_VALUE.sub(rb"\1", signature.field.raw, count=1))
    # Of several signatures this one is left out of what it covers.
    present[b"dkim-signature"] = [field for field in present[b"dkim-signature"] if field is not signature.field]
    digest = _header_hash(signature.names, present, unsigned, signature.header)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature.signature, digest.signed, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature.signature, digest.hashed)
    except InvalidSignature:
        return False
    return True


def _public_key(signature: Signature, published: str) -> rsa.RSAPublicKey | Ed25519PublicKey:
    found = tags(published)
    if found.get("v", "DKIM1") != "DKIM1":
        raise BadSignature("its key has another version")
    if found.get("k", "rsa") != signature.algorithm:
        raise BadSignature("its key is for another algorithm")
    if "sha256" not in [one.strip() for one in found.get("h", "sha256").split(":")]:
        raise BadSignature("its key is for other hashes")
    services = [one.strip() for one in found.get("s", "*").split(":")]
    if "*" not in services and "email" not in services:
        raise BadSignature("its key is not for mail")
    flags = [one.strip() for one in found.get("t", "").split(":")]
    if "s" in flags and signature.identity and signature.identity.rpartition("@")[2] != signature.domain:
        raise BadSignature("its key is not for subdomains")
    encoded = _base64(found.get("p", ""))
    if not encoded:
        raise BadSignature("its key is revoked" if "p" in found else "its key record has no key")
    try:
        if signature.algorithm == "ed25519":
            return Ed25519PublicKey.from_public_bytes(encoded)
        key: Any = _rsa(encoded)
    except (ValueError, UnsupportedAlgorithm):
        raise BadSignature("its key cannot be read") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < LEAST_BITS:
        raise BadSignature("its key is too short")
    return key


def _rsa(encoded: bytes) -> Any:
    """RFC 6376 §3.6.1 says RSAPublicKey, and all the world publishes SubjectPublicKeyInfo."""
    return serialization.load_der_public_key(encoded)
