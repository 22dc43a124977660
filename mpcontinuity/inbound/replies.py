"""What the SMTP doors say of themselves, whatever the message is."""

from __future__ import annotations

from mpcontinuity.model.reply import Reply

SENDER_OK = Reply(250, "2.1.0", "Sender OK")
NO_ROOM = Reply(452, "4.3.1", "Insufficient system storage, try again later")
FAULT = Reply(451, "4.3.0", "A fault of ours, try again later")
TOO_MUCH_MAIL = Reply(450, "4.7.1", "Too much mail from your host, try again later")
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands from your host, try again later")
STOPPING = Reply(421, "4.3.2", "The server shuts down")
LOG_IN_FIRST = Reply(530, "5.7.0", "Authentication required")
TLS_FIRST = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
