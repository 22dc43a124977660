"""Messages that are within others, as webmail shows them: below the message that they came with, and to nobody else."""

from __future__ import annotations

import base64
import io
import quopri
import re
import zipfile
from collections.abc import AsyncGenerator

import pytest

from mpcontinuity.access.webmail.reading import MOST_DEPTH, Message, Reading
from mpcontinuity.model.clock import HOUR
from tests.access.webmail.office import ANNA, BERT, Office
from tests.access.webmail.test_contents import PICTURE, header, octets
from tests.access.webmail.test_searching import domain
from tests.admin.portal.browser import Browser
from tests.archive.archived import archive
from tests.message.display.messages import part, several

INNER = several(
    "mixed",
    several(
        "related",
        part(
            "text/html", b"<p>Within</p><script>alert(1)</script><img src='cid:p@x'><img src='https://far.example/a'>"
        ),
        part("image/png; name=p.png", PICTURE, "Content-ID: <p@x>\r\n"),
        header="",
    ),
    part("text/plain; name=notes.txt", b"inner notes", "Content-Disposition: attachment\r\n"),
    header="From: Eve <eve@far.example>\r\nTo: carl@x.example\r\nSubject: The inner one\r\n"
    "Date: Mon, 30 Nov 2026 10:00:00 +0100\r\n",
)


def around(inner: bytes, encoding: str = "", subject: str = "Fwd: look") -> bytes:
    enclosing = f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""
    return several(
        "mixed",
        part("text/plain", b"look at this"),
        part("message/rfc822", inner, enclosing),
        header=f"From: Bob <bob@far.example>\r\nTo: anna@example.org\r\nSubject: {subject}\r\n",
    )


@pytest.fixture
def path(office: Office) -> str:
    return f"/mail/{office.folder().id}/{office.put(around(INNER))}"


def test_an_enclosed_message_has_a_page_of_its_own_below_the_outer_one(anna: Browser, path: str) -> None:
    page = anna.get(path).page
    assert f'href="{path}/enclosed/2" aria-label="Read it: The inner one.eml">Read it</a>' in page
    shown = anna.get(f"{path}/enclosed/2").page
    assert "<h1" in shown
    assert "The inner one" in shown
    assert "eve@far.example" in shown
    assert "Mon 30 Nov 2026, 9:00 UTC" in shown
    assert "nobody has checked it" in shown
    assert f'<p class="back"><a href="{path}">' in shown
    assert f'src="{path}/enclosed/2/document" sandbox="allow-popups allow-popups-to-escape-sandbox"' in shown
    assert f'href="{path}/enclosed/2/part/2" download>notes.txt' in shown
    assert f'href="{path}/enclosed/2/original"' in shown


def test_its_document_can_do_as_little_and_has_pictures_of_its_own_alone(
    anna: Browser, office: Office, path: str
) -> None:
    shown = anna.get(f"{path}/enclosed/2/document")
    images = re.search(r'<img src="(/images/[^/"]+~2\.[^/"]+)/1\.2">', shown.page)
    assert images is not None
    policy = header(shown, "content-security-policy")
    assert f"img-src https://mail.example.net{images[1]}/; sandbox allow-popups" in policy
    assert "alert" not in shown.page
    assert "far.example" not in shown.page
    assert octets(office.browser().get(f"{images[1]}/1.2")) == PICTURE
    for other in ("2", "1.1", "9"):
        assert office.browser().get(f"{images[1]}/{other}").code == 404
    for forged in (images[1].replace("~2", "~1"), images[1].replace("~2", ""), images[1].replace("~2", "~2_2")):
        assert office.browser().get(f"{forged}/1.2").code == 404
    office.clock.advance(HOUR)
    assert office.browser().get(f"{images[1]}/1.2").code == 404


def test_a_cid_of_the_outer_message_is_no_picture_of_the_inner_one(anna: Browser, office: Office) -> None:
    inner = b"Subject: in\r\nContent-Type: text/html\r\n\r\n<p>Hello<img src='cid:p@x'>"
    outer = several(
        "mixed",
        part("image/png", PICTURE, "Content-ID: <p@x>\r\n"),
        part("message/rfc822", inner),
        header="From: a@b.example\r\nSubject: out\r\n",
    )
    where = f"/mail/{office.folder().id}/{office.put(outer)}/enclosed/2/document"
    assert "<img" not in anna.get(where).page or "/images/" not in anna.get(where).page


def _lines(data: bytes) -> bytes:
    """Whatever an encoding has made of line ends."""
    return data.replace(b"\r", b"").rstrip()


@pytest.mark.parametrize("encoding", ["", "base64", "quoted-printable"])
def test_its_original_files_and_header_are_its_own(anna: Browser, office: Office, encoding: str) -> None:
    inner = INNER
    if encoding:
        inner = base64.encodebytes(INNER) if encoding == "base64" else quopri.encodestring(INNER)
    path = f"/mail/{office.folder().id}/{office.put(around(inner, encoding))}/enclosed/2"
    assert _lines(octets(anna.get(f"{path}/original"))) == _lines(INNER)
    assert header(anna.get(f"{path}/original?save=1"), "content-disposition").startswith("attachment")
    assert octets(anna.get(f"{path}/part/2")) == b"inner notes"
    assert _lines(octets(anna.get(f"{path}/part/1.2"))) == _lines(PICTURE)
    assert octets(anna.get(f"{path}/all.zip")).startswith(b"PK")
    assert '<th scope="row">Subject</th><td class="long">The inner one</td>' in anna.get(f"{path}/headers").page
    assert "<td>Eve &lt;eve@far.example&gt;</td>" in anna.get(f"{path}/print").page
    assert "Within" in anna.get(f"{path}/document").page


@pytest.mark.parametrize("encoding", ["", "base64"])
def test_messages_within_messages_are_read_one_by_one_and_not_without_end(
    anna: Browser, office: Office, encoding: str
) -> None:
    message = INNER
    for number in range(MOST_DEPTH + 1):
        message = around(base64.encodebytes(message) if encoding else message, encoding, f"level {number}")
    path = f"/mail/{office.folder().id}/{office.put(message)}"
    within = path
    for depth in range(1, MOST_DEPTH + 1):
        shown = anna.get(within).page
        within = f"{path}/enclosed/{'_'.join(['2'] * depth)}"
        assert f'href="{within}"' in shown
    shown = anna.get(within).page
    assert f'<p class="back"><a href="{within.removesuffix("_2")}">' in shown
    assert f"{within}_2" not in shown
    assert anna.get(f"{within}_2").code == 404
    assert b"look at this" in octets(anna.get(f"{within}/original"))


@pytest.mark.parametrize("within", ["1", "3", "2.1", "x", "2_", "_2", "2__2", "..", "2_" * 200 + "2", "9" * 300])
def test_what_is_no_message_has_no_page(anna: Browser, path: str, within: str) -> None:
    for below in ("", "/document", "/original", "/part/2"):
        assert anna.get(f"{path}/enclosed/{within}{below}").code == 404


BELOW = ("", "/document", "/print", "/headers", "/original", "/part/2", "/view/2", "/all.zip")


@pytest.mark.parametrize("below", BELOW)
def test_nobody_sees_what_is_within_another_users_message(office: Office, path: str, below: str) -> None:
    assert office.browser(BERT).get(f"{path}/enclosed/2{below}").code == 404
    nobody = office.browser().get(f"{path}/enclosed/2{below}")
    assert (nobody.code, nobody.location.partition("?")[0]) == (303, "/login")
    folder, uid = map(int, path.split("/")[2:])
    own = office.folder(address=BERT).id
    assert office.browser(BERT).get(f"/mail/{own}/{(folder << 32) | uid}/enclosed/2{below}").code == 404


def test_pictures_from_elsewhere_come_once_and_its_sender_is_never_trusted(anna: Browser, path: str) -> None:
    where = f"{path}/enclosed/2"
    assert "Always for this sender" not in anna.get(where).page
    location = anna.send(f"{where}/pictures", where, always="1").location
    assert location.startswith(f"{where}?pictures=")
    asked = location.partition("?")[2]
    assert "https://far.example/a" in anna.get(f"{where}/document?{asked}").page
    assert "far.example" not in anna.get(f"{where}/document").page
    assert "far.example" not in anna.get(f"{path}/document?{asked}").page


def test_what_is_within_a_message_of_the_archive_is_its_users_alone(office: Office, anna: Browser) -> None:
    archive(office.store, around(INNER), recipients=[ANNA], domain=domain(office), time=office.clock.now())
    office.clock.advance(10)
    listed = re.search(r'href="(/archive/\w+)">Fwd: look<', anna.get("/archive/").page)
    assert listed is not None
    where = f"{listed[1]}/enclosed/2"
    images = re.search(r'<img src="(/images/[^"]+)">', anna.get(f"{where}/document").page)
    assert images is not None
    assert octets(office.browser().get(images[1])) == PICTURE
    for below in BELOW:
        assert anna.get(where + below).code == 200, below
        assert office.browser(BERT).get(where + below).code == 404, below


def test_where_readers_die_of_an_enclosed_message_its_first_octets_are_shown(anna: Browser, office: Office) -> None:
    path = f"/mail/{office.folder().id}/{office.put(around(base64.encodebytes(INNER), 'base64'))}/enclosed/2"
    anna.get(path.rpartition("/enclosed")[0])
    office.jobs.dying = 2
    shown = anna.get(path)
    assert "could not be read as it was written" in shown.page
    assert "&lt;p&gt;Within" in shown.page


@pytest.mark.parametrize("count", [2, 12])
def test_all_files_of_an_encoded_message_come_of_one_pass_over_it(
    anna: Browser, office: Office, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [b"%d " % number * 9_000 for number in range(count)]
    files = [
        part(f"application/x-own; name={number}.own", base64.encodebytes(each), "Content-Transfer-Encoding: base64\r\n")
        for number, each in enumerate(contents)
    ]
    inner = several("mixed", *files, header="From: a@b.example\r\nSubject: many\r\n")
    path = f"/mail/{office.folder().id}/{office.put(around(base64.encodebytes(inner), 'base64'))}/enclosed/2"
    assert f"{count - 1}.own" in anna.get(path).page
    passes = list[Message]()
    octets_of = Reading._octets

    def noted(self: Reading, of: Message) -> AsyncGenerator[bytes, None]:
        passes.append(of)
        return octets_of(self, of)

    monkeypatch.setattr(Reading, "_octets", noted)
    with zipfile.ZipFile(io.BytesIO(octets(anna.get(f"{path}/all.zip")))) as archive:
        assert [archive.read(name) for name in archive.namelist()] == contents
    assert len([each for each in passes if each.within == "2"]) <= 2, "one for the zip, one perhaps to find them"
    assert len(passes) < 5
