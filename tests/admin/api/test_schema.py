"""Schemathesis against a server that runs: what it makes of the API's own description breaks nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mpcontinuity.admin.api.table import BASE
from tests.app.running import CONFIGURATION, Server

CHECKS: Any = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
TOKENS = 5  # so that one ration is enough for none of what follows

# A stream without an end, what needs a home server that answers, and what reads the whole store each time.
LEFT_OUT = ("events", "domain test", "domain test-imap", "check", "webhook test")

# No example is shrunk: the first is as good as the smallest, and a run has few.
FEW: dict[str, Any] = {
    "database": None,
    "deadline": None,
    "derandomize": True,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    text = CONFIGURATION.replace("web = []", 'web = ["tcp:0:interface=127.0.0.1"]')
    text += '\n[limits]\ntrusted_networks = ["127.0.0.0/8"]\n\n[password]\nscheme = "pbkdf2_sha256"\n'
    with Server(tmp_path_factory.mktemp("server"), text) as running:
        running.run("admin", "add", "root", "--password-stdin", stdin="a good password")
        running.run("domain", "add", "example.org", "--home", "127.0.0.1:9")
        running.run("user", "add", "anna@example.org")
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


class Asking:
    """Sends what schemathesis makes up, with one token after the other."""

    def __init__(self, server: Server) -> None:
        made = [server.json("admin", "token", "root") for _ in range(TOKENS)]
        self.tokens = cycle([one["token"] for one in made])
        self.url = f"https://127.0.0.1:{server.ports['web']}"
        self.session = requests.Session()
        self.session.trust_env = False  # names authorities, which go before what is said here
        self.session.verify = False
        self.asked = 0

    def schema(self) -> Any:
        described = self.session.get(f"{self.url}{BASE}openapi.json", timeout=30).json()
        schema: Any = schemathesis.openapi.from_dict(described)
        schema.config.update(base_url=self.url)
        for name in LEFT_OUT:
            schema = schema.exclude(operation_id=name)
        return schema

    def call(self, case: Case[Any]) -> Any:
        self.asked += 1
        headers = {"Authorization": f"Bearer {next(self.tokens)}"}
        response = case.call(base_url=self.url, headers=headers, session=self.session, verify=False, timeout=30)
        case.validate_response(response, checks=CHECKS)
        return response


@pytest.fixture(scope="module")
def asking(server: Server) -> Asking:
    return Asking(server)


pytestmark = pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_what_is_made_up_breaks_nothing(asking: Asking, mode: GenerationMode) -> None:
    operations = [found.ok() for found in asking.schema().get_all_operations()]
    before = asking.asked
    assert len(operations) > 80
    for operation in operations:
        cases = operation.as_strategy(generation_mode=mode)
        with suppress(Unsatisfiable):  # nothing that is sent to it can be wrong
            settings(max_examples=1, **FEW)(given(cases)(lambda case: asking.call(case) and None))()
    assert asking.asked - before > 60


def test_what_was_added_can_be_used_and_breaks_nothing(asking: Asking) -> None:
    class Following(asking.schema().as_state_machine()):  # type: ignore[misc]
        def call(self, case: Case[Any], **kwargs: Any) -> Any:
            return asking.call(case)

        def validate_response(self, *arguments: Any, **named: Any) -> None:
            """Was done with the call."""

    before = asking.asked
    Following.run(settings=settings(max_examples=15, stateful_step_count=8, **FEW))
    assert asking.asked > before
