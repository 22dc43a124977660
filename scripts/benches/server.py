"""Our server on a temporary folder, with the users of the load generator, as twistd runs it."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from mpcontinuity.accounts import domains
from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.accounts.users import add_user
from mpcontinuity.model import settings
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SystemClock
from mpcontinuity.model.randomness import SystemRandomness
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.runner import Inline
from mpcontinuity.store.store import Store, open_store
from mpcontinuity.store.transaction import Transaction

DOMAIN, PASSWORD = "bench.test", "benchpw"
USERS = [f"u{number:04}@{DOMAIN}" for number in range(2100)] + [f"a{number:04}@{DOMAIN}" for number in range(20)]
ROOT = Path(__file__).resolve().parents[2]

# The home server is declared out, so that mail is redirected without asking: what an outage is.
CONFIG = """
data_dir = "data"
[tls]
plaintext_login_networks = ["127.0.0.0/8"]
[listen]
smtp = ["tcp:{smtp}:interface=127.0.0.1"]
imap = ["tcp:{imap}:interface=127.0.0.1"]
submission = [{submission}]
submissions = []
imaps = []
pop3 = [{pop3}]
pop3s = []
web = [{web}]
metrics = [{metrics}]
[limits]
connections_per_host = 20000
user_recipients_per_hour = 1000000
trusted_networks = ["127.0.0.0/8"]
"""


class Server:
    """Started in ``folder``; ``stop`` ends it, ``start`` starts it again. Ports of 0 are not listened at; ``more``:
    further lines of its configuration."""

    def __init__(
        self,
        folder: Path,
        *,
        smtp: int,
        imap: int,
        metrics: int = 0,
        pop3: int = 0,
        submission: int = 0,
        web: int = 0,
        more: str = "",
        environment: dict[str, str] | None = None,
    ) -> None:
        self.smtp, self.imap, self.pop3, self.submission = smtp, imap, pop3, submission
        self.folder = folder
        self._config = folder / "mpcontinuity.toml"
        self._environment = environment
        ports = {"metrics": metrics, "pop3": pop3, "submission": submission, "web": web}
        listeners = {name: f'"tcp:{port}:interface=127.0.0.1"' if port else "" for name, port in ports.items()}
        self._config.write_text(CONFIG.format(smtp=smtp, imap=imap, **listeners) + more)
        if not (folder / "data").exists():
            _fill(folder / "data")
        self.start()

    def start(self) -> None:
        self._log = (self.folder / "log").open("ab")
        twistd = [str(ROOT / ".venv/bin/twistd"), "-n", "--pidfile=", "mpcontinuity", "--config", str(self._config)]
        self.process = subprocess.Popen(twistd, cwd=ROOT, env=self._environment, stdout=self._log, stderr=self._log)
        for port in (self.imap, self.smtp):
            self._wait_for(port, self.folder)

    @property
    def target(self) -> str:
        """For the load generator's --target."""
        ports = f"smtp={self.smtp},imap={self.imap}" + (f",pop3={self.pop3}" if self.pop3 else "")
        return f"mpcontinuity:{ports},pid={self.process.pid}"

    def command(self, *arguments: str, stdin: str = "") -> str:
        """What `mpcontinuity` says, beside the running server."""
        mpcontinuity = [str(ROOT / ".venv/bin/mpcontinuity"), "--config", str(self._config), *arguments]
        done = subprocess.run(mpcontinuity, check=True, stdout=subprocess.PIPE, input=stdin, text=True)
        return done.stdout

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(15)
        self._log.close()

    def _wait_for(self, port: int, folder: Path) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise SystemExit(f"our server does not listen on port {port}:\n{(folder / 'log').read_text()[-2000:]}")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _fill(folder: Path) -> None:
    """Domain and users, all with one hash of the one password: made without the server, in a few transactions."""
    store = open_inline(folder)
    domain = do(
        store, partial(domains.add, name=DOMAIN, settings=DomainSettings(home=("127.0.0.1:9",), mode="enabled"))
    )
    hashed = Passwords("argon2").hash(PASSWORD)

    def add(tx: Transaction, addresses: list[str]) -> None:
        for address in addresses:
            add_user(tx, domain=domain.id, address=parse(address), password_hash=hashed)

    for begin in range(0, len(USERS), 100):
        do(store, partial(add, addresses=USERS[begin : begin + 100]))
    result(store.close())


def open_inline(folder: Path) -> Store:
    """A store whose Deferreds have fired when they are given."""
    return open_store(
        folder,
        settings.Store(),
        clock=SystemClock(),
        randomness=SystemRandomness(),
        runner=Inline(),
        disk=RealDisk(),
        reactor_call=lambda call, *arguments: call(*arguments),
    )


def do(store: Store, work: Any) -> Any:
    return result(store.run(work))


def result(awaitable: Any) -> Any:
    deferred = awaitable if isinstance(awaitable, Deferred) else Deferred.fromCoroutine(awaitable)
    results: list[Any] = []
    failures: list[Any] = []
    deferred.addCallbacks(results.append, failures.append)
    if failures:
        failures[0].raiseException()
    return results[0]
