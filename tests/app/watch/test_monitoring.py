"""The pages of a real server, as a monitor and a balancer see them."""

from __future__ import annotations

import json
import signal
import smtplib
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.app.running import CONFIGURATION, Server
from tests.app.test_service import MESSAGE, free_port

WATCHED = CONFIGURATION.replace("metrics = []", 'metrics = ["tcp:0:interface=127.0.0.1"]')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), WATCHED) as running:
        running.json("domain", "add", "example.org", "--home", f"127.0.0.1:{free_port()}")
        running.json("user", "add", "anna@example.org", "--password-stdin", stdin="secret\n")
        yield running


def get(server: Server, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['metrics']}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def scrape(server: Server) -> dict[str, float]:
    """By name and labels, as ``mpcontinuity_messages_total{outcome="redirected"}``."""
    values = {}
    for family in text_string_to_metric_families(get(server, "/metrics")[1]):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert name not in values
            values[name] = sample.value
    return values


def test_a_server_that_serves_says_so(server: Server) -> None:
    assert get(server, "/healthz") == (200, "ok\n")
    code, body = get(server, "/readyz")
    assert (code, json.loads(body)) == (200, {"ready": True, "reasons": []})
    assert get(server, "/")[0] == 404


def test_metrics_tell_what_happened(server: Server) -> None:
    before = scrape(server)
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as client:
        client.sendmail("bob@example.net", ["anna@example.org"], MESSAGE)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("bob@example.net", ["carl@elsewhere.example"], MESSAGE)
        now = scrape(server)
        assert now['mpcontinuity_connections{protocol="smtp"}'] == 1
    for name, more in (
        ('mpcontinuity_messages_total{outcome="redirected"}', 1),
        ('mpcontinuity_messages_total{outcome="rejected"}', 1),
        ('mpcontinuity_messages_total{outcome="passed_on"}', 0),
        ('mpcontinuity_connections_accepted_total{protocol="smtp"}', 1),
    ):
        assert now[name] - before[name] == more, name
    assert now["mpcontinuity_store_group_size_count"] > 0
    assert now['mpcontinuity_home_state{domain="example.org"}'] == 3
    assert now["mpcontinuity_tls_certificate_expiry_timestamp_seconds"] > time.time()
    assert now["mpcontinuity_disk_free_bytes"] > 0
    assert now["process_open_fds"] > 0
    assert any(name.startswith("mpcontinuity_store_longest_transaction_seconds{work=") for name in now)


def test_the_backlog_is_shown_by_domain_with_its_age(tmp_path: Path) -> None:
    with Server(tmp_path, WATCHED) as server:
        server.json("domain", "add", "example.org", "--home", f"127.0.0.1:{free_port()}")
        server.json("user", "add", "anna@example.org", "--password-stdin", stdin="secret\n")
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as client:
            client.sendmail("bob@example.net", ["anna@example.org"], MESSAGE)
        values = scrape(server)
        assert values['mpcontinuity_owed_messages{domain="example.org"}'] == values["mpcontinuity_owed"] == 1
        assert 0 <= values['mpcontinuity_owed_oldest_age_seconds{domain="example.org"}'] < 30


def test_a_server_that_stops_tells_balancers_while_sessions_end(tmp_path: Path) -> None:
    with Server(tmp_path, WATCHED) as server:
        with socket.create_connection(("127.0.0.1", server.ports["smtp"])) as client:
            client.recv(100)
            assert server._process is not None
            server._process.send_signal(signal.SIGTERM)
            server.wait_for(lambda: get(server, "/readyz")[0] == 503)
            assert json.loads(get(server, "/readyz")[1])["reasons"] == ["the server stops"]
            assert get(server, "/healthz")[0] == 200
        assert server.wait() == 0
