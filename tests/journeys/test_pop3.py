"""What POP3 clients that others wrote fetch, and that nothing they fetched is lost to home."""

from __future__ import annotations

import poplib
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.journeys.world import World

TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


@pytest.fixture
def outage(world: World) -> World:
    """Home is away; anna has the messages one to three."""
    world.home.stop()
    for subject in ("one", "two", "three"):
        assert world.send(subject, body=".dots\r\n..and more\r\n").code == 250
    return world


def by_pop(world: World, *, secure: bool = False) -> poplib.POP3:
    ports = world.server.ports
    session: poplib.POP3 = (
        poplib.POP3_SSL("127.0.0.1", ports["pop3s"], timeout=60, context=TLS)
        if secure
        else poplib.POP3("127.0.0.1", ports["pop3"], timeout=60)
    )
    session.user(world.anna)
    session.pass_("secret")
    return session


def wait_until_home_has(world: World, *subjects: str) -> None:
    world.wait_for_ledger(taken_in=3, delivered=len(subjects), deleted=3 - len(subjects))
    assert sorted(copy.subject for copy in world.home.messages) == sorted(subjects)


def test_what_a_pop3_client_fetched_and_deleted_is_still_in_imap_and_reaches_home(outage: World) -> None:
    session = by_pop(outage)
    for number in (1, 2, 3):
        lines = session.retr(number)[1]
        assert lines[-4:] == [b"", b".dots", b"..and more", b""]
        session.dele(number)
    session.quit()
    again = by_pop(outage, secure=True)
    assert again.stat() == (0, 0)
    again.quit()
    assert outage.subjects() == ["one", "two", "three"]
    outage.home.start()
    wait_until_home_has(outage, "one", "two", "three")


def test_with_pop3_delete_what_was_deleted_does_not_reach_home(outage: World) -> None:
    outage.cli("domain", "set", outage.domain, "pop3-delete=delete")
    session = by_pop(outage)
    session.dele(2)
    session.quit()
    assert outage.subjects() == ["one", "three"]
    outage.home.start()
    wait_until_home_has(outage, "one", "three")


def test_a_connection_lost_before_quit_deletes_nothing_and_the_next_login_is_let_in(outage: World) -> None:
    outage.cli("domain", "set", outage.domain, "pop3-delete=delete")
    session = by_pop(outage)
    session.dele(1)
    session.close()
    again = by_pop(outage)
    assert again.stat()[0] == 3
    again.quit()


def test_uidls_are_the_same_after_a_restart_of_the_server(outage: World) -> None:
    session = by_pop(outage)
    before = session.uidl()[1]
    session.quit()
    outage.server.stop()
    outage.server.start()
    session = by_pop(outage)
    assert session.uidl()[1] == before
    session.quit()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_fetches_with_stls_and_sasl(outage: World) -> None:
    curl = ["curl", "-sS", "-k", "--max-time", "20", "--user", f"{outage.anna}:secret"]
    ports = outage.server.ports
    for url, *options in (
        (f"pop3://127.0.0.1:{ports['pop3']}/2", "--ssl-reqd"),
        (f"pop3s://127.0.0.1:{ports['pop3s']}/2", "--login-options", "AUTH=LOGIN"),
        (f"pop3s://127.0.0.1:{ports['pop3s']}/2", "--login-options", "AUTH=+APOP"),
    ):
        done = subprocess.run([*curl, *options, url], capture_output=True, text=True, check=False)
        if "APOP" in " ".join(options):
            assert done.returncode != 0  # not offered: it needs passwords that can be read
        else:
            assert "Subject: two\n" in done.stdout, done.stderr


@pytest.mark.skipif(shutil.which("fetchmail") is None, reason="fetchmail is not installed")
def test_fetchmail_takes_everything_once(outage: World, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    settings = tmp_path / "fetchmailrc"
    settings.write_text(
        f"""poll 127.0.0.1 protocol pop3 service {outage.server.ports["pop3s"]}
        user "{outage.anna}" password "secret" ssl sslproto "TLS1.2+" no sslcertck
        mda "cat >> {taken}"\n"""
    )
    settings.chmod(0o600)
    fetchmail = ["fetchmail", "-f", str(settings), "--nodetach", "--pidfile", str(tmp_path / "pid")]
    environment = {"FETCHMAILHOME": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(fetchmail, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert taken.read_text().count("\nSubject: ") == 3
    done = subprocess.run(fetchmail, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 1, done.stdout + done.stderr  # no mail
    outage.home.start()
    wait_until_home_has(outage, "one", "two", "three")


@pytest.mark.skipif(shutil.which("getmail") is None, reason="getmail6 is not installed")
def test_getmail_leaves_mail_on_the_server_and_knows_it_again(outage: World, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    # Who delivers ends a moment late: getmail waits three minutes for one that ends before it begins to wait.
    (tmp_path / "getmailrc").write_text(
        f"""[retriever]\ntype = SimplePOP3SSLRetriever\nserver = 127.0.0.1\nport = {outage.server.ports["pop3s"]}
username = {outage.anna}\npassword = secret\n[destination]\ntype = MDA_external\npath = /bin/sh
arguments = ("-c", "cat >>{taken}; sleep 0.5")
allow_root_commands = true\n[options]\nread_all = false\ndelete = false\n"""
    )
    for _ in range(2):
        done = subprocess.run(
            ["getmail", "--getmaildir", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert taken.read_text().count("\nSubject: ") == 3
