"""Mail servers of the world: each repeats what was not answered for good, until it is."""

from __future__ import annotations

import contextlib
import random
import smtplib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from tests.crash import letters
from tests.crash.letters import Books, Letter

_PER_SENDER = 10_000_000  # numbers of letters
_MOST_DEFERRED = 50  # letters of a sender that wait to be repeated; with more it writes no new ones


class Senders:
    """Threads that send to ``port()``: new letters until `quiet`, what is left of them until `finish`."""

    def __init__(
        self,
        books: Books,
        port: Callable[[], int],
        users: Sequence[str],
        strangers: Sequence[str],
        *,
        count: int,
        seed: int,
        first: int = 0,
        pause: float = 0.01,
    ) -> None:
        """Numbers of letters begin above ``first``."""
        self._finishing = threading.Event()
        self._stopped = threading.Event()
        self.senders = [
            _Sender(books, port, users, strangers, self._finishing, self._stopped, number, seed, first, pause)
            for number in range(count)
        ]

    def quiet(self) -> None:
        """No new letters from now on; ends when only those wait that home must be up for."""
        self._finishing.set()
        for sender in self.senders:
            sender.resting.wait(60)

    def finish(self, seconds: float) -> int:
        """After `quiet`: repeats until nothing is left, or the time is over. Letters that are left then."""
        until = time.monotonic() + seconds
        while (left := self.left) and time.monotonic() < until:
            time.sleep(0.05)
        self.stop()
        return left

    def stop(self) -> None:
        self._stopped.set()
        for sender in self.senders:
            sender.join()

    @property
    def left(self) -> int:
        return sum(len(sender.deferred) for sender in self.senders)

    @property
    def replies(self) -> dict[str, int]:
        """Temporary refusals by their text, ever."""
        total: dict[str, int] = {}
        for sender in self.senders:
            for text, count in sender.temporary.items():
                total[text] = total.get(text, 0) + count
        return total


class _Sender:
    def __init__(
        self,
        books: Books,
        port: Callable[[], int],
        users: Sequence[str],
        strangers: Sequence[str],
        finishing: threading.Event,
        stopped: threading.Event,
        number: int,
        seed: int,
        first: int,
        pause: float,
    ) -> None:
        self.deferred: deque[Letter] = deque()
        self.resting = threading.Event()
        self.temporary: dict[str, int] = {}
        self._books = books
        self._port = port
        self._users = users
        self._strangers = strangers
        self._finishing = finishing
        self._stopped = stopped
        self._next = number * _PER_SENDER + first
        self._chance = random.Random(f"sender {seed} {number}")
        self._pause = pause
        self._session: smtplib.SMTP | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"sender-{number}")
        self._thread.start()

    def join(self) -> None:
        self._thread.join(60)

    def _run(self) -> None:
        tried = 0  # letters that were answered 'later' since something else happened, once no more are written
        while not self._stopped.is_set():
            fresh = not self._finishing.is_set() and len(self.deferred) < _MOST_DEFERRED
            if fresh and (not self.deferred or self._chance.random() < 0.7):
                letter = self._write()
            elif self.deferred:
                letter = self.deferred.popleft()
            else:
                self.resting.set()
                time.sleep(0.05)
                continue
            left = len(letter.left)
            answered = self._send(letter)
            later = self._finishing.is_set() and answered and len(letter.left) == left
            tried = tried + 1 if later else 0
            if letter.left:
                self.deferred.append(letter)
            if tried > len(self.deferred) + 2:
                self.resting.set()
                time.sleep(0.1)
            time.sleep(self._chance.uniform(0, 2 * self._pause))
        self._drop()

    def _write(self) -> Letter:
        chance = self._chance
        self._next += 1
        number = self._next
        recipients = chance.sample(list(self._users), chance.choice([1, 1, 1, 2, 3]))
        if self._strangers and chance.random() < 0.05:
            recipients.append(chance.choice(list(self._strangers)))
        letter = Letter(number, letters.write(number, letters.octets(chance), chance), recipients)
        with self._books.lock:
            self._books.letters[number] = letter
            self._books.octets += len(letter.content)
        return letter

    def _send(self, letter: Letter) -> bool:
        """One transaction with all that are left; afterwards they are fewer, or not. Whether the server answered."""
        try:
            session = self._session = self._session or self._connect()
            accepted = self._envelope(session, letter)
            if not accepted:
                session.rset()
                return True
            # From here on it may be stored although we do not hear so.
            letter.repeated += 1
            code, text = session.data(letter.content)
        except smtplib.SMTPDataError as error:  # not even asked for
            letter.repeated -= 1
            self._note(error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b"")
            self._drop()
            self._wait()
            return True
        except (smtplib.SMTPException, OSError):
            self._drop()
            self._wait()
            return False
        if 200 <= code < 300:
            letter.repeated -= 1
            self._done(letter, accepted, letter.taken)
        elif code >= 500:
            self._books.fault(f"letter {letter.number} was refused: {code} {text!r}")
            self._done(letter, accepted, letter.refused)
        else:
            self._note(code, text)
            self._wait()
        return True

    def _envelope(self, session: smtplib.SMTP, letter: Letter) -> list[str]:
        code, text = session.mail("bob@sender.example", [f"SIZE={len(letter.content)}"])
        if code != 250:
            self._note(code, text)
            if code == 421:
                self._drop()
            self._wait()
            return []
        accepted = []
        for recipient in list(letter.left):
            code, text = session.rcpt(recipient)
            if code < 300:
                accepted.append(recipient)
            elif code >= 500:
                self._books.fault(f"{recipient} was refused: {code} {text!r}")
                self._done(letter, [recipient], letter.refused)
            else:
                self._note(code, text)
        return accepted

    def _done(self, letter: Letter, recipients: list[str], group: set[str]) -> None:
        with self._books.lock:
            letter.left = [one for one in letter.left if one not in recipients]
            group.update(recipients)
            if group is letter.taken:
                self._books.acknowledged += len(recipients)
            if not letter.left:
                letter.content = b""

    def _note(self, code: int, text: bytes) -> None:
        said = f"{code} {text.decode(errors='replace')[:60]}"
        self.temporary[said] = self.temporary.get(said, 0) + 1

    def _connect(self) -> smtplib.SMTP:
        session = smtplib.SMTP("127.0.0.1", self._port(), local_hostname="sender.example", timeout=30)
        session.ehlo()
        return session

    def _drop(self) -> None:
        if self._session is not None:
            with contextlib.suppress(OSError):
                self._session.close()
            self._session = None

    def _wait(self) -> None:
        time.sleep(self._chance.uniform(0.02, 0.15))
