"""How much a client may ask for, with the reason for each number."""

from __future__ import annotations

KIB = 1024

# Text and literals of one command: an ID has 31,000 octets (RFC 2971 §3.3), and UID sets of clients that resynchronise
# are long (RFC 7162 §4 asks for 8192 at least). With one read of the transport (64 KiB) it is all that a connection
# nobody has logged in on can make us remember. A longer command is BAD, read to its end and dropped.
COMMAND = 64 * KIB

# Octets of a command too long that are dropped before login; whoever sends more is no mail client.
DROPPED_BEFORE_LOGIN = 1024 * KIB

# An answer to a challenge of AUTHENTICATE, or anything where DONE is expected.
ANSWER = 8 * KIB

# RFC 7888 §5 (LITERAL-): a literal of a stranger is at most this long, announced with or without '+'.
LITERAL_BEFORE_LOGIN = 4 * KIB

# Commands in a row that make no sense, until the client is told to go away: it is no IMAP client.
BAD_IN_A_ROW = 20

# SEARCH keys inside each other: the tree is walked by recursion here and in mailbox/.
SEARCH_DEPTH = 100

# SEARCH keys of one list: each may be a walk over the mailbox.
SEARCH_KEYS = 1000

# FETCH items of one command: each may mean the whole message once more.
FETCH_ITEMS = 100

# Numbers of a part path, `BODY[1.2.3]`: deeper than any structure that message/ renders.
PART_DEPTH = 100

# Patterns of one LIST (RFC 5258 §3), and characters of all of them, each with the reference: a client that knows
# several roots asks for a handful. Matching costs about the names' length, a little more per KiB of this.
LIST_PATTERNS = 100
LIST_PATTERN = 2 * KIB

# A literal announced with '+' comes whether we want it or not. Refused ones are read and dropped up to this many times
# the message size; a longer one ends the connection (RFC 7888 §4).
DISCARD_FACTOR = 2
