from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.config.read import BadConfiguration, parse, read
from mpcontinuity.model.settings import Listen, Settings

FOLDER = Path("/etc/mpcontinuity")


def refusal(text: str) -> str:
    with pytest.raises(BadConfiguration) as caught:
        parse(text, FOLDER)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_empty_file_serves_on_loopback_from_the_folder_it_lies_in() -> None:
    settings = parse("", FOLDER)
    assert settings.data_dir == "/etc/mpcontinuity/data"
    assert settings.tls.certificate == "/etc/mpcontinuity/certs/server.pem"
    assert settings.listen == Listen()
    for door in settings.listen.__struct_fields__:
        assert all("interface=127.0.0.1" in endpoint for endpoint in getattr(settings.listen, door))


def test_absolute_paths_stay() -> None:
    assert parse('data_dir = "/srv/mail"', FOLDER).data_dir == "/srv/mail"


@pytest.mark.parametrize(
    ("written", "seconds"), [('"90s"', 90), ('"15m"', 900), ('"1h"', 3600), ('"0.5h"', 1800), ("30", 30), ("0.5", 0.5)]
)
def test_durations_have_a_unit_or_are_seconds(written: str, seconds: float) -> None:
    assert parse(f"retry.first = {written}", FOLDER).retry.first == seconds


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[limits]\nmessage_size = -3", "limits.message_size: -3: must be 1 to 2147483647"),
        ("[limits]\nmessage_size = true", "limits.message_size: true: must be 1 to 2147483647"),
        ('[limits]\nmessage_size = "50MB"', 'limits.message_size: "50MB": must be 1 to 2147483647'),
        ("[limits]\nmesage_size = 1", "limits.mesage_size: unknown key; did you mean limits.message_size?"),
        ("[home]\ngive_up = 1", "home.give_up: unknown key; did you mean retry.give_up?"),
        ("[listn]\n", "listn: unknown key; did you mean [listen]?"),
        ("frobnicate = 1", "frobnicate: unknown key"),
        ("home = 3", "home: 3: must be a table, [home]"),
        (
            '[retry]\nfirst = "1 fortnight"',
            'retry.first: "1 fortnight": must be 0.05s to 1d, as "90s", "15m", "1h", "5d" or seconds',
        ),
        ("[retry]\nfirst = nan", 'retry.first: nan: must be 0.05s to 1d, as "90s", "15m", "1h", "5d" or seconds'),
        ('[retry]\nfirst = "5h"', "retry.longest: 1h: must be at least retry.first, 5h"),
        ('hostname = "a b"', 'hostname: "a b": must be a host name, as "mail.example.org"'),
        ('hostname = ""', 'hostname: "": must be a host name, as "mail.example.org"'),
        ('[listen]\nsmtp = ["tcp:99999"]', 'listen.smtp: "tcp:99999": the port must be 0 to 65535; 0 takes a free one'),
        (
            '[listen]\nimaps = ["ssl:993"]',
            'listen.imaps: "ssl:993": TLS is added by the server where the door wants it; use tcp:',
        ),
        (
            '[listen]\nimap = ["tcp:1025:interface=127.0.0.1"]',
            'listen.imap: "tcp:1025:interface=127.0.0.1": is taken by listen.smtp already',
        ),
        (
            '[listen]\nsmtp = ["tcp:25:interfce=1"]',
            "listen.smtp: \"tcp:25:interfce=1\": 'interfce=1' is no option of tcp; "
            'it has interface= and backlog= (":" as "\\:")',
        ),
        (
            '[tls]\nplaintext_login_networks = ["10.0.0.1/8"]',
            "tls.plaintext_login_networks: \"10.0.0.1/8\": has bits set beyond its mask; did you mean '10.0.0.0/8'?",
        ),
        (
            "[public]\nports = { imap5 = 1 }",
            "public.ports: {'imap5': 1}: must be a table of ports, 1 to 65535, for smtp, submission, submissions, "
            "imap, imaps, pop3, pop3s, web, metrics",
        ),
        (
            '[store]\ndatabase = "mysql://u@h/d"',
            'store.database: must be "sqlite" or "postgresql+psycopg://user:password@host:5432/database"',
        ),
        (
            '[store]\ndatabase = "postgresql+psycopg://mail:hunt@er2@db.example.org/mail"',
            "store.database: it is no URL as postgresql+psycopg://user:password@host:5432/database?sslmode=verify-full;"
            " special characters in a password are written as %40",
        ),
        (
            '[store]\ndatabase = "postgresql+psycopg://mail:1/hunter2@db.example.org/mail"',
            "store.database: it is no URL as postgresql+psycopg://user:password@host:5432/database?sslmode=verify-full;"
            " special characters in a password are written as %40",
        ),
        (
            '[store]\ndatabase = "postgresql+psycopg://mail:hunter2@db.example.org:54x/mail"',
            "store.database: it is no URL as postgresql+psycopg://user:password@host:5432/database?sslmode=verify-full;"
            " special characters in a password are written as %40",
        ),
        (
            '[store]\nmessages = "s3://bucket/prefix"',
            'store.messages: "s3://bucket/prefix": must be "files" or "database" (S3 is not served by this version)',
        ),
        (
            '[password]\nscheme = "msdcc"',
            'password.scheme: "msdcc": must be a hash of passlib\'s that is installed, as "argon2"',
        ),
        (
            '[outbound]\nroute = "smtp://user:hunter2@/"',
            'outbound.route: (not shown: it may hold a password): must be "mx" or '
            '"smtp://[user:password@]host[:port]", either with "?tls=required" or "?tls=verify" behind it',
        ),
        (
            '[tls]\ncertificate = "x"\nprivate_key = "x"',
            'tls.private_key: "x": must be another file than certificate',
        ),
        ("[limits", "is not TOML: Expected ']' at the end of a table declaration (at end of document)"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_key_what_was_found_and_what_is_allowed(text: str, line: str) -> None:
    assert refusal(text) == line


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp:25",
        "tcp:port=25",
        r"tcp6:25:interface=\:\:",
        "tcp:25:backlog=50",
        "unix:/run/x.sock",
        "systemd:domain=INET:index=0",
    ],
)
def test_endpoint_strings_are_twisteds(endpoint: str) -> None:
    assert parse(f"[listen]\nsmtp = ['{endpoint}']", FOLDER).listen.smtp == (endpoint,)


def test_a_door_can_be_turned_off() -> None:
    assert parse("[listen]\nsmtp = []", FOLDER).listen.smtp == ()


def test_port_0_may_be_asked_for_by_several_doors() -> None:
    settings = parse('[listen]\nsmtp = ["tcp:0"]\nimap = ["tcp:0"]', FOLDER)
    assert settings.listen.smtp == settings.listen.imap


def test_a_missing_file_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="no such file; `mpcontinuity init` makes one"):
        read(tmp_path / "mpcontinuity.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mpcontinuity.toml"
    path.write_bytes(b"hostname = '\xff'")
    with pytest.raises(BadConfiguration, match=r"is not UTF-8 text \(byte 12\)"):
        read(path)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_value_for_any_key_is_taken_or_refused_in_one_line(value: object) -> None:
    from mpcontinuity.config.keys import KEYS

    for path, key in KEYS.items():
        try:
            key.kind.read(value)
        except ValueError:
            assert key.kind.allowed, path


@given(st.text(alphabet='abz=[]".\n 0-', max_size=40))
def test_any_text_is_settings_or_one_line(text: str) -> None:
    lines = []
    try:
        assert isinstance(parse(text, FOLDER), Settings)
    except BadConfiguration as error:
        lines = str(error).splitlines()
    assert len(lines) <= 1


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://mail:secret@db.example.org:5432/mail?sslmode=verify-full",
        "postgresql://mail@/mail?host=/run/postgresql",
    ],
)
def test_a_database_may_be_a_url_of_postgresql(url: str) -> None:
    assert parse(f'[store]\ndatabase = "{url}"', Path("/")).store.database == url


@pytest.mark.parametrize(
    "url",
    [
        "mysql://mail:secret@db/mail",
        "postgresql+psycopg2://mail:secret@db/mail",
        "postgresql+psycopg://mail:secret@db",
        "postgresql+psycopg://mail:secret%zz@db/mail",
        "postgresql://mail:secret@db/mail?wishes=3",
        "postgresql:mail:secret",
    ],
)
def test_a_url_that_will_not_do_is_refused_by_its_key_without_its_password(url: str) -> None:
    with pytest.raises(BadConfiguration, match=r"^store\.database: ") as caught:
        parse(f'[store]\ndatabase = "{url}"', Path("/"))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["md5_crypt", "ldap_salted_sha1", "des_crypt", "hex_sha256"])
def test_a_fast_hash_of_passwords_is_refused_unless_it_is_allowed(tmp_path: Path, scheme: str) -> None:
    text = f'[password]\nscheme = "{scheme}"\n'
    with pytest.raises(BadConfiguration, match=rf'^password\.scheme: "{scheme}": is fast to guess from: .*allow_weak'):
        parse(text, tmp_path)
    assert parse(f"{text}allow_weak = true", tmp_path).password.scheme == scheme


@pytest.mark.parametrize("scheme", ["argon2", "scrypt", "pbkdf2_sha512", "django_pbkdf2_sha256", "sha512_crypt"])
def test_a_slow_hash_of_passwords_needs_no_leave(tmp_path: Path, scheme: str) -> None:
    assert parse(f'[password]\nscheme = "{scheme}"', tmp_path).password.scheme == scheme
