"""What a server's engine permits its client, and what its EHLO offers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may use up. Sizes are in octets, line ends included."""

    message_size: int = 52_428_800
    line_length: int = 1_048_576
    command_line: int = 2048  # RFC 5321 §4.5.3.1.4 asks for 512, more with extensions: SMTPUTF8, DSN and LIMITS fit
    auth_line: int = 12_288  # RFC 4954 §4
    buffer: int = 262_144  # what may wait behind a command that is being worked on
    errors: int = 20  # refused commands until 421; a refusal by the door does not count
    refusals: int = 250  # recipients that the door refused for good, until 421: somebody guesses addresses
    idle_commands: int = (
        100  # NOOP, RSET, VRFY, EXPN, HELP, ETRN and EHLO without a message between them; then 421 or errors
    )


@dataclass(frozen=True, slots=True)
class Offers:
    """What EHLO lists beside what it always does."""

    starttls: bool = False
    auth: tuple[str, ...] = ()  # mechanisms; empty: no AUTH here or now
    smtputf8: bool = True  # RFC 6531
    dsn: bool = False  # RFC 3461; its parameters are read all the same: relays use what a server offered them before
    etrn: bool = False  # RFC 1985
    recipients: int = 0  # RFC 9422 LIMITS RCPTMAX; 0: not said
    one_domain: bool = False  # LIMITS RCPTDOMAINMAX=1

    @property
    def parameters(self) -> frozenset[str]:
        """The keywords that permit parameters of MAIL and RCPT."""
        return frozenset({"DSN", "SMTPUTF8"} if self.smtputf8 else {"DSN"})

    def lines(self, message_size: int, *, tls: bool) -> list[str]:
        """Returns the lines of the answer to EHLO but the first. ``tls`` is true where TLS is on."""
        # RFC 2920, RFC 6152, RFC 2034, RFC 3030, RFC 1870
        said = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING", f"SIZE {message_size}"]
        if self.starttls and not tls:
            said.append("STARTTLS")
        if self.auth:
            said.append("AUTH " + " ".join(self.auth))
        if self.smtputf8:
            said.append("SMTPUTF8")
        if self.dsn:
            said.append("DSN")
        if self.etrn:
            said.append("ETRN")
        limits = [f"RCPTMAX={self.recipients}"] if self.recipients else []
        if self.one_domain:
            limits.append("RCPTDOMAINMAX=1")
        if limits:
            said.append(f"LIMITS {' '.join(limits)}")
        return said
