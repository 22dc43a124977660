"""Certificates for home servers as administrators leave them."""

from __future__ import annotations

from pathlib import Path

from mpcontinuity.app.doctor.client_certificates import examine
from tests.fakes.certificates import Authority


def verdicts(path: str) -> list[tuple[str, str]]:
    found = examine([{"domain": "example.org", "home-tls-certificate": path}])
    return [(finding.verdict, finding.text.replace(path, "FILE")) for finding in found]


def test_a_domain_without_a_file_has_nothing_to_be_examined() -> None:
    assert verdicts("") == verdicts("none") == []


def test_the_end_of_a_certificate_its_key_and_its_file_are_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    def issued(days: int) -> str:
        path = authority.issue(f"{days}.example", days=days)
        path.chmod(0o640)
        return str(path)

    assert verdicts(issued(90)) == [("good", "home-tls-certificate: certificate and key belong together")]
    ((soon, text),) = verdicts(issued(5))
    assert soon == "warning"
    assert "FILE expires 20" in text
    ((past, text),) = verdicts(issued(-1))
    assert past == "wrong"
    assert "FILE expired 20" in text
    readable = issued(91)
    Path(readable).chmod(0o644)
    assert verdicts(readable)[1] == (
        "warning",
        "home-tls-certificate FILE is readable for everybody, and has a key",
    )
    assert verdicts(str(tmp_path / "gone"))[0] == ("wrong", "home-tls-certificate FILE: No such file or directory")
    assert verdicts(str(authority.path))[0][1].startswith("home-tls-certificate FILE: has no private key")
