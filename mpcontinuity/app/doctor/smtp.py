"""An SMTP client for whoever waits at a terminal, with bounds of length and time. Python's smtplib by itself reads
replies without end, waits for each octet anew and takes nonsense for the code -1.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from typing import NoReturn

from mpcontinuity.protocols.smtp.client import MAX_REPLY_LINE, MAX_REPLY_LINES


class SmtpClient(smtplib.SMTP):
    """Python's client, with bounds. A reply that is none, or does not end, raises SMTPServerDisconnected."""

    def __init__(self, within: float, implicit: ssl.SSLContext | None = None) -> None:
        """``within`` is the seconds for all that is said. ``implicit`` is the context where TLS begins with the first
        octet.
        """
        self._until = time.monotonic() + within
        self._unread = b""
        self._implicit = implicit
        super().__init__(timeout=within)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected = socket.create_connection((host, port), timeout)
        return self._implicit.wrap_socket(connected, server_hostname=host) if self._implicit else connected

    def getreply(self) -> tuple[int, bytes]:
        """Returns code and text of the next reply."""
        lines: list[bytes] = []
        while True:
            line = self._line()
            if not (line[:3].isdigit() and line[3:4] in (b"", b" ", b"-")):
                self._fail(f"no SMTP reply: {line[:80]!r}")
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)
            if len(lines) >= MAX_REPLY_LINES:
                self._fail(f"a reply of more than {MAX_REPLY_LINES} lines")

    def _line(self) -> bytes:
        while b"\n" not in self._unread:
            if len(self._unread) > MAX_REPLY_LINE:
                self._fail(f"a reply line of more than {MAX_REPLY_LINE} octets")
            left = self._until - time.monotonic()
            if self.sock is None or left <= 0:
                self._fail("its reply does not end")
            self.sock.settimeout(left)
            self._unread += self.sock.recv(MAX_REPLY_LINE) or self._fail("it closed the connection")
        line, _, self._unread = self._unread.partition(b"\n")
        return line.removesuffix(b"\r")

    def _fail(self, why: str) -> NoReturn:
        self.close()
        raise smtplib.SMTPServerDisconnected(why)
