"""What tracking and the archive show of a message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from mpcontinuity.message import encodedwords, fields
from mpcontinuity.message.fields import Content

MAX_TEXT: Final = 1000  # characters of a member; what is longer is cut

# Octets that are decoded for it: four for a character, which is more than any writing needs where it is not hostile.
_MAX_OCTETS = 4 * MAX_TEXT

_CONTROL = re.compile("[\x00-\x1f\x7f]+")  # PostgreSQL takes no NUL, a terminal none of them


class Summary(NamedTuple):
    """Subject and Message-ID as text in one line each, empty where the field is missing.

    ``message_id`` includes its angle brackets.
    """

    subject: str
    message_id: str


def summarise(content_or_header: Content) -> Summary:
    """Returns the summary of a message, whose header is read to its end. Never raises."""
    end = fields.end(content_or_header, 0, len(content_or_header))
    stop = end if end >= 0 else len(content_or_header)
    found = {name: next(fields.named(content_or_header, 0, stop, name), b"") for name in (b"subject", b"message-id")}
    return summary(found)


def summary(found: Mapping[bytes, bytes]) -> Summary:
    """Returns the summary of fields that were read already, as fields.index returns them."""
    return Summary(_shown(found.get(b"subject")), _shown(found.get(b"message-id")))


def _shown(value: bytes | None) -> str:
    return _CONTROL.sub(" ", encodedwords.text(value[:_MAX_OCTETS]))[:MAX_TEXT] if value else ""
