"""Configuration profiles of Apple's devices, for a mail account (Apple's Configuration Profile Reference)."""

from __future__ import annotations

import hashlib
import plistlib
from collections.abc import Sequence
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from mpcontinuity.model.public import Place

PATH: Final = "/mobileconfig"
CONTENT_TYPE: Final = "application/x-apple-aspen-config"


def profile(address: str, host: str, places: Sequence[Place]) -> bytes | None:
    """Returns the profile of an account with that address, unsigned; None where there is no IMAP, or no SMTP.

    The device asks for the password: there is none in the profile. The same account has the same identifiers each time,
    so that a profile that is installed again takes the place of the one before.
    """
    by = {place.protocol: place for place in places}
    if "IMAP" not in by or "SMTP" not in by:
        return None
    account = {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{_reversed(host)}.mail.{_digits(host, address, 'account')}",
        "PayloadUUID": _uuid(host, address, "account"),
        "PayloadDisplayName": f"Mail of {address}",
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAccountDescription": f"{address} at {host}",
        "EmailAddress": address,
        "OutgoingPasswordSameAsIncomingPassword": True,
        "PreventMove": False,
        **_server("IncomingMailServer", address, by["IMAP"]),
        **_server("OutgoingMailServer", address, by["SMTP"]),
    }
    whole = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{_reversed(host)}.profile.{_digits(host, address, 'profile')}",
        "PayloadUUID": _uuid(host, address, "profile"),
        "PayloadDisplayName": f"Mail of {address}",
        "PayloadDescription": f"Sets up mail of {address} at {host}. The device asks for the password.",
        "PayloadOrganization": host,
        "PayloadRemovalDisallowed": False,
        "PayloadContent": [account],
    }
    return plistlib.dumps(whole, sort_keys=False)


def _server(side: str, address: str, place: Place) -> dict[str, Any]:
    """``UseSSL`` stands for STARTTLS as well, by the port."""
    return {
        f"{side}Authentication": "EmailAuthPassword",
        f"{side}HostName": place.host,
        f"{side}PortNumber": place.port,
        f"{side}UseSSL": True,
        f"{side}Username": address,
    }


def sign(unsigned: bytes, certificates: bytes, key: bytes) -> bytes:
    """Returns the profile signed (CMS, with the profile in it), by the first of ``certificates`` and its ``key``, in
    PEM; as it was, where that certificate is signed by itself, or has a key that no such signature is made with.

    A device shows whether it trusts who has signed: a signature of nobody's is worth less than none. It takes
    milliseconds of a processor. Raises ValueError for octets that are neither.
    """
    own, *chain = x509.load_pem_x509_certificates(certificates)
    if own.issuer == own.subject:
        return unsigned
    private = load_pem_private_key(key, None)
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        return unsigned
    builder = PKCS7SignatureBuilder().set_data(unsigned).add_signer(own, private, SHA256())
    for each in chain:
        builder = builder.add_certificate(each)
    return builder.sign(Encoding.DER, [PKCS7Options.Binary])


def _reversed(host: str) -> str:
    return ".".join(reversed(host.lower().split("."))) if host.isascii() and ":" not in host else "mpcontinuity"


def _digits(host: str, address: str, what: str) -> str:
    return _digest(host, address, what).hex()[:16]


def _digest(host: str, address: str, what: str) -> bytes:
    return hashlib.sha256("\0".join((what, host.lower(), address.lower())).encode()).digest()


def _uuid(host: str, address: str, what: str) -> str:
    """Of version 8, whose bits are the maker's own (RFC 9562 §5.8)."""
    octets = bytearray(_digest(host, address, what)[:16])
    octets[6] = octets[6] & 0x0F | 0x80
    octets[8] = octets[8] & 0x3F | 0x80
    digits = octets.hex().upper()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
