"""A DNS server on loopback that answers as it is told, lies or says nothing."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Any, Self

from twisted.names import dns

from mpcontinuity.outbound.names import as_text

NXDOMAIN, SERVFAIL, SILENT, GARBAGE, REFUSED = "NXDOMAIN", "SERVFAIL", "silent", "garbage", "refused"

_CODES = {NXDOMAIN: dns.ENAME, SERVFAIL: dns.ESERVER, REFUSED: dns.EREFUSED}


def mx(preference: int, name: str) -> Any:
    return dns.Record_MX(preference, name, ttl=60)


def a(address: str) -> Any:
    return dns.Record_A(address, ttl=60)


def aaaa(address: str) -> Any:
    return dns.Record_AAAA(address, ttl=60)


def cname(name: str) -> Any:
    return dns.Record_CNAME(name, ttl=60)


def txt(*strings: str) -> Any:
    return dns.Record_TXT(*(string.encode() for string in strings), ttl=60)


def srv(priority: int, port: int, name: str) -> Any:
    return dns.Record_SRV(priority, 1, port, name, ttl=60)


def tlsa(data: bytes) -> Any:
    record: Any = dns.UnknownRecord(data, ttl=60)
    record.TYPE = 52
    return record


class Nameserver:
    """Over UDP. ``zone``: what is answered by name: records, of which those of the type that was asked for and the
    aliases are given, or one of the words above. A name that is not in it does not exist."""

    def __init__(self, zone: dict[str, Any]) -> None:
        self.zone = zone
        self.asked: list[tuple[str, int]] = []
        self.chases = True  # whether what an alias stands for is in the answer, as recursive servers do it
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            if not data:
                return
            answer = self._answer(data)
            if answer is not None:
                self._socket.sendto(answer, peer)

    def _answer(self, data: bytes) -> bytes | None:
        message: Any = dns.Message()
        message.fromStr(data)
        (query,) = message.queries
        name = str(query.name).lower()
        self.asked.append((name, query.type))
        known = self.zone.get(name, NXDOMAIN)
        if known == SILENT:
            return None
        if known == GARBAGE:
            return data[:2] + b"\xff" * 20
        message.answer = 1
        message.recAv = 1
        if isinstance(known, str):
            message.rCode = _CODES[known]
        else:
            message.answers = self._records(name, known, query.type)
        encoded: bytes = message.toStr()
        return encoded

    def _records(self, name: str, known: Any, kind: int) -> list[Any]:
        header: Any = dns.RRHeader
        records = []
        for _ in range(10):
            aliases = [record for record in known if record.TYPE == dns.CNAME]
            chosen = [record for record in known if record.TYPE in (kind, dns.CNAME)]
            records += [header(name, record.TYPE, dns.IN, 60, record) for record in chosen]
            if not aliases or not self.chases:
                break
            name = as_text(aliases[0].name.name)
            known = self.zone.get(name, [])
        return records
