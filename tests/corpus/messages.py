"""Named messages. Line ends are as they are meant: CRLF unless a message is about something else."""

from __future__ import annotations

from collections.abc import Callable


def _crlf(text: str) -> bytes:
    return text.lstrip("\n").replace("\n", "\r\n").encode()


PLAIN = _crlf("""
From: Anna Berg <anna@example.org>
To: ben@example.net
Subject: Agenda
Date: Sun, 22 Nov 2026 04:03:00 +0100
Message-ID: <1@example.org>

Tomorrow at nine.
""")

ALTERNATIVE_WITH_ATTACHMENT = _crlf("""
From: "Berg, Anna" <anna@example.org>
To: Ben <ben@example.net>, =?utf-8?B?TcO8bGxlcg==?= <m@example.net>
Cc: Friends: a@example.com, b@example.com;
Subject: =?UTF-8?Q?=C3=9Cberweisung?= =?UTF-8?Q?_heute?=
Date: Sun, 22 Nov 2026 04:03:00 +0100
Message-ID: <2@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="mix"

This is a multi-part message in MIME format.
--mix
Content-Type: multipart/alternative; boundary="mix-alt"

--mix-alt
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe, die Rechnung liegt an=
bei.
--mix-alt
Content-Type: text/html; charset=utf-8

<p>Gruß</p>
--mix-alt--

--mix
Content-Type: application/pdf; name="invoice.pdf"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename*0*=UTF-8''%C3%9Cber; filename*1="weisung.pdf"
Content-Description: the invoice
Content-ID: <pdf@example.org>
Content-Language: de, en

JVBERi0xLjQK
--mix--
epilogue
""")

FORWARDED = _crlf("""
From: anna@example.org
To: ben@example.net
Subject: Fwd
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: text/plain

see below
--outer
Content-Type: message/rfc822
Content-Disposition: attachment

From: carla@example.com
To: anna@example.org
Subject: inner
Content-Type: multipart/mixed; boundary=inner

--inner

inner text
--inner
Content-Type: message/rfc822

Subject: innermost

deep
--inner--
--outer--
""")

DIGEST = _crlf("""
From: list@example.org
Subject: Digest
MIME-Version: 1.0
Content-Type: multipart/digest; boundary=d

--d

From: a@example.org
Subject: one

first
--d
Content-Type: text/plain

second
--d--
""")

EMPTY_MULTIPART = _crlf("""
Subject: nothing
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=none

--none--
""")

BARE_LF = PLAIN.replace(b"\r\n", b"\n")
MIXED_LINE_ENDS = ALTERNATIVE_WITH_ATTACHMENT.replace(b"\r\n--mix", b"\n--mix").replace(b"Berg\r\n", b"Berg\n")
NO_HEADER = b"\r\nonly text\r\n"
NO_BLANK_LINE = b"From: a@example.org\r\nSubject: cut"
EMPTY = b""
NOT_A_MESSAGE = b"GET / HTTP/1.0\nHost\n\x00\xff\xfe"
EIGHT_BIT = "From: Jürgen <j@example.org>\r\nSubject: Grüße\0!\r\n\r\nschön\r\n".encode()
UNTERMINATED = _crlf("""
Content-Type: multipart/mixed; boundary=b

--b

first
--b

cut off""")
NO_BOUNDARY_LINE = _crlf("""
Content-Type: multipart/mixed; boundary=b

text in which it never comes
""")
NO_BOUNDARY_PARAMETER = _crlf("""
Content-Type: multipart/mixed

text
""")
BOUNDARY_IS_A_PREFIX = _crlf("""
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: multipart/alternative; boundary=b1

--b1

one
--b1--
--b

two
--b--
""")
HEADERS_WITHOUT_BODIES = _crlf("""
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html
--b

--b--
""")


def parts(count: int) -> bytes:
    """A flat multipart."""
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * count + b"--b--\r\n"


def nested(depth: int) -> bytes:
    """Multiparts within each other, none of them closed."""
    layer = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n"
    return b"".join(layer % (level, level) for level in range(depth)) + b"\r\nbottom"


def enclosed(depth: int) -> bytes:
    """Messages within each other."""
    return b"Content-Type: message/rfc822\r\n\r\n" * depth + b"\r\nbottom"


NAMED: dict[str, bytes] = {name: value for name, value in globals().items() if isinstance(value, bytes)}
MADE: dict[str, Callable[[int], bytes]] = {"parts": parts, "nested": nested, "enclosed": enclosed}
