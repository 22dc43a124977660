"""A session's selected mailbox, and what is told of it (RFC 3501 §7)."""

from __future__ import annotations

from collections.abc import Sequence

from mpcontinuity.mailbox.view import Exists, Expunge, FlagsChanged, Gone, KeywordsChanged, View
from mpcontinuity.model import flags
from mpcontinuity.model.uidset import Range
from mpcontinuity.protocols.imap import response

_SYSTEM_FLAGS = b" ".join(name.encode("ascii") for name in flags.SYSTEM)


def has_every_keyword(view: View) -> bool:
    """Tells whether a mailbox has as many keywords as it can have."""
    return len(view.keywords) == flags.MAX_KEYWORDS


class BadNumbers(Exception):
    """Is raised for message numbers that are not there: an error in the client (RFC 9051 §9, seq-number)."""


class Selection:
    """The mailbox that a session has selected. With ``read_only`` (EXAMINE) nothing is changed through it.

    ``archived`` says that it is `Email Archive` (mailbox/archived.py), which is read-only always.
    """

    def __init__(self, view: View, *, read_only: bool, archived: bool = False) -> None:
        self.view = view
        self.archived = archived
        self.read_only = read_only
        self._recent = 0  # as it was last told
        self._texts: dict[int, bytes] = {}
        self._keywords: dict[int, str] | None = None

    @property
    def mailbox(self) -> int:
        """The id of the mailbox."""
        return self.view.mailbox

    def sequences(self, numbers: tuple[Range, ...], *, uid: bool) -> tuple[Range, ...]:
        """Returns the message numbers of a set as ranges. Raises BadNumbers."""
        try:
            return self.view.sequences(numbers, uid=uid)
        except ValueError as error:
            raise BadNumbers(str(error)) from None

    def uids(self, numbers: tuple[Range, ...], *, uid: bool) -> list[int]:
        """Returns those UIDs of a set that are in the view, rising. Raises BadNumbers."""
        found: list[int] = []
        for first, last in self.sequences(numbers, uid=uid):
            found.extend(self.view.uids(first, last))
        return found

    def uids_of(self, sequences: Sequence[int]) -> Sequence[int]:
        """Returns the UIDs of rising message numbers."""
        first, last = sequences[0], sequences[-1]
        if last - first + 1 == len(sequences):
            return self.view.uids(first, last)
        return [self.view.uid(sequence) for sequence in sequences]

    def flags_text(self, uid: int, mask: int) -> bytes:
        """Returns ``FLAGS (…)`` of a message. A mailbox has few different masks, so each is joined once."""
        if self.view.is_recent(uid):
            mask |= flags.RECENT
        if self._keywords is not self.view.keywords:
            self._keywords = self.view.keywords
            self._texts.clear()
        text = self._texts.get(mask)
        if text is None:
            names = [(1 << bit, name) for bit, name in self._keywords.items()]
            text = self._texts[mask] = b"FLAGS (" + response.flag_names(mask, names) + b")"
        return text

    def defined_flags(self) -> bytes:
        """Returns the FLAGS response and PERMANENTFLAGS."""
        names = b"".join(b" " + name.encode("ascii") for name in self.view.keywords.values())
        defined = _SYSTEM_FLAGS + names
        more = b"" if has_every_keyword(self.view) else b" \\*"  # RFC 3501 §7.1: that new ones can be made
        permanent = b"" if self.read_only else defined + more
        return b"* FLAGS (%s)\r\n* OK [PERMANENTFLAGS (%s)] flags that are kept\r\n" % (defined, permanent)

    def recent(self) -> bytes:
        """Returns the RECENT response."""
        self._recent = self.view.recent
        return response.recent(self._recent)

    def news(self, *, expunges: bool, most: int = 0) -> bytes | None:
        """Returns untagged responses for what happened since the last ones, or ``most`` of them (`View.poll`).

        None means that the mailbox was deleted.
        """
        parts = []
        for update in self.view.poll(expunges, most):
            match update:
                case Exists(count):
                    parts.append(response.exists(count))
                    if self._recent != self.view.recent:
                        parts.append(self.recent())
                case Expunge(sequence):
                    parts.append(response.expunged(sequence))
                case FlagsChanged(sequence, uid, mask, _):
                    parts.append(response.fetched(sequence, (b"UID %d" % uid, self.flags_text(uid, mask))))
                case KeywordsChanged():
                    parts.append(self.defined_flags())
                case Gone():
                    return None
        return b"".join(parts)
