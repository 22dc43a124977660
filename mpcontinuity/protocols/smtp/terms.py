"""What a server's engine allows its client, and what its EHLO offers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may use up. Sizes in octets, line ends included."""

    message_size: int = 52_428_800
    line_length: int = 65_536
    command_line: int = 2048  # RFC 5321 §4.5.3.1.4 asks for 512, more with extensions: SMTPUTF8, DSN and LIMITS fit
    auth_line: int = 12_288  # RFC 4954 §4
    buffer: int = 262_144  # what may wait behind a command that is being worked on
    errors: int = 20  # refused commands until 421; a refusal by the door does not count
    idle_commands: int = 100  # NOOP, RSET, VRFY, EXPN, HELP and EHLO without a message between them; more are errors


@dataclass(frozen=True, slots=True)
class Offers:
    """What EHLO lists beside PIPELINING, SIZE, 8BITMIME and ENHANCEDSTATUSCODES."""

    starttls: bool = False
    auth: tuple[str, ...] = ()  # mechanisms; empty: no AUTH here or now
    smtputf8: bool = True
    dsn: bool = False
    recipients: int = 0  # RFC 9422 LIMITS RCPTMAX; 0: not said
    one_domain: bool = False  # LIMITS RCPTDOMAINMAX=1

    @property
    def limits(self) -> str:
        """The arguments of LIMITS; empty where nothing is said."""
        said = [f"RCPTMAX={self.recipients}"] if self.recipients else []
        return " ".join([*said, "RCPTDOMAINMAX=1"] if self.one_domain else said)

    @property
    def parameters(self) -> frozenset[str]:
        """The keywords that allow parameters of MAIL and RCPT."""
        return frozenset(name for name, offered in (("SMTPUTF8", self.smtputf8), ("DSN", self.dsn)) if offered)
