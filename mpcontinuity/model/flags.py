"""Message flags as the bits of a 64-bit mask: the system flags of IMAP below bit 8, the keywords of a mailbox above."""

from __future__ import annotations

SEEN = 1
ANSWERED = 2
FLAGGED = 4
DELETED = 8
DRAFT = 16

SYSTEM: dict[str, int] = {
    "\\Seen": SEEN,
    "\\Answered": ANSWERED,
    "\\Flagged": FLAGGED,
    "\\Deleted": DELETED,
    "\\Draft": DRAFT,
}
FIRST_KEYWORD = 8
MAX_KEYWORDS = 54  # bits 8 to 61: the mask stays a positive 64-bit integer in both databases

KEYWORDS = (1 << MAX_KEYWORDS) - 1 << FIRST_KEYWORD

# RFC 3501 §2.3.2: of one session's view, never in the store.
RECENT = 1 << 63

# Fetched by POP3 and 'deleted' there, which means 'downloaded' (contract): no longer in the maildrop, still in IMAP and
# still owed. No flag of IMAP's: nothing shows, sets or removes it.
DOWNLOADED = 1 << 62
