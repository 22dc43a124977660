"""Names as DNS has them: octets of any kind, most of them host names."""

from __future__ import annotations

from mpcontinuity.model.address import ascii_domain

# RFC 1035 §2.3.4, as text
_LONGEST = 253
_LONGEST_LABEL = 63


def can_exist(name: str) -> bool:
    """Returns whether DNS can be asked for the name."""
    return len(name) <= _LONGEST and all(0 < len(label) <= _LONGEST_LABEL for label in name.split("."))


def as_text(name: bytes) -> str:
    """Returns the name in lower case and printable ASCII, without a dot at its end; empty for the root.

    DNS is clear for all octets (RFC 2181 §11), and some zones have names in UTF-8 where A-labels should be: they become
    those. What is no name of a host is written as RFC 1035 §5.1 has it, ``\\195``, so that it can be shown, and is not
    found when it is asked for.
    """
    name = name.lower().rstrip(b".")
    if not name.isascii():
        try:
            return ascii_domain(name.decode("utf-8"))
        except ValueError:
            pass
    return "".join(chr(octet) if 32 < octet < 127 else f"\\{octet:03}" for octet in name)


def server_name(host: str) -> bytes | None:
    """Returns what TLS calls the host (RFC 6066 §3); None: it cannot be called anything."""
    try:
        return (host if host.isascii() else ascii_domain(host)).encode("ascii")
    except ValueError:
        return None
