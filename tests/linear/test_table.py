"""Whatever reads outside octets is tried by the table: a new parser must join."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import mpcontinuity

_PACKAGE = Path(mpcontinuity.__file__).parent
_READING = ("message", "protocols", "verdicts", "outbound", "web")
_TESTS = Path(__file__).parent

# Modules with patterns or readers that nothing in the table drives, and why they need not be.
ELSEWHERE = {
    "message/announcement.py": "writes; its text and subject are cut first",
    "message/bodystructure.py": "of what structure.py has found: render is in the table",
    "message/envelope.py": "of what fields.py has found: render is in the table",
    "message/mbox.py": "writes; its pattern begins at the beginning of a line, and lines are cut at 1 MiB",
    "message/structure.py": "in the table, by render",
    "protocols/imap/answer.py": "in the table, by the client's engine",
    "protocols/imap/cursor.py": "in the table, by the engine",
    "protocols/imap/dates.py": "terms of fixed length, by the engine",
    "protocols/imap/items.py": "in the table, by the engine",
    "protocols/imap/objectids.py": "of 255 octets, by the engine",
    "protocols/imap/response.py": "writes; what it is given is bounded by limits.py",
    "protocols/imap/searching.py": "in the table, by the engine",
    "protocols/smtp/command.py": "in the table, by the engine",
    "web/templates.py": "what operations say; its pattern has parts of fixed length",
    "web/catalogues/fitting.py": "what an administrator writes, 4 MiB at most, when the server starts",
    "web/catalogues/po.py": "what an administrator writes, 4 MiB at most, when the server starts",
    "web/static.py": "files of ours, when the server starts",
    "outbound/certificates.py": "what an administrator writes, 1 MiB at most",
    "outbound/imap/tokens.py": "of answers of 64 KiB at most, which msgspec reads",
    "outbound/capacity.py": "of replies of 2,000 characters at most",
    "outbound/network.py": "what an administrator writes; names of a certificate that OpenSSL has read",
    "outbound/route.py": "what an administrator writes",
}
_NAMES = ("parse", "read", "receive", "feed", "decode", "scan", "unfold", "text", "texts", "check", "find")


def _readers() -> Iterator[str]:
    """Modules with a pattern, or with a function that is called as readers are and takes octets or text."""
    for folder in _READING:
        for path in sorted((_PACKAGE / folder).rglob("*.py")):
            tree = ast.parse(path.read_text())
            if any(_is_pattern(node) or _is_reader(node) for node in ast.walk(tree)):
                yield path.relative_to(_PACKAGE).as_posix()


def _is_pattern(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile"


def _is_reader(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef) or not node.name.strip("_").startswith(_NAMES):
        return False
    kinds = [ast.unparse(one.annotation) for one in node.args.args if one.annotation is not None]
    return any(kind.startswith(("bytes", "str", "Content")) for kind in kinds)


def _imported() -> set[str]:
    """Modules that the table's own import: it drives them."""
    found = set()
    for path in _TESTS.glob("*.py"):
        if not path.name.startswith("test_"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mpcontinuity."):
                    place = node.module.removeprefix("mpcontinuity.").replace(".", "/")
                    found |= {f"{place}.py", *(f"{place}/{alias.name}.py" for alias in node.names)}
    return found


def test_every_reader_of_outside_octets_is_in_the_table_or_it_is_said_why_not() -> None:
    assert set(_readers()) - _imported() == ELSEWHERE.keys()
