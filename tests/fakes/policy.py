"""A policy server of Postfix (SMTPD_POLICY_README): it greylists, as postgrey does."""

from __future__ import annotations

import socketserver
import threading
import time
from typing import Self


class Greylist:
    """Puts off each sender and recipient for ``seconds`` after they are seen for the first time.

    ``put_off`` counts how often that was said.
    """

    def __init__(self, seconds: float) -> None:
        self.put_off = 0
        seen: dict[tuple[str, str], float] = {}
        greylist = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                asked: dict[str, str] = {}
                for line in self.rfile:
                    name, _, value = line.decode().rstrip("\n").partition("=")
                    if name:
                        asked[name] = value
                        continue
                    first = seen.setdefault((asked.get("sender", ""), asked.get("recipient", "")), time.monotonic())
                    new = time.monotonic() - first < seconds
                    greylist.put_off += new
                    action = "DEFER_IF_PERMIT 4.7.1 Greylisted, try again later" if new else "DUNNO"
                    self.wfile.write(f"action={action}\n\n".encode())
                    asked = {}

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """As ``check_policy_service`` takes it."""
        return f"inet:127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
