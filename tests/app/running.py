"""A real ``twistd`` on a temporary folder, ports from 0, and the command line beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from click.testing import CliRunner

from mpcontinuity.app.commands.main import main
from mpcontinuity.store.sqlite.driver import DATABASE
from tests.app.warm import Forked
from tests.fakes.stores import empty_database

BIN = Path(sys.executable).parent

CONFIGURATION = """
[listen]
smtp = ["tcp:0:interface=127.0.0.1"]
imap = ["tcp:0:interface=127.0.0.1"]
imaps = ["tcp:0:interface=127.0.0.1"]
submission = []
submissions = []
pop3 = []
pop3s = []
web = []
metrics = []

[home]
connect_timeout = 1
reply_timeout = 1
message_timeout = 1
probe_interval = 0.2

[tls]
plaintext_login_networks = ["127.0.0.0/8"]
"""


_BY_THEMSELVES = (
    "serve",
    "doctor",
    "demo",
    "init",
    "backup",
    "restore",
    "migrate",
)  # they leave more behind than an answer


class Server:
    """A context manager: started when it is entered, stopped with SIGTERM when it is left."""

    def __init__(
        self,
        folder: Path,
        configuration: str = CONFIGURATION,
        *,
        command: tuple[str, ...] = (),
        makes_database: bool = False,
    ) -> None:
        """``makes_database``: it begins in an empty folder; else with an empty database. ``command``: other than what
        a process that has imported it already can do (tests/app/warm.py).
        """
        self.folder = folder
        self.config = folder / "mpcontinuity.toml"
        self.config.write_text(configuration)
        self.log = folder / "log"
        self.ports: dict[str, int] = {}
        self.environment: dict[str, str] = {}  # of the process, beside ours
        self._makes_database = makes_database
        self._command = command
        self._process: subprocess.Popen[bytes] | Forked | None = None

    def start(self, within: float = 60) -> None:
        begin = self.launch()
        self.wait_for(lambda: "mpcontinuity.app.service ready" in self.said(begin), within)
        text = self.said(begin)
        self.ports = {door: int(port) for door, port in re.findall(r"(\w+) listens at 127\.0\.0\.1:(\d+)", text)}

    def launch(self) -> int:
        """Begins a start without waiting for it; where its log begins."""
        if not self._makes_database:
            self._make_database()
        with self.log.open("ab") as log:
            begin = log.tell()
            arguments = ["--nodaemon", "--pidfile=", "mpcontinuity", "--config", str(self.config)]
            if self._command or self.environment:
                command = self._command or [str(BIN / "twistd"), *arguments]
                environment = os.environ | self.environment
                self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environment)
            else:
                self._process = Forked(arguments, output=log, folder=self.folder)
        return begin

    def _make_database(self) -> None:
        """An empty one, where none is there: to migrate it takes as long as all else of a start."""
        data = self.folder / "data"
        text = self.config.read_text()
        if not data.exists() and "\ndatabase = " not in text and "data_dir" not in text:
            data.mkdir(mode=0o700)
            shutil.copyfile(empty_database(), data / DATABASE)
            (data / DATABASE).chmod(0o600)

    def said(self, begin: int) -> str:
        """The log from there on, in octets."""
        with self.log.open("rb") as log:
            log.seek(begin)
            return log.read().decode(errors="replace")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit status."""
        assert self._process is not None
        self._process.send_signal(how)
        return self.wait()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def processor_seconds(self) -> float:
        """What it has computed so far: other than its time, this is the same on a busy machine."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def wait(self, within: float = 60) -> int:
        """For its end; the exit status."""
        assert self._process is not None
        return self._process.wait(timeout=within)

    def wait_for(self, condition: Any, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert self._process is None or self._process.poll() is None, f"it ended: {self.log.read_text()[-6000:]}"
            assert time.monotonic() < until, f"not within {seconds} s: {self.log.read_text()[-6000:]}"
            time.sleep(0.02)

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """``mpcontinuity``. In this process, as most of the time of a command goes into the start of its Python; some
        commands are a process of their own all the same."""
        if arguments[0] in _BY_THEMSELVES:
            return command(*arguments, config=self.config, stdin=stdin)
        done = CliRunner().invoke(main, ["--config", str(self.config), *arguments], input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    def json(self, *arguments: str, stdin: str = "") -> Any:
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.running:
            self.stop()


def command(*arguments: str, config: Path | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """``mpcontinuity``, in a process of its own."""
    given = ("--config", str(config)) if config is not None else ()
    environment = {name: value for name, value in os.environ.items() if name != "MPCONTINUITY_CONFIG"}
    return subprocess.run(
        [str(BIN / "mpcontinuity"), *given, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )
