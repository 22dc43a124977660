"""A scripted IMAP server of a home, on loopback, that fails and lies on order, at any command.

    home = ScriptedImap()
    home.on("APPEND", answer("NO [OVERQUOTA] full"), times=1)
    home.on("MESSAGE", TAKEN_THEN_HANG_UP)       # the message of APPEND has come
    home.kept("anna@example.org")                # what it has

Plain sockets and threads, none of our own engines: it is a stranger to what it tests. It knows one session's worth of
IMAP: literals of any kind, and of each command what this server's client says.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_LITERAL = re.compile(rb"~?\{(\d+)(\+?)\}\Z")
_APPEND = re.compile(rb'"((?:[^"\\]|\\.)*)"(?: \(([^)]*)\))?(?: "([^"]*)")? ~?\{\d+\+?\}', re.DOTALL)


@dataclass(frozen=True)
class Behaviour:
    """What is done instead of the usual: say ``raw`` untagged, wait, take the message, answer, hang up."""

    answer: str | None = None  # "NO [CODE] text", behind the tag
    raw: bytes = b""  # before it
    endless: bytes = b""  # said again and again, until nobody listens
    wait: float = 0.0
    silent: bool = False
    hang_up: bool = False
    take: bool = False  # the message of APPEND is kept, whatever is said then


def answer(text: str, *, wait: float = 0.0, hang_up: bool = False) -> Behaviour:
    return Behaviour(text, wait=wait, hang_up=hang_up)


HANG_UP = Behaviour(hang_up=True)
SILENCE = Behaviour(silent=True)
TAKEN_THEN_HANG_UP = Behaviour(hang_up=True, take=True)
TAKEN_THEN_SILENCE = Behaviour(silent=True, take=True)


@dataclass
class Rule:
    """A behaviour on order. ``hits`` counts how often it was followed."""

    command: str
    behaviour: Behaviour
    times: int | None
    user: str | None
    hits: int = 0


@dataclass(frozen=True)
class Kept:
    """A message in a folder."""

    folder: str
    uid: int
    flags: frozenset[str]
    date: str
    data: bytes

    @property
    def subject(self) -> str:
        found = re.search(rb"^Subject: (.*?)\r?$", self.data, re.MULTILINE)
        return found[1].decode() if found else ""

    @property
    def id(self) -> str:
        found = re.search(rb"^X-MPContinuity-Id: (.*?)\r?$", self.data, re.MULTILINE)
        return found[1].decode() if found else ""


@dataclass
class _Account:
    folders: dict[str, list[Kept]] = field(default_factory=lambda: {"INBOX": []})
    subscribed: set[str] = field(default_factory=set)
    uid: int = 0


class ScriptedImap:
    """``capabilities`` are told in the greeting and after the login. ``uses`` are special uses of folders that every
    user has. ``tls`` is a file with certificate and key, for STARTTLS, or from the beginning where ``implicit``."""

    def __init__(
        self,
        *,
        capabilities: str = "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS NAMESPACE SPECIAL-USE",
        password: str = "of-all",
        uses: dict[str, str] | None = None,
        tls: Path | None = None,
        implicit: bool = False,
        delimiter: str = "/",
    ) -> None:
        self.capabilities = capabilities
        self.password = password
        self.delimiter = delimiter
        self.uses = uses or {}
        self.users: set[str] | None = None  # those who have a mailbox; None: everybody
        self.locked: dict[str, str] = {}  # users who are not let in, with the answer
        self.commands: list[str] = []  # what was asked, of all sessions
        self.logins: list[str] = []
        self.sessions = 0
        self._accounts: dict[str, _Account] = {}
        self._rules: list[Rule] = []
        self._lock = threading.RLock()
        self._tls, self._implicit = tls, implicit
        self._server: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """As ``home-imap`` takes it."""
        scheme = "imaps" if self._implicit else "imap"
        return f"{scheme}://{{user}}*master:{self.password}@127.0.0.1:{self.port}"

    def on(self, command: str, behaviour: Behaviour, *, times: int | None = None, user: str | None = None) -> Rule:
        """Commands are in capitals, UID SEARCH is SEARCH; GREETING is the beginning, MESSAGE the end of APPEND's
        message."""
        rule = Rule(command, behaviour, times, user)
        with self._lock:
            self._rules.append(rule)
        return rule

    def relent(self) -> None:
        """Does as usual again."""
        with self._lock:
            self._rules.clear()

    def kept(self, user: str, subject: str = "") -> list[Kept]:
        with self._lock:
            found = [one for messages in self._account(user).folders.values() for one in messages]
        return [one for one in found if not subject or one.subject == subject]

    def folders(self, user: str) -> list[str]:
        with self._lock:
            return sorted(self._account(user).folders)

    def subscribed(self, user: str) -> set[str]:
        with self._lock:
            return set(self._account(user).subscribed)

    def put(self, user: str, folder: str, data: bytes) -> None:
        with self._lock:
            self._keep(user, folder, frozenset(), "", data)

    def start(self) -> None:
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def stop(self) -> None:
        """The port is closed, and all sessions end."""
        server, self._server = self._server, None
        if server is not None:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Within

    def _account(self, user: str) -> _Account:
        account = self._accounts.get(user)
        if account is None:
            account = self._accounts[user] = _Account()
            for name in self.uses:
                account.folders.setdefault(name, [])
        return account

    def _keep(self, user: str, folder: str, flags: frozenset[str], date: str, data: bytes) -> int:
        account = self._account(user)
        account.uid += 1
        account.folders[folder].append(Kept(folder, account.uid, flags, date, data))
        return account.uid

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.add(connection)
                self.sessions += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError, ValueError):
            if self._implicit:
                connection = self._encrypted(connection)
            _Dialogue(self, connection).run()
        with contextlib.suppress(OSError):
            connection.close()

    def _encrypted(self, connection: socket.socket) -> socket.socket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert self._tls is not None
        context.load_cert_chain(self._tls)
        secured = context.wrap_socket(connection, server_side=True)
        with self._lock:
            self._sockets.add(secured)
        return secured

    def _behaviour(self, command: str, user: str) -> Behaviour | None:
        with self._lock:
            for rule in self._rules:
                if rule.command == command and rule.user in (None, user) and rule.hits != rule.times:
                    rule.hits += 1
                    return rule.behaviour
        return None


class _Dialogue:
    """One session."""

    def __init__(self, home: ScriptedImap, connection: socket.socket) -> None:
        self._home = home
        self._connection = connection
        self._file = connection.makefile("rb")
        self._user = ""
        self._folder = ""
        self._tag = ""

    def run(self) -> None:
        greeting = self._home._behaviour("GREETING", "")
        if greeting is not None:
            if self._behave(greeting, b""):
                return
        else:
            self._say(f"* OK [CAPABILITY {self._home.capabilities}] scripted")
        while True:
            text, literals = self._command()
            tag, _, rest = text.partition(b" ")
            self._tag = tag.decode()
            verb, _, arguments = rest.partition(b" ")
            if verb.upper() == b"UID":
                verb, _, arguments = arguments.partition(b" ")
            name = verb.decode().upper()
            with self._home._lock:
                self._home.commands.append(f"{name} {arguments.decode('utf-8', 'replace')}".strip())
            if name == "APPEND":
                if self._append(arguments):
                    return
                continue
            behaviour = self._home._behaviour("SELECT" if name == "EXAMINE" else name, self._user)
            if behaviour is not None:
                if self._behave(behaviour, b""):
                    return
                continue
            done = getattr(self, f"_do_{name.lower()}", None)
            if done is None:
                self._answer("BAD what")
            elif done(arguments, literals):
                return

    # What is said

    def _say(self, text: str) -> None:
        self._connection.sendall(text.encode() + b"\r\n")

    def _answer(self, text: str) -> None:
        self._say(f"{self._tag} {text}")

    def _behave(self, behaviour: Behaviour, data: bytes, take: Callable[[], int] | None = None) -> bool:
        """Returns whether the session ends."""
        if behaviour.take and take is not None:
            take()
        if behaviour.wait:
            time.sleep(behaviour.wait)
        if behaviour.raw:
            self._connection.sendall(behaviour.raw.replace(b"TAG", self._tag.encode()))
        while behaviour.endless:
            self._connection.sendall(behaviour.endless * 100)
        if behaviour.silent:
            while self._connection.recv(65536):
                pass
            return True
        if behaviour.answer is not None:
            self._answer(behaviour.answer)
        return behaviour.hang_up

    # What is heard

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError
        return line[:-2]

    def _command(self) -> tuple[bytes, list[bytes]]:
        """With literals as quoted strings in its text; that of APPEND's message is left to it."""
        text, literals = b"", list[bytes]()
        while True:
            text += self._line()
            found = _LITERAL.search(text)
            if found is None or (b" APPEND " in text[:20] and _APPEND.search(text)):
                return text, literals
            if not found[2]:
                self._say("+ go")
            literals.append(self._file.read(int(found[1])))
            text = text[: found.start()] + b'"' + literals[-1] + b'"'

    # Commands

    def _do_capability(self, _: bytes, __: object) -> None:
        self._say(f"* CAPABILITY {self._home.capabilities}")
        self._answer("OK done")

    def _do_starttls(self, _: bytes, __: object) -> None:
        self._answer("OK go")
        self._connection = self._home._encrypted(self._connection)
        self._file = self._connection.makefile("rb")

    def _do_login(self, arguments: bytes, _: object) -> None:
        name, password = re.findall(rb'"((?:[^"\\]|\\.)*)"', arguments)
        self._logged_in(name.decode().removesuffix("*master"), re.sub(rb"\\(.)", rb"\1", password).decode())

    def _do_authenticate(self, arguments: bytes, _: object) -> None:
        import base64

        mechanism, _, initial = arguments.partition(b" ")
        if not initial:
            self._say("+ ")
            initial = self._line()
        said = base64.b64decode(initial).decode()
        if mechanism == b"PLAIN":
            user, name, password = said.split("\0")
            self._logged_in(user or name.removesuffix("*master"), password)
        else:
            user, token = said.split("\1")[0].removeprefix("user="), said.split("\1")[1].removeprefix("auth=Bearer ")
            if token != self._home.password:
                self._say("+ " + base64.b64encode(b'{"status":"invalid_token"}').decode())
                self._line()
            self._logged_in(user, token)

    def _logged_in(self, user: str, password: str) -> None:
        if user in self._home.locked:
            self._answer(self._home.locked[user])
            return
        known = self._home.users is None or user in self._home.users
        if not known or password != self._home.password:
            self._answer("NO [AUTHENTICATIONFAILED] no")
            return
        self._user = user
        with self._home._lock:
            self._home.logins.append(user)
            self._home._account(user)
        self._answer(f"OK [CAPABILITY {self._home.capabilities}] in")

    def _do_namespace(self, _: bytes, __: object) -> None:
        self._say(f'* NAMESPACE (("" "{self._home.delimiter}")) NIL NIL')
        self._answer("OK done")

    def _do_list(self, _: bytes, __: object) -> None:
        for name in self._home.folders(self._user):
            self._say(f'* LIST ({self._home.uses.get(name, "")}) "{self._home.delimiter}" "{name}"')
        self._answer("OK done")

    def _do_create(self, arguments: bytes, _: object) -> None:
        with self._home._lock:
            self._home._account(self._user).folders.setdefault(arguments.decode().strip('"'), [])
        self._answer("OK done")

    def _do_subscribe(self, arguments: bytes, _: object) -> None:
        with self._home._lock:
            self._home._account(self._user).subscribed.add(arguments.decode().strip('"'))
        self._answer("OK done")

    def _do_select(self, arguments: bytes, _: object) -> None:
        name = arguments.decode().strip('"')
        if name not in self._home.folders(self._user):
            self._answer("NO [NONEXISTENT] no such mailbox")
            return
        self._folder = name
        self._say("* FLAGS (\\Seen)")
        self._say("* OK [PERMANENTFLAGS (\\Seen \\*)] all")
        self._answer("OK done")

    _do_examine = _do_select

    def _do_search(self, arguments: bytes, _: object) -> None:
        found = re.fullmatch(rb'HEADER "([^"]*)" "((?:[^"\\]|\\.)*)"', arguments)
        assert found is not None, arguments
        value = re.sub(rb"\\(.)", rb"\1", found[2]).lower()
        pattern = re.compile(rb"^" + re.escape(found[1]) + rb":[^\r]*" + re.escape(value), re.IGNORECASE | re.MULTILINE)
        uids = [one.uid for one in self._here() if pattern.search(one.data.partition(b"\r\n\r\n")[0])]
        self._say("* SEARCH" + "".join(f" {uid}" for uid in uids))
        self._answer("OK done")

    def _do_fetch(self, arguments: bytes, _: object) -> None:
        uids = {int(uid) for uid in arguments.split()[0].split(b",")}
        for number, one in enumerate(self._here(), 1):
            if one.uid in uids:
                header, blank, text = one.data.partition(b"\r\n\r\n")
                header, text = header + blank, text[: 128 * 1024]
                self._connection.sendall(
                    b"* %d FETCH (UID %d RFC822.SIZE %d BODY[TEXT]<0> {%d}\r\n%s BODY[HEADER]<0> {%d}\r\n%s)\r\n"
                    % (number, one.uid, len(one.data), len(text), text, len(header), header)
                )
        self._answer("OK done")

    def _here(self) -> list[Kept]:
        with self._home._lock:
            return list(self._home._account(self._user).folders[self._folder])

    def _do_noop(self, _: bytes, __: object) -> None:
        self._answer("OK done")

    def _do_logout(self, _: bytes, __: object) -> bool:
        self._say("* BYE bye")
        self._answer("OK done")
        return True

    def _append(self, arguments: bytes) -> bool:
        behaviour = self._home._behaviour("APPEND", self._user)
        if behaviour is not None:
            return self._behave(behaviour, b"")
        found = _APPEND.fullmatch(arguments)
        assert found is not None, arguments
        folder = found[1].decode()
        if folder not in self._home.folders(self._user):
            self._answer("NO [TRYCREATE] no such mailbox")
            return False
        announced = _LITERAL.search(arguments)
        assert announced is not None
        if not announced[2]:
            self._say("+ go")
        data = self._file.read(int(announced[1]))
        if len(data) < int(announced[1]):
            raise EOFError
        if self._line() != b"":
            raise ValueError("the command goes on behind the message")
        flags, date = frozenset((found[2] or b"").decode().split()), (found[3] or b"").decode()

        def take() -> int:
            with self._home._lock:
                return self._home._keep(self._user, folder, flags, date, data)

        behaviour = self._home._behaviour("MESSAGE", self._user)
        if behaviour is not None:
            return self._behave(behaviour, data, take)
        self._answer(f"OK [APPENDUID 1 {take()}] done")
        return False
