"""What real clients say that no RFC has, and what only home can judge: through us to home, and through an outage."""

from __future__ import annotations

import contextlib

import pytest

from tests.fakes.home import Received
from tests.journeys.world import SENDER, World, message

ODD = ["anna..b", ".anna", "anna.", "anna-" + "x" * 100]


def _send(world: World, content: bytes, *lines: bytes) -> list[int]:
    """The codes of the replies to these lines, and to the content behind them."""
    with contextlib.closing(world.smtp()) as client:
        codes = []
        for line in (*lines, b"DATA"):
            client.send(line + b"\r\n")
            codes.append(client.getreply()[0])
        if codes[-1] == 354:
            client.send(content + b".\r\n")
            codes.append(client.getreply()[0])
        client.quit()
    return codes


@pytest.mark.parametrize(
    "name", [b"m\xfcller", "müller".encode(), b"_scan_ner", b"Front Desk", b"[10.0.0", b"[300.1.1.1]"]
)
def test_any_name_says_hello_and_received_stays_ascii(world: World, name: bytes) -> None:
    lines = (b"EHLO " + name, b"MAIL FROM:" + SENDER.encode(), b"RCPT TO:" + world.anna.encode())
    assert _send(world, message("hello"), *lines) == [250, 250, 250, 354, 250]
    (copy,) = world.at_home("hello")
    received, _, _ = copy.data.partition(b"by mx.continuity.example")
    assert received.isascii()
    assert b"[127.0.0.1]" in received


@pytest.mark.parametrize("away", [False, True], ids=["home up", "outage"])
@pytest.mark.parametrize("local", ODD)
def test_a_local_part_that_only_home_can_judge_reaches_it_as_it_is(world: World, local: str, away: bool) -> None:
    recipient = f"{local}@{world.domain}"
    if away:
        world.cli("user", "add", recipient)
        world.home.stop()
    reverse_path = f"bounce+{'y' * 100}..@sender.example"
    assert world.send("odd", recipient, sender=reverse_path).code == 250
    if away:
        world.wait_for_ledger(taken_in=1, owed=1)
        world.home.start()
        world.wait_for_ledger(taken_in=1, delivered=1)
    (copy,) = world.at_home("odd")
    assert (copy.sender, copy.recipients) == (reverse_path, [recipient])


def test_in_an_outage_dots_make_nobody_a_registered_user(world: World) -> None:
    world.home.stop()
    for local in ("an.na", "anna.", ".anna", "an..na"):
        assert world.send("dots", f"{local}@{world.domain}").code == 451
    assert world.subjects() == []


def test_a_domain_that_cannot_exist_is_told_at_once_and_a_final_dot_is_nothing(world: World) -> None:
    answer = world.send("nowhere", f"anna@{'x' * 64}.example")
    assert (answer.code, answer.text[:5]) == (550, "5.1.2")
    assert world.send("dot", world.anna + ".").code == 250
    assert world.at_home("dot")[0].recipients == [world.anna]


def test_a_line_as_long_as_newsletters_have_passes_whole_and_is_redelivered_whole(world: World) -> None:
    line = "x" * 200_000 + "." * 800_000

    def whole(copy: Received) -> bool:
        return copy.data.endswith(f"\r\n\r\n{line}\r\n".encode())

    content = message("long", body=line)
    lines = (b"EHLO news.example", f"MAIL FROM:<{SENDER}>".encode(), f"RCPT TO:<{world.anna}>".encode())
    assert _send(world, content, *lines)[-1] == 250
    assert whole(world.at_home("long")[0])
    world.home.stop()
    content = message("longer", body=line)
    assert _send(world, content, *lines)[-1] == 250
    world.home.start()
    world.wait_for_ledger(taken_in=1, delivered=1)
    assert whole(world.at_home("longer")[0])
    assert _send(world, message("too long", body="x" * 1_048_577), *lines)[-1] == 554
