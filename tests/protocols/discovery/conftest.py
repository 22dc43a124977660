from __future__ import annotations

import pytest

from mpcontinuity.model.public import Place


@pytest.fixture
def places() -> list[Place]:
    return [
        Place("IMAP", "mx.example.org", 993, "SSL/TLS"),
        Place("POP3", "mx.example.org", 995, "SSL/TLS"),
        Place("SMTP", "mx.example.org", 465, "SSL/TLS"),
    ]


@pytest.fixture
def plain() -> list[Place]:
    """Without TLS from the first octet, and at ports of their own."""
    return [Place("IMAP", "mx.example.org", 1143, "STARTTLS"), Place("SMTP", "mx.example.org", 587, "STARTTLS")]
