"""The mailboxes of a home server, as its IMAP door shows them: what came by SMTP, and what was appended.

The door fails as its moods say. It knows of IMAP what the server's client says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tests.simulation.home import LATE, Act, Taken, say
from tests.simulation.world import Life, World

PASSWORD = "of-all"

# By mood: what happens at a stage (connect, greeting, login, select, create, search, append, content, message) instead
# of the usual.
IMAP_MOODS: dict[str, dict[str, Act]] = {
    "well": {},
    "refuses connections": {"connect": Act(hang_up=True)},
    "does not answer": {"connect": Act(silent=True)},
    "says BYE": {"greeting": say("* BYE not now", hang_up=True)},
    "refuses logins": {"login": say("NO [AUTHENTICATIONFAILED] no")},
    "has no session": {"login": say("NO [UNAVAILABLE] not now")},
    "hangs up at SELECT": {"select": Act(hang_up=True)},
    "opens INBOX alone": {"select": say("NO [NOPERM] no"), "create": say("NO [NOPERM] no")},
    "does not search": {"search": say("NO not that")},
    "refuses to append": {"append": say("NO not now")},
    "is over quota": {"append": say("NO [OVERQUOTA] full")},
    "refuses for good": {"append": say("NO [CANNOT] never")},
    "hangs up in the message": {"content": Act(hang_up=True)},
    "refuses messages": {"message": say("NO not now")},
    "refuses late": {"message": say("NO not now, at last", wait=LATE)},
    "hangs up at the message": {"message": Act(hang_up=True)},
    "takes and hangs up": {"message": Act(take=True, hang_up=True)},
    "takes and is silent": {"message": Act(take=True, silent=True)},
    "takes and answers late": {"message": say("OK taken", take=True, wait=LATE)},
    "takes and says BYE": {"message": say("* BYE in the middle", take=True, hang_up=True)},
}

_LITERAL = re.compile(rb"\{(\d+)(\+?)\}\Z")
_APPEND = re.compile(rb'"([^"]+)"(?: \(([^)]*)\))? "([^"]+)" \{\d+\+?\}')
_IDS = re.compile(rb"(?:X-MPContinuity-Id: \S+\r\n)+")
_RETURN_PATH = re.compile(rb"Return-Path: [^\r]*\r\n")
NUMBER = re.compile(rb"^Message-ID: <(\d+)@", re.MULTILINE)
_HEADER = re.compile(rb'HEADER "([^"]+)" "([^"]+)"')

# What home calls our folders: with special uses in its own words, or without in everybody's.
_GERMAN = {"Archive": "Archiv", "Junk": "Spamverdacht", "Sent": "Gesendet", "Drafts": "Entwurf", "Trash": "Papierkorb"}


@dataclass
class Kept:
    """A message in a folder. ``ids`` are its X-MPContinuity-Ids; ``number`` is the letter's, 0 for others."""

    uid: int
    flags: frozenset[str]
    date: str
    data: bytes
    ids: frozenset[bytes]
    number: int


@dataclass(frozen=True)
class Filed:
    """A message that was appended, or moved, to a folder of a user; ``begun``: when it was begun to look for it.
    ``flagless``: an APPEND with its flags was refused just before."""

    user: str
    folder: str
    kept: Kept
    begun: float
    flagless: bool
    moved: bool = False


@dataclass
class _User:
    folders: dict[str, list[Kept]]
    uid: int = 0


class Mailboxes:
    """Of the users of one domain at home."""

    def __init__(self, world: World, domain: str, aliases: Mapping[str, str]) -> None:
        self.world = world
        self.name = f"imap.{domain}"
        self.mood = "well"
        self.sessions: set[ImapHomeSession] = set()
        self.unsearched = False  # it refused to search at one time
        self.closed = False  # it refused to open a folder at one time
        self.on_filed: Callable[[Filed], None] = lambda filed: None
        self.on_taken: Callable[[Taken], None] = lambda taken: None
        self.on_append: Callable[[], None] = lambda: None  # its last octet is about to come, or has just come
        # Those of a user's addresses to which what has that id is owed: one transaction by SMTP has one id.
        self.recipients: Callable[[str, bytes], set[str]] = lambda user, id_: set()
        self._aliases = aliases
        self._users: dict[str, _User] = {}
        chance = world.chance("mailboxes", domain)
        self.special = chance.random() < 0.5
        self.keywords = chance.random() < 0.7
        self.moves = chance.random() < 0.7
        self.literal_plus = chance.random() < 0.5
        self._lacks = {each for each in _GERMAN if chance.random() < 0.3}
        self.taken: set[tuple[str, bytes]] = set()  # users, and ids of what was appended to their folders

    def called(self, folder: str) -> str:
        """What home calls a folder of ours."""
        return _GERMAN.get(folder, folder) if self.special and folder not in self._lacks else folder

    def uses(self, name: str) -> str:
        """The special use that it tells for one of its folders."""
        ours = next((folder for folder in _GERMAN if self.called(folder) == name), "")
        return f"\\{ours}" if self.special and ours and ours not in self._lacks else ""

    def user(self, address: str) -> _User:
        found = self._users.get(address)
        if found is None:
            names = ["INBOX", *(self.called(each) for each in _GERMAN if each not in self._lacks)]
            found = self._users[address] = _User({name: [] for name in names})
        return found

    def users(self) -> list[str]:
        return list(self._users)

    def of(self, address: str) -> list[tuple[str, Kept]]:
        """All that a user has, with its folder."""
        return [(name, kept) for name, messages in self.user(address).folders.items() for kept in messages]

    def came(self, recipients: tuple[str, ...], ids: frozenset[bytes], data: bytes, number: int) -> None:
        """A message came by SMTP."""
        for user in dict.fromkeys(map(self.owner, recipients)):
            self.keep(user, "INBOX", Kept(0, frozenset(), "", data, ids, number))

    def owner(self, recipient: str) -> str:
        """Whose mailbox an address is at home."""
        local, _, domain = recipient.partition("@")
        return self._aliases.get(recipient, f"{local.partition('+')[0]}@{domain}")

    def keep(self, address: str, folder: str, kept: Kept) -> None:
        user = self.user(address)
        user.uid += 1
        kept.uid = user.uid
        user.folders[folder].append(kept)

    def change_mood(self, mood: str) -> None:
        self.mood = mood
        if mood == "refuses connections":
            for session in list(self.sessions):
                session.transport.abortConnection()

    def act(self, stage: str) -> Act | None:
        return IMAP_MOODS[self.mood].get(stage)

    def accept(self, life: Life) -> Protocol | None:
        """network.Network.listen."""
        act = self.act("connect")
        if act is None:
            return ImapHomeSession(self, life)
        if act.hang_up:
            raise ConnectionRefusedError
        return None


@dataclass
class _Message:
    """The message of an APPEND that arrives."""

    folder: str
    flags: frozenset[str]
    date: str
    octets: int
    begun: float = 0.0
    ids: frozenset[bytes] = field(default_factory=frozenset)


class ImapHomeSession(Protocol):
    """One session of a user."""

    transport: Any

    def __init__(self, mailboxes: Mailboxes, life: Life) -> None:
        self._home = mailboxes
        self._world = mailboxes.world
        self._life = life
        self._buffer = b""
        self._tag = b""
        self._user = ""
        self._folder = ""
        self._message: _Message | None = None
        self._unconfirmed: Taken | None = None
        self._number = -1  # the letter that was last looked for
        self._begun = self._quiet = self._world.now  # when that began; when the one before had its last answer
        self._refused = False  # an APPEND of it was refused
        self._stuck = False

    def connectionMade(self) -> None:
        self._home.sessions.add(self)
        self._usual("greeting", self._greet)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stuck = True
        self._home.sessions.discard(self)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        self._turn()

    def _turn(self) -> None:
        while not self._stuck:
            if self._message is not None:
                if not self._content(self._message):
                    return
                continue
            line, found, rest = self._buffer.partition(b"\r\n")
            if not found:
                return
            self._buffer = rest
            self._command(line)

    def _command(self, line: bytes) -> None:
        if self._unconfirmed is not None:
            self._unconfirmed.known.append(self._world.now)
            self._unconfirmed = None
        self._tag, _, rest = line.partition(b" ")
        verb, _, arguments = rest.partition(b" ")
        if verb == b"UID":
            verb, _, arguments = arguments.partition(b" ")
        getattr(self, "_do_" + verb.decode().lower())(arguments)

    # What is said

    def _greet(self) -> None:
        self._say(f"* OK [CAPABILITY {self._capabilities}] home")

    @property
    def _capabilities(self) -> str:
        home = self._home
        extensions = ["IMAP4rev1", "UIDPLUS", "NAMESPACE"]
        extensions += ["SPECIAL-USE", "LIST-EXTENDED"] if home.special else []
        extensions += ["MOVE"] if home.moves else []
        extensions += ["LITERAL+"] if home.literal_plus else []
        return " ".join(extensions)

    def _say(self, text: str) -> None:
        self.transport.write(text.encode() + b"\r\n")

    def _answer(self, text: str = "OK done") -> None:
        self.transport.write(self._tag + b" " + text.encode() + b"\r\n")

    def _usual(self, stage: str, usual: Callable[[], None]) -> None:
        """That, unless the mood has it otherwise."""
        act = self._home.act(stage)
        if act is None:
            usual()
            return
        self._world.note(f"{self._home.name} to {self._user}, {stage}: {self._home.mood}")
        self._do(act)

    def _do(self, act: Act) -> None:
        self._stuck = True
        if act.wait:
            self._world.later(act.wait, self._world.nobody, self._late, act)
            return
        if act.reply.startswith(b"*"):
            self.transport.write(act.reply + b"\r\n")
        elif act.reply:
            self._answer(act.reply.decode())
        if act.hang_up:
            self.transport.loseConnection() if act.reply else self.transport.abortConnection()
        elif not act.silent:
            self._stuck = False

    def _late(self, act: Act) -> None:
        if self in self._home.sessions:
            self._do(Act(act.reply, hang_up=act.hang_up))
            self._quiet = self._world.now
            self._turn()

    # Commands

    def _do_login(self, arguments: bytes) -> None:
        name, password = arguments.decode().replace('"', "").split(" ")
        assert password == PASSWORD
        self._user = name
        self._usual("login", self._answer)

    def _do_capability(self, _: bytes) -> None:
        self._say(f"* CAPABILITY {self._capabilities}")
        self._answer()

    def _do_namespace(self, _: bytes) -> None:
        self._say('* NAMESPACE (("" "/")) NIL NIL')
        self._answer()

    def _do_list(self, _: bytes) -> None:
        for name in self._home.user(self._user).folders:
            self._say(f'* LIST ({self._home.uses(name)}) "/" "{name}"')
        self._answer()

    def _do_create(self, arguments: bytes) -> None:
        name = arguments.decode().strip('"')
        self._home.closed |= self._home.act("create") is not None

        def create() -> None:
            self._home.user(self._user).folders.setdefault(name, [])
            self._answer()

        self._usual("create", create)

    def _do_subscribe(self, _: bytes) -> None:
        self._answer()

    def _do_noop(self, _: bytes) -> None:
        self._answer()

    def _do_select(self, arguments: bytes) -> None:
        name = arguments.decode().strip('"')

        def select() -> None:
            if name not in self._home.user(self._user).folders:
                self._answer("NO [NONEXISTENT] no such mailbox")
                return
            self._folder = name
            self._say("* FLAGS (\\Seen \\Flagged)")
            more = " \\*" if self._home.keywords else ""
            self._say(f"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Seen \\Draft{more})] these")
            self._answer()

        if name == "INBOX" and self._home.mood == "opens INBOX alone":
            select()
        else:
            self._home.closed |= self._home.mood == "opens INBOX alone"
            self._usual("select", select)

    _do_examine = _do_select

    def _here(self) -> list[Kept]:
        return self._home.user(self._user).folders[self._folder]

    def _about(self, number: int) -> None:
        """What follows is about that letter."""
        if number != self._number:
            self._number, self._begun, self._refused = number, self._quiet, False

    def _do_search(self, arguments: bytes) -> None:
        found = _HEADER.fullmatch(arguments)
        assert found, arguments
        field_, value = found[1], found[2]
        number = NUMBER.match(b"Message-ID: " + value)
        if number:
            self._about(int(number[1]))
        wanted = re.compile(rb"^%s:[^\r]*%s" % (re.escape(field_), re.escape(value)), re.MULTILINE | re.IGNORECASE)
        self._home.unsearched |= self._home.act("search") is not None

        def search() -> None:
            uids = [kept.uid for kept in self._here() if wanted.search(kept.data.partition(b"\r\n\r\n")[0])]
            self._say("* SEARCH" + "".join(f" {uid}" for uid in uids))
            self._answered()

        self._usual("search", search)

    def _answered(self, text: str = "OK done") -> None:
        """A command about a message has its answer."""
        self._quiet = self._world.now
        self._answer(text)

    def _do_fetch(self, arguments: bytes) -> None:
        uids = set(map(int, arguments.split()[0].split(b",")))
        for number, kept in enumerate(self._here(), 1):
            if kept.uid in uids:
                header, blank, text = kept.data.partition(b"\r\n\r\n")
                header, text = header + blank, text[: 128 * 1024]
                self.transport.write(
                    b"* %d FETCH (UID %d RFC822.SIZE %d BODY[TEXT]<0> {%d}\r\n%s BODY[HEADER]<0> {%d}\r\n%s)\r\n"
                    % (number, kept.uid, len(kept.data), len(text), text, len(header), header)
                )
        self._answered()

    def _do_store(self, arguments: bytes) -> None:
        uid, _, flags = arguments.partition(b" +FLAGS.SILENT ")
        for kept in self._here():
            if kept.uid == int(uid):
                kept.flags |= set(flags.decode().strip("()").split())
        self._answered()

    def _do_move(self, arguments: bytes) -> None:
        uid, _, folder = arguments.partition(b" ")
        here, name = self._here(), folder.decode().strip('"')
        for kept in [each for each in here if each.uid == int(uid)]:
            here.remove(kept)
            self._home.keep(self._user, name, kept)
            self._home.on_filed(Filed(self._user, name, kept, self._begun, flagless=True, moved=True))
        self._answered()

    def _do_logout(self, _: bytes) -> None:
        self._say("* BYE bye")
        self._answer()
        self._stuck = True
        self.transport.loseConnection()

    def _do_append(self, arguments: bytes) -> None:
        found = _APPEND.fullmatch(arguments)
        assert found, arguments
        announced = _LITERAL.search(arguments)
        assert announced
        act = self._home.act("append")
        if act is not None and not announced[2]:
            self._refused = True
            self._usual("append", self._answer)
            return
        if found[1].decode() not in self._home.user(self._user).folders:
            assert not announced[2]
            self._answer("NO [TRYCREATE] no such mailbox")
            return
        flags = frozenset((found[2] or b"").decode().split())
        self._message = _Message(found[1].decode(), flags, found[3].decode(), int(announced[1]), self._world.now)
        if not announced[2]:
            self._say("+ go on")
        self._home.on_append()

    def _content(self, message: _Message) -> bool:
        """Whether the message is complete."""
        if len(self._buffer) > 50 and (act := self._home.act("content")) is not None:
            self._message = None
            self._do(act)
            return False
        if len(self._buffer) < message.octets + 2:
            return False
        data, end = self._buffer[: message.octets], self._buffer[message.octets : message.octets + 2]
        assert end == b"\r\n", end
        self._buffer = self._buffer[message.octets + 2 :]
        self._message = None
        number = NUMBER.search(data.partition(b"\r\n\r\n")[0])
        self._about(int(number[1]) if number else 0)
        act = self._home.act("message")
        if act is None or act.take:
            self._take(message, data, self._number, heard=act is None)
        else:
            self._refused = True
        self._usual("message", self._answered)
        return True

    def _take(self, message: _Message, data: bytes, number: int, *, heard: bool) -> None:
        home, found = self._home, _IDS.match(data)
        home.on_append()
        assert found, data[:300]
        ids = frozenset(line.split()[1] for line in found[0].splitlines())
        self._world.note(f"{home.name}: {message.folder} of {self._user} takes letter {number}", *sorted(ids))
        kept = Kept(0, message.flags, message.date, data, ids, number)
        home.on_filed(Filed(self._user, message.folder, kept, self._begun, self._refused))
        home.keep(self._user, message.folder, kept)
        brought = {(self._user, id_) for id_ in ids}
        if brought <= home.taken or not number:
            return  # another folder of it
        home.taken |= brought
        content = data[found.end() :]
        stripped = _RETURN_PATH.sub(b"", content, count=1) if content.startswith(b"Return-Path:") else content
        recipients = tuple(sorted({each for id_ in ids for each in home.recipients(self._user, id_)}))
        now = self._world.now
        taken = Taken(ids, recipients, number, stripped, now, message.begun, self._life.number)
        home.on_taken(taken)
        if heard:
            self._unconfirmed = taken
