"""Every regular expression of the package is such that no text takes long, or it is said here why it does no harm."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import mpcontinuity
from mpcontinuity.message import fields, trace
from tests.linear.patterns import faults
from tests.linear.possessive import forgets

_SEARCHES = ("search", "findall", "finditer", "sub", "subn", "split")
_CALLS = (*_SEARCHES, "match", "fullmatch", "compile")

_MATCHING = ("match", "take", "accept", "_matching")  # functions of ours that a pattern is given to

# What the check finds, and why it does no harm. Whoever adds one says what bounds it.
_OURS = "what this program writes itself, or an administrator"
HARMLESS: dict[tuple[str, str], str] = {
    ("mpcontinuity.app.demo.home", "_FIELD"): "the demo's own messages",
    ("mpcontinuity.app.demo.service", r"(\w+) listens at 127\.0\.0\.1:(\d+)"): _OURS,
    ("mpcontinuity.control.arguments", "_OF_THE_TYPES"): "what is run over has no blank in it",
    ("mpcontinuity.web.static", "_IMPORT"): _OURS,
    ("mpcontinuity.control.dkim", "_NUMBERED"): _OURS,
    ("mpcontinuity.store.statement", "_GATHERED"): _OURS,
    ("mpcontinuity.store.statement", "_LIST"): _OURS,
    ("mpcontinuity.message.dates", "_DAY"): "256 octets at most",
    ("mpcontinuity.message.report", "_HOST"): "900 characters at most",
    ("mpcontinuity.message.contenttype", "_PARAMETER"): "a value is optional: what it runs over is not looked at again",
    ("mpcontinuity.message.encodedwords", "_WORD"): "what is run over ends at the next few question marks",
    (
        "mpcontinuity.message.trace",
        "_ours",
    ): "what is run over ends at the next blanks, and begins with 'by' and our name",
}


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(mpcontinuity.__path__, "mpcontinuity."):
        if ".migrations" not in found.name:
            yield importlib.import_module(found.name)


def _patterns(module: ModuleType) -> Iterator[tuple[str, re.Pattern[Any], bool]]:
    """Name, pattern, and whether it is searched for: those that a module has, and those that it writes where it uses
    them."""
    tree = ast.parse(inspect.getsource(module))
    searched = {
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in _SEARCHES and isinstance(node.value, ast.Name)
    }
    for name, value in vars(module).items():
        if isinstance(value, re.Pattern) and not name.startswith("__"):
            # Handed to somebody else: it may be searched for there.
            handed = any(isinstance(node, ast.Call) and _hands(node, name) for node in ast.walk(tree))
            yield name, value, name in searched or handed
    for node in ast.walk(tree):
        if not (_is_re(node) and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        match node.args[0]:
            case ast.Constant(value=str() | bytes() as written) if node.func.attr != "compile":
                yield str(written), re.compile(written), node.func.attr in _SEARCHES


def _hands(call: ast.Call, name: str) -> bool:
    own = getattr(call.func, "attr", getattr(call.func, "id", "")) in _MATCHING
    return not own and any(isinstance(argument, ast.Name) and argument.id == name for argument in call.args)


def _is_re(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in _CALLS
    )


def _made_at_run_time() -> Iterator[tuple[str, str, re.Pattern[Any], bool]]:
    for exclude in (False, True):
        yield "mpcontinuity.message.fields", f"_pattern({exclude})", fields._pattern((b"from", b"x-a"), exclude), True
    yield "mpcontinuity.message.trace", "_ours", trace._ours(b"mx.example"), True


def _all() -> Iterator[tuple[str, str, re.Pattern[Any], bool]]:
    for module in _modules():
        for name, pattern, searched in _patterns(module):
            yield module.__name__, name, pattern, searched
    yield from _made_at_run_time()


def test_no_pattern_takes_longer_than_its_text_or_it_is_known_why_not() -> None:
    found = {
        (module, name): said
        for module, name, pattern, searched in _all()
        if (said := faults(pattern, searched=searched))
    }
    assert found.keys() == HARMLESS.keys(), {place: said for place, said in found.items() if place not in HARMLESS}


@pytest.mark.parametrize(
    ("pattern", "searched"),
    [
        (rb"[!-9;-~]+[ \t]*:[^\n]*\n", True),  # DKIM's fields, once
        (r"\.(?:[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*)\.?$", False),  # SPF's last label
        (rb"[ \t]+\([^()\"]*\)[ \t]*(?=;|\Z)", True),  # comments of a Content-Type
        (rb"\sfor\s+<([^\r\n]*)>;", True),  # for whom a Received field is
        (r"(?:a+)*b", False),
        (r"(?:a|ab?)*c", False),
        (r"\s*,\s*\s*x", False),
    ],
)
def test_the_check_finds_what_was_wrong_once(pattern: Any, searched: bool) -> None:
    assert faults(re.compile(pattern), searched=searched)


@pytest.mark.parametrize(
    ("pattern", "searched"),
    [
        (rb"^[!-9;-~]++[ \t]*+:[^\n]*+\n", True),
        (rb"[!-9;-~]+[ \t]*:", False),
        (rb'"(?:[^"\\]|\\[\s\S])*"', False),
        (rb"[^\n]*(?:\n[ \t][^\n]*)*", True),
    ],
)
def test_it_finds_nothing_where_nothing_is(pattern: Any, searched: bool) -> None:
    assert not faults(re.compile(pattern, re.MULTILINE), searched=searched)


def test_every_pattern_means_the_same_to_the_python_of_debian_12() -> None:
    assert not {(module, name) for module, name, pattern, _ in _all() if forgets(pattern)}


@pytest.mark.parametrize(
    ("pattern", "forgotten"),
    [
        (rb"\?([^?\r\n]*+(?:(?<!=)\?(?!=)[^?\r\n]*+){0,4}+)\?=", True),  # encoded words, once: none was read
        (rb'(?:"?+([a-z]++)"?+(?![ \t]*+=))?+', True),
        (r"(?:[a-z]{1,63}+\.){1,8}+", True),
        (rb"(?:\n[ \t][^\n]*+)*+", False),
        (rb'"(?:[^"\\]++|\\[\s\S])*+"?+', False),
        (rb"(?:[a-z]{1,63}+\.){1,8}", False),
    ],
)
def test_a_group_whose_turn_gives_up_late_is_found(pattern: Any, forgotten: bool) -> None:
    assert forgets(re.compile(pattern)) is forgotten
