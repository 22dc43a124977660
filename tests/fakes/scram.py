"""The client's side of SCRAM-SHA-256, written from RFC 5802 §3 and not from the server's code."""

from __future__ import annotations

import base64
import hashlib
import hmac


class ScramClient:
    """``binding``: of the channel, for -PLUS."""

    def __init__(self, name: str, password: str, *, binding: bytes | None = None, flag: str = "") -> None:
        self._password = password
        self._binding = binding
        self._header = (flag or ("n" if binding is None else "p=tls-exporter")) + ",,"
        self._bare = f"n={name.replace('=', '=3D').replace(',', '=2C')},r=fyko+d2lbbFgONRv9qkxdawL"
        self._signed = b""
        self._salted = b""

    @property
    def first(self) -> bytes:
        return (self._header + self._bare).encode()

    def final(self, server_first: bytes) -> bytes:
        fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
        salt, iterations = base64.b64decode(fields["s"]), int(fields["i"])
        self._salted = hashlib.pbkdf2_hmac("sha256", self._password.encode(), salt, iterations)
        key = hmac.digest(self._salted, b"Client Key", "sha256")
        channel = base64.b64encode(self._header.encode() + (self._binding or b"")).decode()
        without = f"c={channel},r={fields['r']}"
        self._signed = f"{self._bare},{server_first.decode()},{without}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), self._signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        return f"{without},p={base64.b64encode(proof).decode()}".encode()

    def knows(self, server_final: bytes) -> bool:
        """Whether the server has shown that it has the keys."""
        key = hmac.digest(self._salted, b"Server Key", "sha256")
        return server_final == b"v=" + base64.b64encode(hmac.digest(key, self._signed, "sha256"))
