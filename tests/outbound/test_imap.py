"""Logging in by IMAP, over real sockets: at a real server, and at such that fail, lie and listen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from tests.fakes.certificates import Authority
from tests.fakes.dovecot import MASTER, MASTER_PASSWORD, PASSWORD, Dovecot
from tests.fakes.imap_home import HANG_UP, SILENCE, Behaviour, ScriptedImap, answer

ANNA = "anna@example.org"


def asked(*urls: Any, **more: Any) -> list[Any]:
    """What came of each: whether TLS was on, and the capabilities; or fault and reason."""
    each = [{"url": url, "user": ANNA} if isinstance(url, str) else url for url in urls]
    done = subprocess.run(
        [sys.executable, "-m", "tests.outbound.open_imap"],
        input=msgspec.json.encode({"asked": each, **more}),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Path:
    return authority.issue("mail.example.org", "127.0.0.1")


@pytest.fixture
def home() -> Iterator[ScriptedImap]:
    with ScriptedImap() as running:
        yield running


def test_a_real_dovecot_lets_a_master_user_in_in_every_way(certificate: Path, authority: Authority) -> None:
    with Dovecot(denied=["nobody"], tls=certificate) as dovecot:
        master = f"{MASTER}:{quote(MASTER_PASSWORD, safe='')}"
        believed = {"user": ANNA, "authorities": str(authority.path)}
        found = asked(
            dovecot.url,
            f"imap://{master}@127.0.0.1:{dovecot.port}",
            {"url": f"imaps://{{user}}*{master}@127.0.0.1:{dovecot.secure_port}?tls=verify", **believed},
            {"url": f"imap://{{user}}:{PASSWORD}@127.0.0.1:{dovecot.port}?tls=verify", **believed},
            dovecot.url.replace("%2F", "%2G"),
            {"url": dovecot.url, "user": "nobody@example.org"},
        )
    assert [one[0] for one in found] == [False, False, True, True, "refused", "refused"]
    assert "UIDPLUS" in found[0][1]
    refused = f"127.0.0.1:{dovecot.port} refuses the login as {ANNA}*{MASTER}: a1 NO [AUTHENTICATIONFAILED]"
    assert found[4][1].startswith(refused)
    assert "mailboxes" not in found[4][1]


def test_a_certificate_is_verified_where_that_is_asked(certificate: Path, authority: Authority) -> None:
    with ScriptedImap(tls=certificate, implicit=True) as home:
        believed = {"user": ANNA, "authorities": str(authority.path)}
        found = asked(
            {"url": home.url + "?tls=verify", "user": ANNA},
            {"url": home.url + "?tls=verify", **believed},
            {"url": home.url + "?tls=verify", **believed, "name": "other.example.org"},
            {"url": home.url + "?tls=verify", **believed, "name": "mail.example.org"},
            home.url + "?tls=required",
        )
    assert [one[0] for one in found] == ["insecure", True, "insecure", True, True]
    assert "from an authority that is not known here" in found[0][1]
    assert "not for other.example.org" in found[2][1]
    assert home.logins == [ANNA] * 3


def test_no_password_goes_where_tls_is_demanded_and_not_offered(home: ScriptedImap) -> None:
    (found,) = asked(home.url + "?tls=required")
    assert found[0] == "insecure"
    assert "does not offer STARTTLS" in found[1]
    assert home.logins == []
    assert not any("LOGIN" in command for command in home.commands)


def test_starttls_is_used_and_what_was_offered_before_it_asked_anew(certificate: Path) -> None:
    with ScriptedImap(tls=certificate, capabilities="IMAP4rev1 STARTTLS SASL-IR") as home:
        (found,) = asked(home.url + "?tls=required")
        assert found == [True, ["IMAP4REV1", "SASL-IR", "STARTTLS"]]
        assert home.commands[:3] == ["STARTTLS", "CAPABILITY", f'LOGIN "{ANNA}*master" "of-all"']


def test_octets_behind_the_answer_to_starttls_are_not_believed(certificate: Path) -> None:
    with ScriptedImap(tls=certificate, capabilities="IMAP4rev1 STARTTLS") as home:
        home.on("STARTTLS", Behaviour(raw=b"TAG OK go\r\n* CAPABILITY injected\r\n"))
        (found,) = asked(home.url + "?tls=required")
    assert found == ["unreachable", f"127.0.0.1:{home.port} sent octets behind its answer to STARTTLS"]


def test_plain_names_the_user_beside_the_master(home: ScriptedImap) -> None:
    (found,) = asked(f"imap://master:of-all@127.0.0.1:{home.port}")
    assert found[0] is False
    assert home.logins == [ANNA]


def test_a_token_logs_in_and_a_wrong_one_is_refused_with_the_reason(home: ScriptedImap) -> None:
    url = f"imap://127.0.0.1:{home.port}"
    found = asked(
        {"url": url, "user": ANNA, "token": "of-all"},
        {"url": url, "user": ANNA, "token": "eyJ-geheim"},
    )
    assert found[0][0] is False
    assert found[1][0] == "refused"
    assert '{"status":"invalid_token"}' in found[1][1]
    assert "geheim" not in found[1][1]


@pytest.mark.parametrize(
    ("stage", "behaviour", "fault", "words"),
    [
        ("GREETING", HANG_UP, "unreachable", "closed the connection"),
        ("GREETING", SILENCE, "unreachable", "did not answer within 0.3 s"),
        ("GREETING", Behaviour(raw=b"220 smtp\r\n"), "unreachable", "is no IMAP server: 220 smtp"),
        ("GREETING", Behaviour(raw=b"* BYE [UNAVAILABLE] full\r\n", hang_up=True), "not now", "refuses us: full"),
        ("GREETING", Behaviour(raw=b"* PREAUTH hello\r\n"), "insecure", "unasked"),
        ("GREETING", Behaviour(endless=b"* OK x"), "unreachable", "a line of more than"),
        ("LOGIN", answer("NO [UNAVAILABLE] later"), "not now", "[UNAVAILABLE] later"),
        ("LOGIN", answer("NO of-all is wrong"), "refused", "NO *** is wrong"),
        ("LOGIN", answer("BAD what"), "refused", "a1 BAD what"),
        ("LOGIN", HANG_UP, "unreachable", "closed the connection"),
        ("LOGIN", SILENCE, "unreachable", "did not answer within 0.3 s"),
        ("LOGIN", Behaviour(raw=b'* LIST () "/" {10995116277760}\r\n'), "unreachable", "announced a string"),
        ("LOGIN", Behaviour(endless=b"* 1 EXISTS\r\n"), "unreachable", "responses to one command"),
        ("LOGIN", Behaviour(raw=b"a9 OK in\r\n"), "unreachable", "answered what was not asked"),
    ],
)
def test_whatever_a_server_does_is_told_in_one_line(
    home: ScriptedImap, stage: str, behaviour: Behaviour, fault: str, words: str
) -> None:
    home.on(stage, behaviour)
    (found,) = asked(home.url, timeout=0.3 if behaviour.silent else 20)
    assert found[0] == fault
    assert words in found[1]
    assert found[1].isprintable()


def test_a_port_that_is_closed_and_a_host_without_a_name_are_told() -> None:
    with ScriptedImap() as gone:
        pass
    found = asked(gone.url, "imap://nowhere.invalid", timeout=2)
    assert [one[0] for one in found] == ["unreachable", "unreachable"]
    assert f"no connection to 127.0.0.1:{gone.port}" in found[0][1]


def test_this_server_itself_is_no_home(home: ScriptedImap) -> None:
    (found,) = asked(home.url, listening=[home.port])
    assert found == ["unreachable", f"127.0.0.1:{home.port} is this server itself"]
    assert home.logins == []
