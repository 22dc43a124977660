"""Reads the command lines of SMTP: verbs, paths and parameters (RFC 5321 §4.1.1, and the RFC of each parameter)."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache

from mpcontinuity.model import hosts
from mpcontinuity.model.address import Address, BadAddress, parse
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply

# FROM:<path> or TO:<path>, with the blank behind the colon that Outlook sends, then parameters. Some devices know no
# angle brackets; without them an address is needed, and ends at a blank.
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PATH = rf'[ \t]*(?:<((?:[^<>"\\]|{_QUOTED})*)>|((?:[^<>"\\ \t]|{_QUOTED})+))(?:[ \t]++(.*))?'
_FROM = re.compile(r"FROM:" + _PATH, re.IGNORECASE)
_TO = re.compile(r"TO:" + _PATH, re.IGNORECASE)
_ROUTE = re.compile(r"@[^,:@]+(?:,@[^,:@]+)*:")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20=\x7f]+))?")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")  # RFC 3461 §4
_ORCPT = re.compile(rf"[A-Za-z0-9-]+;{_XTEXT.pattern}")  # RFC 3461 §4.2
# RFC 6533 §3: characters that are no xtext stand as \x{HEX}, or as themselves under SMTPUTF8.
_UTF8_ORCPT = re.compile(r"(?i:utf-8);(?:[!-*,-<>-\[\]-~]|\\x\{[0-9A-F]{2,6}\}|\+[0-9A-F]{2}|[\u00a0-\U0010ffff])+")
_BDAT = re.compile(r"([0-9]{1,20})(?:[ \t]+(LAST))?", re.IGNORECASE)
_NOTIFY = re.compile(r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*")

# RFC 3461 §4.2 and §4.4.
_MAX_ORCPT = 500
_MAX_ENVID = 100

_MAX_NAME = 255  # characters of what a client calls itself
_NO_NAME = re.compile(r"[^!-~]")


class BadCommand(Exception):
    """Raised for a command that is answered by ``reply`` and changes nothing."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, enhanced, text)


def split(line: bytes) -> tuple[str, str]:
    """Returns the verb in upper case and the rest of a command line without its CRLF. Raises BadCommand."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        if line[:5].upper() not in (b"EHLO ", b"HELO "):  # a name of some machine, in whatever its owner writes
            raise BadCommand(500, "5.5.2", "Commands are ASCII or UTF-8") from None
        text = line.decode("latin-1")
    if "\0" in text or "\r" in text:
        raise BadCommand(500, "5.5.2", "Control character in a command")
    verb, _, argument = text.partition(" ")
    return verb.upper(), argument.strip(" \t")


def mail(
    argument: str, *, offers: frozenset[str], message_size: int, authenticates: bool
) -> tuple[Address | None, MailParameters]:
    """Reads what follows ``MAIL``. ``offers`` are the keywords of EHLO that permit parameters. Raises BadCommand."""
    match = _FROM.fullmatch(argument)
    if match is None:
        raise BadCommand(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")
    path, rest = match[1] or match[2] or "", match[3]
    parameters = _mail_parameters(rest, offers, message_size, authenticates) if rest else _NO_MAIL_PARAMETERS
    if not path:
        return None, parameters
    # RFC 5321 §3.6.1 and appendix C: a source route is accepted and ignored.
    route = _ROUTE.match(path)
    address = _address(path[route.end() :] if route else path, "5.1.7")
    if not address.ascii and not parameters.smtputf8:
        raise BadCommand(553, "5.6.7", "An address with non-ASCII characters needs SMTPUTF8")
    return address, parameters


def rcpt(argument: str, *, offers: frozenset[str], hostname: str, smtputf8: bool) -> tuple[Address, RcptParameters]:
    """Reads what follows ``RCPT``. Raises BadCommand."""
    match = _TO.fullmatch(argument)
    if match is None:
        raise BadCommand(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")
    path, rest = match[1] or match[2] or "", match[3]
    parameters = _rcpt_parameters(rest, offers, smtputf8) if rest else _NO_RCPT_PARAMETERS
    if path.startswith("@"):
        raise BadCommand(550, "5.1.3", "Source routes are not used here")
    if path.lower() == "postmaster":  # RFC 5321 §4.5.1: without a domain too
        path = f"{path}@{hostname}"
    address = _address(path, "5.1.3")
    if not address.ascii and not smtputf8:
        raise BadCommand(553, "5.6.7", "An address with non-ASCII characters needs SMTPUTF8 at MAIL")
    if address.impossible:
        raise BadCommand(550, "5.1.2", "No such domain can exist: it has a label of more than 63 octets, or too many")
    return address, parameters


def bdat(argument: str) -> tuple[int, bool] | None:
    """Reads what follows ``BDAT``: how many octets come, and whether they are the last.

    It returns None where nobody can know where the octets end.
    """
    match = _BDAT.fullmatch(argument)
    return (int(match[1]), bool(match[2])) if match else None


def etrn(argument: str) -> tuple[str, bool]:
    """Reads what follows ``ETRN``: the node's name in lower case, and whether its subdomains are meant as well.

    Raises BadCommand for what is no name, and for a named queue, of which there is none (RFC 1985 §5.3).
    """
    option, node = (argument[:1], argument[1:]) if argument[:1] in ("@", "#") else ("", argument)
    if not hosts.is_hostname(node) or node.startswith("["):
        raise BadCommand(501, "5.5.4", "Syntax: ETRN domain, or ETRN @domain")
    if option == "#":
        raise BadCommand(459, "4.7.1", f"Node {argument} not allowed")
    return node.lower(), bool(option)


def hello(argument: str) -> str:
    """Reads what follows ``EHLO`` or ``HELO``: any name at all, as printable ASCII. Raises BadCommand.

    Nothing depends on it, since no message may be refused for it (RFC 5321 §4.1.4), and many devices say what somebody
    named them: umlauts, underscores, blanks, half an address literal. What is no domain stands in no trace field.
    """
    if not argument:
        raise BadCommand(501, "5.5.4", "Syntax: EHLO hostname")
    return _NO_NAME.sub("?", argument[:_MAX_NAME])


_parsed = lru_cache(maxsize=4096)(parse)  # those of our users, and of those who write to them, come again


def _address(text: str, enhanced: str) -> Address:
    try:
        return _parsed(text)
    except BadAddress as error:
        raise BadCommand(501, enhanced, f"Bad address: {error}") from None


_NO_MAIL_PARAMETERS = MailParameters()
_NO_RCPT_PARAMETERS = RcptParameters()


def _named(text: str) -> dict[str, str]:
    """Parameters by name in upper case; the empty string where one has no value."""
    found: dict[str, str] = {}
    for part in text.split():
        match = _PARAMETER.fullmatch(part)
        if match is None:
            raise BadCommand(501, "5.5.4", "Parameters are written KEYWORD or KEYWORD=value")
        name = match[1].upper()
        if name in found:
            raise BadCommand(501, "5.5.4", f"Parameter {name} is given twice")
        found[name] = match[2] or ""
    return found


def _mail_parameters(text: str, offers: frozenset[str], message_size: int, authenticates: bool) -> MailParameters:
    size, body, smtputf8, ret, envid = 0, "", False, "", ""
    for name, value in _named(text).items():
        if name == "SIZE":
            size = _size(value, message_size)
        elif name == "BODY":
            body = _one_of(name, value, ("7BIT", "8BITMIME"))
        elif name == "SMTPUTF8" and name in offers:
            if value:
                raise BadCommand(501, "5.5.4", "SMTPUTF8 takes no value")
            smtputf8 = True
        elif name == "RET" and "DSN" in offers:
            ret = _one_of(name, value, ("FULL", "HDRS"))
        elif name == "ENVID" and "DSN" in offers:
            envid = _printable(name, _matching(name, value, _XTEXT, _MAX_ENVID))
        elif name == "AUTH" and authenticates:
            _matching(name, value, _XTEXT, _MAX_ORCPT)  # RFC 4954 §5: allowed; nobody here is trusted to assert it
        else:
            raise BadCommand(555, "5.5.4", f"Parameter {name} is not known here")
    return MailParameters(size, body, smtputf8, ret, envid)


def _rcpt_parameters(text: str, offers: frozenset[str], smtputf8: bool) -> RcptParameters:
    notify, orcpt = "", ""
    for name, value in _named(text).items():
        if name == "NOTIFY" and "DSN" in offers:
            notify = _matching(name, value.upper(), _NOTIFY, 40)
        elif name == "ORCPT" and "DSN" in offers:
            orcpt = _original_recipient(name, value, smtputf8)
        else:
            raise BadCommand(555, "5.5.4", f"Parameter {name} is not known here")
    return RcptParameters(notify, orcpt)


def _size(value: str, limit: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 20):  # RFC 1870 §3
        raise BadCommand(501, "5.5.4", "SIZE takes a number of octets")
    size = int(value)
    if limit and size > limit:
        raise BadCommand(552, "5.3.4", f"Messages have at most {limit} octets here")
    return size


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value.upper() not in allowed:
        raise BadCommand(501, "5.5.4", f"{name} is one of {', '.join(allowed)}")
    return value.upper()


def _matching(name: str, value: str, pattern: re.Pattern[str], longest: int) -> str:
    if len(value) > longest or not pattern.fullmatch(value):
        raise BadCommand(501, "5.5.4", f"The value of {name} is not well formed")
    return value


def _printable(name: str, xtext: str) -> str:
    """RFC 3461 §4.2 and §4.4: what is encoded is printable ASCII, and would break a report otherwise."""
    if any(not 32 <= int(code, 16) <= 126 for code in re.findall(r"\+([0-9A-F]{2})", xtext)):
        raise BadCommand(501, "5.5.4", f"The value of {name} is not printable ASCII")
    return xtext


def _original_recipient(name: str, value: str, smtputf8: bool) -> str:
    if value[:6].lower() != "utf-8;":
        return _printable(name, _matching(name, value, _ORCPT, _MAX_ORCPT))
    if not value.isascii() and not smtputf8:
        raise BadCommand(501, "5.5.4", f"Non-ASCII characters in {name} need SMTPUTF8 at MAIL")
    return _printable(name, _matching(name, value, _UTF8_ORCPT, _MAX_ORCPT))


def base64_strict(text: bytes) -> bytes:
    """Decodes base64 in which nothing else stands and nothing is missing, padding included (RFC 4954 §4).

    Raises BadCommand.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadCommand(501, "5.5.2", "Not base64") from None
