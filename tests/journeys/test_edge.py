"""What strangers send to port 25: parameters that are passed on, addresses of all alphabets, floods."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.journeys.world import SENDER, World, configuration, message

DSN = ("RET=HDRS ENVID=QQ+2B314", "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Anna+2Blist@elsewhere.example")


class Client:
    """Sends what it is told and reads a reply for each command."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")

    def reply(self) -> str:
        while (line := self.file.readline())[3:4] == b"-":
            pass
        return line.decode().strip()

    def ask(self, line: str) -> str:
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def send(self, data: bytes) -> str:
        assert self.ask("DATA").startswith("354")
        self.socket.sendall(data + b".\r\n")
        return self.reply()


@contextlib.contextmanager
def connected(world: World) -> Iterator[Client]:
    client = Client(world.server.ports["smtp"])
    with client.socket, client.file:
        assert client.reply().startswith("220")
        assert client.ask("EHLO client.example").startswith("250")
        yield client


def envelope(world: World, verb: str) -> str:
    """The newest command of that verb that names the domain or the sender of this test."""
    lines = [line for _, line in world.home.commands if line.upper().startswith(verb)]
    return lines[-1]


def test_what_is_said_of_reports_reaches_a_home_that_understands_it(world: World) -> None:
    world.home.offers.append("DSN")
    with connected(world) as client:
        assert client.ask(f"MAIL FROM:<{SENDER}> {DSN[0]}").startswith("250")
        assert client.ask(f"RCPT TO:<{world.anna}> {DSN[1]}").startswith("250")
        assert client.send(message("reported")).startswith("250")
    world.at_home("reported")
    assert envelope(world, "MAIL").endswith(" RET=HDRS ENVID=QQ+2B314")
    assert envelope(world, "RCPT").endswith(f"<{world.anna}> {DSN[1]}")


def test_it_is_kept_through_an_outage(world: World) -> None:
    world.home.offers.append("DSN")
    world.home.stop()
    with connected(world) as client:
        assert client.ask(f"MAIL FROM:<{SENDER}> {DSN[0]}").startswith("250")
        assert client.ask(f"RCPT TO:<{world.anna}> {DSN[1]}").startswith("250")
        assert client.send(message("reported later")).startswith("250")
    world.home.start()
    world.at_home("reported later", 60)
    assert envelope(world, "MAIL FROM:<B").endswith(" RET=HDRS ENVID=QQ+2B314")
    assert envelope(world, "RCPT").endswith(f"<{world.anna}> {DSN[1]}")


def test_a_home_that_does_not_understand_it_is_told_nothing_of_it(world: World) -> None:
    with connected(world) as client:
        client.ask(f"MAIL FROM:<{SENDER}> {DSN[0]}")
        client.ask(f"RCPT TO:<{world.anna}> {DSN[1]}")
        assert client.send(message("unreported")).startswith("250")
    world.at_home("unreported")
    assert not [line for _, line in world.home.commands if "NOTIFY" in line or "RET=" in line]


@pytest.mark.parametrize("away", [False, True])
def test_an_address_of_any_alphabet_is_one_in_both_its_forms(server: Server, home: ScriptedHome, away: bool) -> None:
    world = World(server, home)
    world.domain = f"bücher-{world.domain}"
    ascii_domain = world.domain.encode("idna").decode()
    world.cli("domain", "add", world.domain, "--home", home.address)
    csv = server.folder / "idn.csv"
    csv.write_text(f"address,name,aliases,password\njörg@{world.domain},Jörg,,secret\n")
    world.cli("user", "import", str(csv))
    assert world.send("first", f"postmaster@{ascii_domain}").code == 250  # what home offers is known
    if away:
        home.stop()
    subjects = []
    with connected(world) as client:
        for number, domain in enumerate((world.domain, ascii_domain)):
            subjects.append(f"alphabet {number} {away}")
            assert client.ask("MAIL FROM:<bób@sender.example> SMTPUTF8 BODY=8BITMIME").startswith("250")
            assert client.ask(f"RCPT TO:<jörg@{domain}>").startswith("250")
            assert client.send(message(subjects[-1])).startswith("250")
    if away:
        assert world.cli("report", ascii_domain)[-1]["owed"] == 2
        home.start()
    for subject, domain in zip(subjects, (world.domain, ascii_domain), strict=True):
        [taken] = world.at_home(subject, 60)
        assert taken.recipients == [f"jörg@{domain}"]
        assert "SMTPUTF8" in taken.parameters
        assert " with UTF8SMTP id " in str(taken.headers["Received"])


@pytest.mark.parametrize("away", [False, True])
def test_a_home_without_smtputf8_is_not_given_such_addresses(world: World, away: bool) -> None:
    world.home.offers.remove("SMTPUTF8")
    assert world.send("first").code == 250
    if away:
        world.home.stop()
    with connected(world) as client:
        client.ask("MAIL FROM:<bób@sender.example> SMTPUTF8")
        assert client.ask(f"RCPT TO:<{world.anna}>").startswith("553 5.6.7")
        client.ask("RSET")
        client.ask(f"MAIL FROM:<{SENDER}> SMTPUTF8")
        unknown = "451 4.4.1" if away else "553 5.6.7"
        assert client.ask(f"RCPT TO:<jörg@{world.domain}>").startswith(unknown)
        assert client.ask(f"RCPT TO:<{world.anna}>").startswith("250")
        client.ask("RSET")
        client.ask(f"MAIL FROM:<{SENDER}>")
        assert client.ask(f"RCPT TO:<jörg@{world.domain}>").startswith("553 5.6.7")


@pytest.mark.parametrize(
    "recipient",
    [
        *("a%b.example@{d}", '"a@b.example"@{d}', "b.example!a@{d}", "@{d}:a@b.example", "@b.example:a@{d}"),
        *('"a%b.example"@{d}', "a\uff05b.example@{d}", "a\uff20b.example@{d}"),
    ],
)
def test_what_a_trusting_home_would_relay_is_refused_before_home_is_asked(world: World, recipient: str) -> None:
    with connected(world) as client:
        client.ask(f"MAIL FROM:<{SENDER}> SMTPUTF8")
        assert client.ask(f"RCPT TO:<{recipient.format(d=world.domain)}>").startswith("550 5.1.3")
    assert not [line for _, line in world.home.commands if line.startswith("RCPT") and "b.example" in line]


def test_a_client_that_talks_before_the_greeting_is_answered_in_order(world: World) -> None:
    text = f"EHLO c.example\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{world.anna}>\r\nRSET\r\nQUIT\r\n"
    with socket.create_connection(("127.0.0.1", world.server.ports["smtp"]), timeout=60) as client:
        client.sendall(text.encode())
        said = b""
        while piece := client.recv(65536):
            said += piece
    codes = [line[:3] for line in said.split(b"\r\n") if re.match(rb"\d{3} ", line)]
    assert codes == [b"220", b"250", b"250", b"250", b"250", b"221"]


def test_ten_thousand_recipients_in_one_write_are_each_answered_and_the_limit_holds(world: World) -> None:
    count = 10_000
    rcpts = "".join(f"RCPT TO:<anna+{number}@{world.domain}>\r\n" for number in range(count))
    with connected(world) as client:
        client.socket.sendall(f"MAIL FROM:<{SENDER}>\r\n{rcpts}".encode())
        answers = [client.reply()[:9] for _ in range(count + 1)]
        assert answers[0] == "250 2.1.0"
        assert {answer[:3] for answer in answers[1:1001]} == {"250"}
        assert set(answers[1001:]) == {"452 4.5.3"}
        assert client.send(message("to a thousand")).startswith("250")
    [taken] = world.at_home("to a thousand", 60)
    assert len(taken.recipients) == 1000


@pytest.mark.parametrize(
    "flood",
    [
        *(
            b"NOOP\r\n",
            b"\r\n",
            b"EHLO x\r\n",
            b"RSET\r\n",
            b"xyzzy\r\n",
            b"\0\r\n",
            b"BDAT 0\r\n",
            b"BDAT 1\r\nx",
            b"x" * 900,
        ),
        *(b"MAIL FROM:<a@b.example>\r\nRSET\r\n", b"AUTH PLAIN AAAA\r\n", b"\n", b"x" * 70_000 + b"\r\n"),
    ],
)
def test_a_flood_without_a_login_is_bounded_and_others_are_served(world: World, flood: bytes) -> None:
    said = b""
    with socket.create_connection(("127.0.0.1", world.server.ports["smtp"]), timeout=60) as client:
        client.settimeout(60)
        with contextlib.suppress(OSError):  # the server hangs up while we write
            for _ in range(200):
                client.sendall(flood * (20_000 // len(flood) + 1))
        assert world.send("beside a flood").code == 250
        client.settimeout(1)
        with contextlib.suppress(OSError):
            while piece := client.recv(65536):
                said += piece
                assert len(said) < 200_000
    if flood != b"x" * 900:  # a line without an end is silence, and let go as such
        assert b"421 4.7.0 Too many" in said or not said.rpartition(b"\r\n220")[2]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    text = configuration() + "\n[limits]\nmessage_size = 10000\nline_length = 1000\n"
    with Server(tmp_path_factory.mktemp("small"), text) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"x" * 1000 + b"\r\n", "250"),
        (b"x" * 1001 + b"\r\n", "554 5.6.0"),
        (b"x\r\n" * 3000, "250"),
        (b"x\r\n" * 5000, "552 5.3.4"),
        (b"x" * 100_000 + b"\r\nMAIL FROM:<evil@b.example>\r\n", "55"),
    ],
)
@pytest.mark.parametrize("verb", ["DATA", "BDAT"])
def test_lines_and_messages_have_limits_and_what_is_above_is_no_command(
    small: Server, home: ScriptedHome, verb: str, body: bytes, answer: str
) -> None:
    world = World(small, home)
    text = message("limits") + body
    with connected(world) as client:
        client.ask(f"MAIL FROM:<{SENDER}>")
        client.ask(f"RCPT TO:<{world.anna}>")
        if verb == "DATA":
            assert client.send(text).startswith(answer)
        else:
            client.socket.sendall(b"BDAT %d LAST\r\n%b" % (len(text), text))
            assert client.reply().startswith(answer)
        assert client.ask("NOOP").startswith("250")
    assert not [line for _, line in home.commands if "evil" in line]
    assert len(home.received("limits")) == answer.startswith("250")
