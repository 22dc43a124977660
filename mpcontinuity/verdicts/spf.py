"""Decides whether a host may send mail for a domain: SPF (RFC 7208). The test suite of RFC 7208 is among the tests."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final
from urllib.parse import quote

import msgspec

from mpcontinuity.outbound.lookup import NoAnswer
from mpcontinuity.verdicts.dns import Dns, Ip

PASS, FAIL, SOFTFAIL, NEUTRAL = "pass", "fail", "softfail", "neutral"
NONE, TEMPERROR, PERMERROR = "none", "temperror", "permerror"

# RFC 7208 §4.6.4
_MOST_TERMS: Final = 10  # that ask DNS
_MOST_VOID: Final = 2  # answers with nothing in them
_MOST_HOSTS: Final = 10  # of one mx or ptr

_LONGEST_NAME: Final = 253
# Characters of a record, in all its strings. The longest that are met have some 2,000 (RFC 7208 §3.4 wants 450).
_LONGEST_RECORD: Final = 8192

_QUALIFIERS: Final = {"+": PASS, "-": FAIL, "~": SOFTFAIL, "?": NEUTRAL}
_VERSION = re.compile(r"v=spf1(?: |$)", re.IGNORECASE)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)")
_MECHANISM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*+)(.*)")
_TRANSFORMED = r"[0-9]{0,3}[rR]?[.\-+,/_=]*"  # nothing has a thousand labels
_MACRO = re.compile(r"%(?:\{([slodiphcrtvSLODIPHCRTV])([0-9]{0,3})([rR]?)([.\-+,/_=]*)\}|([%_-]))")
_MACRO_STRING = re.compile(rf"(?:%(?:\{{[slodiphvSLODIPHV]{_TRANSFORMED}\}}|[%_-])|[!-$&-~])*")
_EXPLANATION = re.compile(rf"(?:%(?:\{{[slodiphcrtvSLODIPHCRTV]{_TRANSFORMED}\}}|[%_-])|[ -$&-~])*")
_CIDR = re.compile(r"(?:/(0|[1-9][0-9]{0,2}))?(?://(0|[1-9][0-9]{0,2}))?")
_PREFIXES = re.compile(r"(?:/[0-9]+)?(?://[0-9]+)?\Z")
_TOP_LABEL = re.compile(r"[A-Za-z0-9-]+")
_LABEL = re.compile(r"[^.]{1,63}")


class _Broken(Exception):
    """`permerror`."""


class _Term(msgspec.Struct, frozen=True):
    """A mechanism. ``prefixes``: of IPv4 and IPv6."""

    result: str
    name: str
    domain: str  # as written, with its macros; empty: none
    prefixes: tuple[int, int]
    network: IPv4Network | IPv6Network | None = None


class _Record(msgspec.Struct, frozen=True):
    terms: list[_Term]
    redirect: str = ""


class SpfCheck:
    """One `check_host` (RFC 7208 §4) with all the records that it leads to.

    ``sender`` is an address with a local part. ``helo`` is the name that the client gave.
    """

    def __init__(self, dns: Dns, ip: Ip, sender: str, helo: str) -> None:
        mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
        self._dns = dns
        self._ip: Ip = mapped or ip
        self._sender = sender
        self._helo = helo
        self._terms = 0
        self._void = 0
        self._names: list[str] | None = None  # of the host, once a `ptr` or `%{p}` has asked for them

    async def result(self, domain: str) -> str:
        """Returns the result for a domain: one of the words above, such as PASS (RFC 7208 §2.6)."""
        try:
            return await self._host(domain.rstrip("."), first=True)
        except NoAnswer:
            return TEMPERROR
        except _Broken:
            return PERMERROR

    async def _host(self, domain: str, *, first: bool = False) -> str:
        labels = domain.split(".")
        if len(domain) > _LONGEST_NAME or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
            return NONE
        texts = await self._dns.texts(domain)
        records = [text for text in texts if _VERSION.match(text)]
        if not records:
            return NONE
        if len(records) > 1:
            raise _Broken
        record = _parse(records[0])
        for term in record.terms:
            if await self._matches(term, domain):
                return term.result
        if record.redirect:
            self._count_term()
            found = await self._host(await self._target(record.redirect, domain))
            if found == NONE:
                raise _Broken
            return found
        return NEUTRAL

    # Mechanisms (RFC 7208 §5)

    async def _matches(self, term: _Term, domain: str) -> bool:
        if term.name == "all":
            return True
        if term.network is not None:
            return self._ip.version == term.network.version and self._ip in term.network
        self._count_term()
        target = await self._target(term.domain, domain) if term.domain else domain
        return await _KINDS[term.name](self, term, target)

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > _MOST_TERMS:
            raise _Broken

    async def _include(self, term: _Term, target: str) -> bool:
        found = await self._host(target)
        if found == NONE:
            raise _Broken
        return found == PASS

    async def _a(self, term: _Term, target: str) -> bool:
        return self._is_in(await self._addresses(target), term)

    async def _mx(self, term: _Term, target: str) -> bool:
        names = self._note(await self._dns.exchanges(target))
        if len(names) > _MOST_HOSTS:
            raise _Broken
        for name in names:
            if name and self._is_in(await self._addresses(name, counts=False), term):
                return True
        return False

    async def _ptr(self, term: _Term, target: str) -> bool:
        wanted = target.lower()
        return any(name == wanted or name.endswith(f".{wanted}") for name in await self._validated())

    async def _exists(self, term: _Term, target: str) -> bool:
        return bool(self._note(await self._dns.addresses(target, version=4)))

    async def _addresses(self, name: str, *, counts: bool = True) -> list[Ip]:
        found = await self._dns.addresses(name, version=self._ip.version)
        return self._note(found) if counts else found

    def _note(self, found: list[Ip] | list[str]) -> list:  # type: ignore[type-arg]
        """Too many questions without an answer are a record that wants to do harm."""
        if not found:
            self._void += 1
            if self._void > _MOST_VOID:
                raise _Broken
        return found

    def _is_in(self, addresses: list[Ip], term: _Term) -> bool:
        prefix = term.prefixes[self._ip.version == 6]
        shift = self._ip.max_prefixlen - prefix
        return any(int(address) >> shift == int(self._ip) >> shift for address in addresses)

    async def _validated(self) -> list[str]:
        """Names of the host that lead back to it (RFC 7208 §5.5): no failure there is one of ours. Asked for once,
        however many macros a record has."""
        if self._names is None:
            self._names = await self._look_back()
        return self._names

    async def _look_back(self) -> list[str]:
        try:
            names = await self._dns.names(self._ip)
        except NoAnswer:
            return []
        found = []
        for name in names[:_MOST_HOSTS]:
            try:
                if self._ip in await self._dns.addresses(name, version=self._ip.version):
                    found.append(name.lower().rstrip("."))
            except NoAnswer:
                continue
        return found

    # Macros (RFC 7208 §7)

    async def _target(self, text: str, domain: str) -> str:
        parts, at = [], 0
        for found in _MACRO.finditer(text):
            parts.append(text[at : found.start()])
            at = found.end()
            if found[5]:
                parts.append({"%": "%", "_": " ", "-": "%20"}[found[5]])
            else:
                parts.append(await self._macro(found, domain))
        target = "".join([*parts, text[at:]]).rstrip(".")
        if len(target) > _LONGEST_NAME:  # labels are left out from the left (RFC 7208 §7.3)
            target = target[target.find(".", len(target) - _LONGEST_NAME - 1) + 1 :]
        return target

    async def _macro(self, found: re.Match[str], domain: str) -> str:
        letter, digits, reverse, delimiters = found[1], found[2], found[3], found[4]
        value = await self._value(letter.lower(), domain)
        if digits or reverse or delimiters:
            delimiter = delimiters[:1] or "."
            parts = value.translate(dict.fromkeys(map(ord, delimiters), delimiter)).split(delimiter)
            if reverse:
                parts.reverse()
            value = ".".join(parts[-int(digits) :] if digits else parts)
        return quote(value, safe="") if letter.isupper() else value

    async def _value(self, letter: str, domain: str) -> str:
        local, _, host = self._sender.rpartition("@")
        if letter == "p":
            names = await self._validated()
            below = [name for name in names if name.endswith(f".{domain.lower()}")]
            return next(iter([name for name in names if name == domain.lower()] + below + names), "unknown")
        return {
            "s": self._sender,
            "l": local,
            "o": host,
            "d": domain,
            "i": _dotted(self._ip),
            "h": self._helo,
            "v": "in-addr" if self._ip.version == 4 else "ip6",
        }[letter]


_KINDS: dict[str, Callable[[SpfCheck, _Term, str], Awaitable[bool]]] = {
    "include": SpfCheck._include,
    "a": SpfCheck._a,
    "mx": SpfCheck._mx,
    "ptr": SpfCheck._ptr,
    "exists": SpfCheck._exists,
}


def _dotted(ip: Ip) -> str:
    return str(ip) if isinstance(ip, IPv4Address) else ".".join(ip.exploded.replace(":", ""))


# Records (RFC 7208 §4.6.1 and §12)


def _parse(text: str) -> _Record:
    """Raises _Broken for any fault in it, wherever that is."""
    if not text.isascii() or len(text) > _LONGEST_RECORD:
        raise _Broken
    terms: list[_Term] = []
    modifiers: dict[str, str] = {}
    for word in text.split(" ")[1:]:
        if not word:
            continue
        modifier = _MODIFIER.fullmatch(word)
        if modifier:
            name, value = modifier[1].lower(), modifier[2]
            if name in ("redirect", "exp"):
                if name in modifiers:
                    raise _Broken
                modifiers[name] = _domain(value)
            elif not _EXPLANATION.fullmatch(value):
                raise _Broken
        else:
            terms.append(_term(word))
    return _Record(terms, modifiers.get("redirect", ""))


def _term(word: str) -> _Term:
    found = _MECHANISM.fullmatch(word)
    if found is None:
        raise _Broken
    result, name, rest = _QUALIFIERS[found[1] or "+"], found[2].lower(), found[3]
    if rest and rest[0] not in ":/":
        raise _Broken
    colon = rest.startswith(":")
    value, cidr = _apart(rest.removeprefix(":"))
    if not colon and value:
        raise _Broken
    if name == "all":
        if colon or cidr:
            raise _Broken
        return _Term(result, name, "", (32, 128))
    if name in ("ip4", "ip6"):
        return _Term(result, name, "", (32, 128), _network(name, value + cidr))
    if name not in _KINDS:
        raise _Broken
    if name in ("a", "mx"):
        return _Term(result, name, _domain(value) if colon else "", _prefixes(cidr))
    if name == "ptr" and not colon and not cidr:
        return _Term(result, name, "", (32, 128))
    return _Term(result, name, _domain(value + cidr), (32, 128))


def _apart(text: str) -> tuple[str, str]:
    """What stands before the prefix lengths that it may end in, and these; a slash may be a delimiter of a macro as
    well."""
    found = _PREFIXES.search(text)
    assert found is not None
    return text[: found.start()], found[0]


def _prefixes(cidr: str) -> tuple[int, int]:
    found = _CIDR.fullmatch(cidr)
    if found is None:
        raise _Broken
    four, six = int(found[1] or 32), int(found[2] or 128)
    if four > 32 or six > 128:
        raise _Broken
    return four, six


def _network(name: str, text: str) -> IPv4Network | IPv6Network:
    address, slash, length = text.partition("/")
    if slash and (not length.isdigit() or (length != "0" and length.startswith("0"))):
        raise _Broken
    try:
        made: IPv4Network | IPv6Network
        made = IPv4Network(text, strict=False) if name == "ip4" else IPv6Network(text, strict=False)
        (IPv4Address if name == "ip4" else IPv6Address)(address)
    except ValueError:
        raise _Broken from None
    return made


def _domain(text: str) -> str:
    """A domain-spec (RFC 7208 §7.1)."""
    if not _MACRO_STRING.fullmatch(text):
        raise _Broken
    last = None
    for last in _MACRO.finditer(text):
        if last[2] and int(last[2]) == 0:
            raise _Broken
    if (last is None or last.end() < len(text)) and not _has_top_label(text):
        raise _Broken
    return text


def _has_top_label(text: str) -> bool:
    """Whether it ends in ``.toplabel``, perhaps with a dot behind it: letters, digits and hyphens, not digits only."""
    _, dot, label = text.removesuffix(".").rpartition(".")
    plain = _TOP_LABEL.fullmatch(label) is not None and "-" not in (label[0], label[-1])
    return bool(dot) and plain and not label.isdigit()
