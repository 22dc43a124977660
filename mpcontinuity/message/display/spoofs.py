"""What a sender pretends to be: marks that a reader would miss."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mpcontinuity.message.display.shown import Person, Warned

_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}+@([\w-]{1,63}+(?:\.[\w-]{1,63}+){1,8})")
_LONGEST: Final = 1_000  # characters of a name that are looked at
_LONGEST_DOMAIN: Final = 255  # characters (RFC 1035 §2.3.4)
# Letters that are taken for others at a glance: what Unicode's confusables have for the letters of host names.
_ALIKE: Final = str.maketrans(
    {
        **dict(zip("аеорсухіјѕԁһԛԝвкмнтгпи", "aeopcyxijsdhqwbkmhtrnu", strict=True)),
        **dict(zip("αοερτυνικχβηγω", "aoeptuvikxbnyw", strict=True)),
        **dict(zip("0135ıłøđæœß", "oiesiiodaob", strict=True)),
        "l": "i",
        "|": "i",
        "-": "",
    }
)
_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"))


def warnings(
    senders: Sequence[Person],
    reply_to: Sequence[Person],
    texts: Iterable[tuple[str, str]],
    ours: Sequence[str],
    dmarc: str,
) -> tuple[Warned, ...]:
    """Returns what is odd about a message from ``senders``.

    ``texts`` are names of fields with what is written there, decoded and as it stands. ``ours`` are the domains of this
    server, and ``dmarc`` is what was found of the sender's domain.
    """
    return tuple(_warnings(senders, reply_to, texts, ours, dmarc))


def _warnings(
    senders: Sequence[Person],
    reply_to: Sequence[Person],
    texts: Iterable[tuple[str, str]],
    ours: Sequence[str],
    dmarc: str,
) -> Iterator[Warned]:
    if not senders:
        yield Warned("no-sender")
    if len(senders) > 1:
        yield Warned("several")
    for sender in senders[:1]:
        domain = domain_of(sender.address)
        named = _ADDRESS.search(sender.name[:_LONGEST])
        if named is not None and named[1].casefold() != domain:
            yield Warned("address-as-name", named[0])
        if dmarc in ("fail", "permerror"):
            yield Warned("dmarc", domain)
        if like := look_alike(domain, ours):
            yield Warned("look-alike", like)
        elsewhere = [each for each in reply_to if domain_of(each.address) not in ("", domain)]
        if elsewhere and not _same_owner(domain_of(elsewhere[0].address), domain):
            yield Warned("reply-elsewhere", elsewhere[0].address)
    for name, text in texts:
        if hides(text):
            yield Warned("hidden", name)


def domain_of(address: str) -> str:
    """Returns the domain of an address in lower case, in Unicode; empty where it has none."""
    domain = address.rpartition("@")[2] if "@" in address else ""
    return ".".join(map(_unicode, domain[:_LONGEST_DOMAIN].casefold().rstrip(".").split(".")))


def _unicode(label: str) -> str:
    """As people read it: what DNS has of it is ASCII (RFC 5890 §2.3.2.1)."""
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:67].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return label


def _same_owner(one: str, other: str) -> bool:
    """Whether one name is below the other: ``mail.example.org`` and ``example.org``."""
    return one.endswith(f".{other}") or other.endswith(f".{one}")


def hides(text: str) -> bool:
    """Returns whether a text has signs that turn others around, or that nobody sees: not those that scripts need."""
    if text.isascii():
        return any((each < " " and each not in "\t\r\n") or each == "\x7f" for each in text)
    for at, each in enumerate(text):
        if unicodedata.category(each) not in ("Cc", "Cf", "Co", "Cs"):
            continue
        if each in "\t\r\n\xad\ufeff" or (each in "\u200c\u200d" and _joins(text, at)):
            continue
        return True
    return False


def _joins(text: str, at: int) -> bool:
    """Whether a joiner stands between letters of a script that has such, or signs of a picture."""
    return at > 0 and not text[at - 1].isascii() and not ("\xa0" <= text[at - 1] < "\u0530")


def look_alike(domain: str, ours: Sequence[str]) -> str:
    """Returns the domain of ours that this one looks like, though it is none of ours; empty where there is none."""
    if not domain or any(domain == each or domain.endswith(f".{each}") for each in ours):
        return ""
    seen = _skeleton(domain)
    for each in ours:
        own = _skeleton(each)
        if seen == own or (len(own) >= 8 and _one_apart(seen, own)):
            return each
        if len(own) >= 8 and own.replace(".", "") in seen.partition(".")[0]:  # example-org.net
            return each
    return ""


def _skeleton(domain: str) -> str:
    decomposed = unicodedata.normalize("NFKD", domain[:255].casefold())
    text = "".join(each for each in decomposed if not unicodedata.combining(each)).translate(_ALIKE)
    for pair, single in _PAIRS:
        text = text.replace(pair, single)
    return text


def _one_apart(one: str, other: str) -> bool:
    """Whether one letter is missing, added, another, or has changed places with the next."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    at = next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    rest, others = one[at:], other[at:]
    swapped = rest[:2] == others[1::-1] and rest[2:] == others[2:]
    return rest[1:] == others[1:] or rest[1:] == others or rest == others[1:] or swapped
