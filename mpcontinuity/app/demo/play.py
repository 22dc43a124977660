"""`mpcontinuity demo`: an outage on loopback with real clients, and the proof that nothing was lost or doubled."""

from __future__ import annotations

import imaplib
import shutil
import smtplib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import click

from mpcontinuity.app.demo.display import Display
from mpcontinuity.app.demo.home import DemoHome
from mpcontinuity.app.demo.service import DemoFailed, DemoService

_DOMAIN = "example.org"
_ANNA, _BEN = f"anna@{_DOMAIN}", f"ben@{_DOMAIN}"
_USERS = (_ANNA, _BEN)
_PASSWORD = "demo-only"
_FLOOD = 200
_SENDERS = 8
_BACK_WITHIN = 120.0  # seconds for probes and redelivery, on the slowest machine; it takes some ten


class Demo:
    """One performance in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._display = Display()
        self._quiet = False  # home takes too much to tell each
        self._home = DemoHome(set(_USERS), self._home_says)
        self._service = DemoService(folder)
        self._passed: list[str] = []  # Message-IDs that were answered 250 while home was up
        self._redirected: list[tuple[str, str]] = []  # recipient and Message-ID, answered 250 in the outage
        self._deleted: list[str] = []
        self._number = 0
        self._lock = threading.Lock()

    def play(self) -> bool:
        """Plays all scenes, and tells whether everything was proved. Raises DemoFailed, OSError, or what the clients
        raise.
        """
        try:
            self._set_up()
            self._normal_day()
            self._outage()
            self._flood()
            self._anna_works()
            self._recovery()
            return self._proof()
        finally:
            self._service.stop()
            self._home.switch_off()

    # The scenes

    def _set_up(self) -> None:
        self._display.title(f"A domain, {_DOMAIN}, with a home server on 127.0.0.1:{self._home.port}")
        self._admin("init", str(self._service.folder))
        self._display.say("admin", "mpcontinuity serve &")
        self._service.start()
        self._admin("domain", "add", _DOMAIN, "--home", f"127.0.0.1:{self._home.port}")
        for user in _USERS:
            self._admin("user", "add", user, "--password-stdin", given=_PASSWORD)

    def _normal_day(self) -> None:
        self._display.title("A normal day: mail passes through")
        self._send(_ANNA, "Lunch on Friday?")
        code, text, _ = self._service.send(self._message("nobody@example.org", "Is this the right address?"))
        self._display.say("sender", f"to nobody@{_DOMAIN}: {code} {text}")
        _check(code == 550, "home's own refusal reaches the sender")
        self._display.say("anna", f"her continuity INBOX has {len(self._subjects(_ANNA))} messages: home has her mail")

    def _outage(self) -> None:
        self._display.title("The home server is switched off")
        self._home.switch_off()
        self._display.say("home", "(silence)")
        with self._logged_in(_ANNA) as imap:
            imap.select("INBOX")
            imap.send(b"idle1 IDLE\r\n")
            imap.readline()
            heard: list[float] = []
            listener = threading.Thread(target=lambda: heard.append(_when_told(imap)))
            listener.start()
            self._send(_ANNA, "The offer you wait for")
            answered = time.monotonic()
            listener.join(60)
            _check(bool(heard), "an idling mail program hears of new mail")
            milliseconds = max(0.0, heard[0] - answered) * 1000
            self._display.say("anna", f"her mail program was told {milliseconds:.0f} ms after the sender's 250")
            imap.send(b"DONE\r\n")
            while not imap.readline().startswith(b"idle1 "):
                pass
        self._send(_BEN, "Invoice 4711")
        self._send(_ANNA, "You have won a million")
        code, text, _ = self._service.send(self._message(f"nobody@{_DOMAIN}", "Is this the right address?"))
        self._display.say("sender", f"to nobody@{_DOMAIN}: {code} {text} (so that its server tries again)")
        _check(code == 451, "an address that is not known here waits with its sender")
        for row in self._service.rows("status", _DOMAIN):
            self._display.say("service", f"{row['domain']} is {row['state']}: {row['reason']}")
        for subject in self._subjects(_ANNA):
            self._display.say("anna", f"reads: {subject}")

    def _flood(self) -> None:
        self._display.title(f"A busy morning: {_FLOOD} messages from {_SENDERS} mail servers at once")
        began = time.monotonic()
        with self._display.progress("answered 250", _FLOOD) as update, ThreadPoolExecutor(_SENDERS) as senders:
            work = [senders.submit(self._send, _USERS[n % 2], f"Order {n}", quiet=True) for n in range(_FLOOD)]
            for done, one in enumerate(work, 1):
                one.result()
                update(done)
        seconds = time.monotonic() - began
        self._display.say("service", f"{_FLOOD} messages stored and synced in {seconds:.1f} s, none refused")

    def _anna_works(self) -> None:
        self._display.title("Anna works on, as if nothing had happened")
        expected = sum(recipient == _ANNA for recipient, _ in self._redirected)
        with self._logged_in(_ANNA) as imap:
            _, (count, *_) = imap.select("INBOX")
            self._display.say("anna", f"her INBOX has {int(count or b'0')} messages")
            _check(int(count or b"0") == expected, f"INBOX shows all {expected}")
            offer = _found(imap, "offer")
            imap.store(offer, "+FLAGS", r"(\Seen \Flagged)")
            imap.copy(offer, "Archive")
            imap.store(offer, "+FLAGS", r"(\Deleted)")
            imap.expunge()
            self._display.say("anna", "files the offer in Archive")
            spam = _found(imap, "million")
            self._deleted.append(_message_id(imap, spam))
            imap.store(spam, "+FLAGS", r"(\Deleted)")
            imap.expunge()
            self._display.say("anna", "deletes 'You have won a million': it need not go home")

    def _recovery(self) -> None:
        self._display.title("The home server is switched on again")
        self._quiet = True
        before = len(self._home.messages)
        total = len(self._redirected) - len(self._deleted)
        self._home.switch_on()
        with self._display.progress("came home", total) as update:
            _wait(lambda: self._came_home(before, update) >= total, "all that is owed comes home")
        self._quiet = False
        _wait(lambda: self._service.rows("status", _DOMAIN)[0]["state"] == "up", "the home server is up again")
        self._display.say("service", f"{_DOMAIN} is up; nothing is owed any more")
        self._send(_ANNA, "Good to have you back")
        track = self._service.rows("track", "--recipient", _BEN, "--limit", "1")[0]
        self._display.say("admin", f"mpcontinuity track --recipient {_BEN} --limit 1")
        for event in track["events"]:
            self._display.say("service", f"  {event['time'][11:19]} {event['host']}: {event['code']} {event['text']}")

    def _came_home(self, before: int, update: Callable[[int], None]) -> int:
        done = len(self._home.messages) - before
        update(done)
        return done

    def _proof(self) -> bool:
        self._display.title("The proof")
        self._display.plain(self._admin("report", _DOMAIN))
        total = self._service.rows("report", _DOMAIN)[-1]
        at_home = Counter(received.message_id for received in self._home.messages)
        owed = {message_id for _, message_id in self._redirected} - set(self._deleted)
        answered = owed | set(self._passed)
        kept = {recipient: self._kept(recipient) for recipient in _USERS}
        redirected = [(recipient, one) for recipient, one in self._redirected if one not in self._deleted]
        ids = [received.continuity_id for received in self._home.messages]
        proofs = {
            f"nothing was lost: home has all {len(answered)} messages that were answered 250": answered
            <= at_home.keys(),
            "nothing was doubled: each of them once, each with an id of its own": max(at_home.values()) == 1
            and len(set(ids)) == len(ids),
            "nothing came home that nobody sent, nor what Anna deleted": at_home.keys() == answered,
            "Anna and Ben still have their copies": all(one in kept[recipient] for recipient, one in redirected),
            "the ledger adds up: taken in = delivered + deleted": (
                total["taken_in"],
                total["delivered"],
                total["deleted"],
                total["owed"],
            )
            == (len(self._redirected), len(owed), len(self._deleted), 0),
        }
        for claim, good in proofs.items():
            self._display.verdict(good, claim)
        return all(proofs.values())

    # What the people do

    def _admin(self, *arguments: str, given: str = "") -> str:
        self._display.say("admin", f"mpcontinuity {' '.join(arguments)}")
        return self._service.command(*arguments, given=given)

    def _message(self, recipient: str, subject: str) -> EmailMessage:
        with self._lock:
            self._number += 1
            number = self._number
        message = EmailMessage()
        message["From"] = f"customer{number % _SENDERS}@example.com"
        message["To"] = recipient
        message["Subject"] = subject
        message["Message-ID"] = f"<demo-{number}@example.com>"
        message.set_content(f"{subject}\n\nThis is message {number} of the demo.\n")
        return message

    def _send(self, recipient: str, subject: str, *, quiet: bool = False) -> None:
        """Must be answered 250."""
        message = self._message(recipient, subject)
        up = self._home.is_on
        code, text, seconds = self._service.send(message)
        if not quiet:
            self._display.say("sender", f"to {recipient}, '{subject}': {code} {text} ({seconds * 1000:.0f} ms)")
        _check(code == 250, f"a message to {recipient} is taken, not answered {code} {text}")
        with self._lock:
            if up:
                self._passed.append(message["Message-ID"])
            else:
                self._redirected.append((recipient, message["Message-ID"]))

    @contextmanager
    def _logged_in(self, user: str) -> Iterator[imaplib.IMAP4_SSL]:
        with imaplib.IMAP4_SSL("127.0.0.1", self._service.imaps, ssl_context=self._service.tls(), timeout=60) as imap:
            imap.login(user, _PASSWORD)
            yield imap

    def _subjects(self, user: str) -> list[str]:
        with self._logged_in(user) as imap:
            return [str(header["Subject"]) for header in _headers(imap, "INBOX")]

    def _kept(self, user: str) -> set[str]:
        """The Message-IDs in INBOX and Archive."""
        found = set()
        with self._logged_in(user) as imap:
            for mailbox in ("INBOX", "Archive"):
                found |= {str(header["Message-ID"]) for header in _headers(imap, mailbox)}
        return found

    def _home_says(self, text: str) -> None:
        if not self._quiet:
            self._display.say("home", text)


def _headers(imap: imaplib.IMAP4, mailbox: str) -> list[Any]:
    _, (count, *_) = imap.select(mailbox, readonly=True)
    if count == b"0":
        return []
    _, parts = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT MESSAGE-ID)])")
    return [message_from_bytes(part[1], policy=default) for part in parts if isinstance(part, tuple)]


def _found(imap: imaplib.IMAP4, text: str) -> str:
    """The number of the one message with that in its subject."""
    _, (numbers, *_) = imap.search(None, "SUBJECT", f'"{text}"')
    found = (numbers or b"").split()
    _check(len(found) == 1, f"SEARCH finds the message about '{text}'")
    return str(found[0].decode())


def _message_id(imap: imaplib.IMAP4, number: str) -> str:
    _, parts = imap.fetch(number, "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    return str(message_from_bytes(parts[0][1], policy=default)["Message-ID"])  # type: ignore[index, arg-type]


def _when_told(imap: imaplib.IMAP4) -> float:
    """Waits for an untagged EXISTS."""
    while b"EXISTS" not in imap.readline():
        pass
    return time.monotonic()


def _check(good: bool, what: str) -> None:
    if not good:
        raise DemoFailed(f"this did not come true: {what}")


def _wait(until: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _BACK_WITHIN
    while not until():
        _check(time.monotonic() < end, f"{what} within {_BACK_WITHIN:.0f} s")
        time.sleep(0.1)


def play(keep: bool) -> int:
    """Plays the demo in a temporary folder. Returns the exit status, 0 only if everything was proved. The folder stays
    where ``keep`` asks for it, and after a failure.
    """
    folder = Path(tempfile.mkdtemp(prefix="mpcontinuity-demo-"))
    proved = False
    try:
        proved = Demo(folder).play()
    except (DemoFailed, OSError, imaplib.IMAP4.error, smtplib.SMTPException) as error:
        click.echo(f"mpcontinuity: the demo failed: {error}", err=True)
    finally:
        if keep or not proved:
            click.echo(f"Look at {folder}: mpcontinuity.toml, data/ and log")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if proved else 1
