"""Every reply of ours to an SMTP client that depends on who it is, to whom it writes or what it sends.

A home server's own reply is passed on as it is where `routing/decision.py` says so. What is wrong with a command's
syntax or order is answered in `protocols/smtp/`. Why a server ends a connection by itself (421) is in
`door/lastword.py`, and `inbound/patience.py` for clients that are silent or slow.
"""

from __future__ import annotations

from mpcontinuity.message.submitted import MOST_AUTHORS
from mpcontinuity.model.reply import Reply

# Of the session
FAULT = Reply(451, "4.3.0", "A fault of ours, try again later")

# AUTH (RFC 4954 §6)
LOGGED_IN = Reply(235, "2.7.0", "Authentication successful")
WRONG_PASSWORD = Reply(535, "5.7.8", "Wrong name or password; with a second factor an app password is needed")
TOO_MANY_PASSWORDS = Reply(421, "4.7.0", "Too many wrong passwords")
NO_LOGIN_NOW = Reply(454, "4.7.0", "Temporary authentication failure, try again later")

# MAIL
SENDER_OK = Reply(250, "2.1.0", "Sender OK")
LOG_IN_FIRST = Reply(530, "5.7.0", "Authentication required")
TLS_FIRST = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
TOO_MUCH_MAIL = Reply(450, "4.7.1", "Too much mail from your host, try again later")
NOT_YOUR_ADDRESS = Reply(553, "5.7.1", "The sender must be an address of yours")
NOT_ACTIVE = Reply(535, "5.7.8", "The account is not active any more")
MAILBOX_FULL = Reply(452, "4.2.2", "Your mailbox is full, and keeps what you send: delete some messages first")
DOMAIN_FULL = Reply(452, "4.2.2", "The mailboxes of your domain are full together: its administrator can help")

# RCPT
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient OK")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients")
SEPARATELY = Reply(452, "4.5.3", "Send this recipient in a transaction of its own")
NOT_OURS = Reply(550, "5.7.1", "Relaying denied")
SOURCE_ROUTED = Reply(550, "5.1.3", "Addresses with %, ! or @ in their local part are not taken")
NO_SUCH_MAILBOX = Reply(550, "5.1.1", "No such mailbox here")
BAD_DOMAIN = Reply(501, "5.1.3", "Bad address: no such domain can be asked for")
TOO_MANY_THIS_HOUR = Reply(450, "4.7.1", "Too many recipients in this hour, try again later")
TOO_MUCH_KEPT = Reply(450, "4.7.1", "Too much mail to this address, try again later")
NO_SMTPUTF8 = Reply(553, "5.6.7", "The home server does not offer SMTPUTF8")
TOO_LARGE = Reply(552, "5.3.4", "Message is larger than the home server takes")
HOME_AWAY = Reply(451, "4.4.1", "The home server does not answer, try again later")  # at the message too

# DATA, and the message
GO_ON = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
STORED = Reply(250, "2.0.0", "Message accepted")
KNOWN = Reply(250, "2.0.0", "Message accepted before")
NO_ROOM = Reply(452, "4.3.1", "Insufficient system storage, try again later")  # at MAIL too
IN_HAND = Reply(451, "4.3.2", "The same message is being handled in another session, try again later")
LOOP = Reply(554, "5.4.6", "Routing loop detected")
OTHER_TENANT = Reply(550, "5.7.1", "The message is not of the tenant that the domain is of")
NOT_YOUR_FROM = Reply(553, "5.7.1", f"The field From must have your own addresses only, {MOST_AUTHORS} at most")


# ETRN (RFC 1985 §5.2)
def node_started(node: str, count: int, *, exact: bool) -> Reply:
    """Returns the answer where ``count`` messages, or more unless ``exact``, wait for the node and go there now."""
    if not count:
        return Reply(251, "2.0.0", f"OK, no messages waiting for node {node}")
    if not exact:
        return Reply(252, "2.0.0", f"OK, pending messages for node {node} started")
    return Reply(253, "2.0.0", f"OK, {count} pending messages for node {node} started")


def node_started_before(node: str) -> Reply:
    """Returns the answer to whoever asks again a moment later."""
    return Reply(250, "2.0.0", f"OK, queuing for node {node} started")


def node_is_away(node: str) -> Reply:
    """Returns the answer while an administrator has declared an outage."""
    return Reply(458, "4.3.2", f"Unable to queue messages for node {node}: an outage is declared")


def node_not_now(node: str) -> Reply:
    """Returns the answer where the store cannot be asked."""
    return Reply(458, "4.3.0", f"Unable to queue messages for node {node}, try again later")


def node_not_allowed(node: str) -> Reply:
    """Returns the answer to whoever is not the node's home server, and for a node that is none of ours."""
    return Reply(459, "4.7.1", f"Node {node} not allowed")


FOREIGN_DOMAIN = "sends in the name of its own domain only"  # what `doctor` looks for among refusals


def foreign_domain(who: str) -> Reply:
    """Returns the refusal of a sender's address that is not of the domain whose home server ``who`` is."""
    return Reply(550, "5.7.1", f"{who} {FOREIGN_DOMAIN}")
