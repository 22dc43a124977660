"""Who may read what the program makes."""

from __future__ import annotations

from typing import Final

# The umask: what a command or the server makes is for the user that it runs as: a store, keys, copies of mail. What
# others may read (the certificate, the configuration) is opened to them where it is made.
PRIVATE: Final = 0o077
