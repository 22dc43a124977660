"""What a message contains, as webmail serves it, and who may see it."""

from __future__ import annotations

import io
import re
import zipfile
from functools import partial

import pytest

from mpcontinuity.access.webmail.reading import Message, body_of
from mpcontinuity.children.readers import Busy, Readers
from mpcontinuity.mailbox import trusted_senders
from mpcontinuity.model.clock import HOUR
from mpcontinuity.verdicts import record
from mpcontinuity.verdicts.record import SenderVerdict
from tests.access.webmail.office import ANNA, BERT, Office
from tests.access.webmail.test_searching import domain
from tests.admin.portal.browser import Browser, Shown
from tests.archive.archived import archive
from tests.fakes.stores import result
from tests.message.display.messages import html, part, several

PICTURE = b"\x89PNG\r\n\x1a\n" + b"x" * 200_000
_FILE = 'Content-Disposition: attachment; filename="../b\u00e4r.txt"\r\n'
MESSAGE = several(
    "mixed",
    several(
        "related",
        part("text/html", b"<p>Hello</p><img src='cid:p@x'><img src='https://far.example/a.png'>"),
        part("image/png; name=p.png", PICTURE, "Content-ID: <p@x>\r\n"),
        header="",
    ),
    part("text/plain", b"caf=C3=A9", f"{_FILE}Content-Transfer-Encoding: quoted-printable\r\n"),
    part("text/html", b"<script>alert(1)</script>", "Content-Disposition: attachment; filename=x.html\r\n"),
    part("image/png", b"<svg onload=alert(1)>", "Content-Disposition: attachment; filename=y.png\r\n"),
    header="From: Bob <bob@far.example>\r\nTo: anna@example.org\r\nSubject: Hi\r\n",
)


@pytest.fixture
def path(office: Office) -> str:
    return f"/mail/{office.folder().id}/{office.put(MESSAGE)}"


def header(shown: Shown, name: str) -> str:
    found = re.search(rf"(?i)\r\n{name}: ([^\r]*)", shown.head.decode())
    return found[1] if found else ""


def octets(shown: Shown) -> bytes:
    return shown.page.encode("utf-8", "surrogateescape")


def test_the_page_has_a_frame_and_says_what_the_message_has(anna: Browser, path: str) -> None:
    page = anna.get(path).page
    assert (
        f'<iframe class="message" src="{path}/document" sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    )
    assert f'href="{path}/part/2" download>_b\u00e4r.txt' in page
    assert "One picture from elsewhere is not shown" in page
    assert "far.example/a.png" not in page
    assert "alert" not in page
    assert '<pre class="text">Hello</pre>' in page  # for who has no frames


def test_the_document_is_one_that_can_do_nothing(anna: Browser, path: str) -> None:
    shown = anna.get(f"{path}/document")
    policy = header(shown, "content-security-policy")
    images = re.search(r'<img src="(/images/[^/"]+)/1\.2">', shown.page)
    assert images is not None
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src https://mail.example.net{images[1]}/; "
        "sandbox allow-popups allow-popups-to-escape-sandbox; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'self'"
    )
    assert header(shown, "referrer-policy") == "no-referrer"
    assert header(shown, "x-content-type-options") == "nosniff"
    assert "far.example" not in shown.page


def test_pictures_from_elsewhere_come_once_by_a_form_and_by_no_link(anna: Browser, path: str) -> None:
    assert "far.example" not in anna.get(f"{path}/document?pictures=1").page
    location = anna.send(f"{path}/pictures", path, once="1").location
    asked = location.partition("?")[2]
    assert location == f"{path}?{asked}"
    assert f"{path}/document?{asked}" in anna.get(location).page
    shown = anna.get(f"{path}/document?{asked}")
    assert '<img src="https://far.example/a.png">' in shown.page
    assert "https: http:" in header(shown, "content-security-policy")
    assert "far.example" not in anna.get(f"{path}/document").page


def test_pictures_of_a_sender_come_always_once_that_is_wanted(anna: Browser, office: Office, path: str) -> None:
    anna.send(f"{path}/pictures", path, always="1")
    assert "https://far.example/a.png" in anna.get(f"{path}/document").page
    trusts = partial(trusted_senders.trusts, account=office.user().id, address="BOB@far.example")
    assert result(office.store.read(trusts))
    other = office.put(html("<img src='https://far.example/b.png'>", "Subject: x\r\n").replace(b"a@b.ex", b"c@d.ex"))
    assert "far.example" not in anna.get(f"{path.rpartition('/')[0]}/{other}/document").page


def test_trust_in_senders_is_bounded(office: Office) -> None:
    account = office.user().id
    for number in range(trusted_senders.MOST + 3):
        result(
            office.store.run(partial(trusted_senders.add, account=account, address=f"a{number}@b.example", now=number))
        )
    listed = result(office.store.read(partial(trusted_senders.listing, account=account)))
    assert len(listed) == trusted_senders.MOST
    assert "a0@b.example" not in listed


def test_a_picture_of_the_message_comes_by_its_path_without_a_session(anna: Browser, office: Office, path: str) -> None:
    found = re.search(r'<img src="(/images/[^"]+)">', anna.get(f"{path}/document").page)
    assert found is not None
    shown = office.browser().get(found[1])
    assert shown.code == 200
    assert octets(shown) == PICTURE
    assert header(shown, "content-type") == "image/png"
    assert header(shown, "cross-origin-resource-policy") == "cross-origin"


def test_a_path_of_pictures_ends_and_is_for_pictures_of_one_message_alone(
    anna: Browser, office: Office, path: str
) -> None:
    found = re.search(r'<img src="/images/([^/]+)/1\.2">', anna.get(f"{path}/document").page)
    assert found is not None
    browser, capability = office.browser(), found[1]
    account, folder, uid, ends, proof = capability.split(".")
    other = office.put(MESSAGE)
    for forged in (
        f"{account}.{folder}.{other}.{ends}.{proof}",
        f"{account}.{folder}.{uid}.{int(ends) * 2}.{proof}",
        "x",
        ".",
    ):
        assert browser.get(f"/images/{forged}/1.2").code == 404
    for other_part in ("2", "3", "4", "9", "1.1"):
        assert browser.get(f"/images/{capability}/{other_part}").code == 404
    office.clock.advance(HOUR)
    assert browser.get(f"/images/{capability}/1.2").code == 404


def test_an_attachment_is_a_file_whose_kind_is_not_said(anna: Browser, path: str) -> None:
    shown = anna.get(f"{path}/part/2")
    assert octets(shown) == "café".encode()
    assert header(shown, "content-type") == "application/octet-stream"
    assert header(shown, "content-disposition") == "attachment; filename=\"_b_r.txt\"; filename*=UTF-8''_b%C3%A4r.txt"
    assert header(shown, "content-security-policy").startswith("default-src 'none'")
    assert "sandbox" in header(shown, "content-security-policy")
    assert header(anna.get(f"{path}/part/3"), "content-type") == "application/octet-stream"


def test_pictures_and_texts_can_be_looked_at_and_what_only_says_so_cannot(anna: Browser, path: str) -> None:
    assert header(anna.get(f"{path}/view/1.2"), "content-type") == "image/png"
    assert header(anna.get(f"{path}/view/2"), "content-type") == "text/plain; charset=utf-8"
    for hidden in ("3", "4"):
        shown = anna.get(f"{path}/view/{hidden}")
        assert header(shown, "content-type") == "application/octet-stream"
        assert header(shown, "content-disposition").startswith("attachment")


def test_all_attachments_come_as_one_file(anna: Browser, path: str) -> None:
    shown = anna.get(f"{path}/all.zip")
    with zipfile.ZipFile(io.BytesIO(octets(shown))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["p.png", "_b\u00e4r.txt", "x.html", "y.png"]
        assert archive.read("p.png") == PICTURE


def test_the_original_is_text_or_a_file_and_is_as_it_came(anna: Browser, office: Office, path: str) -> None:
    shown = anna.get(f"{path}/original")
    assert header(shown, "content-type") == "text/plain; charset=utf-8"
    assert "sandbox" in header(shown, "content-security-policy")
    assert octets(shown).endswith(MESSAGE)
    assert header(anna.get(f"{path}/original?save=1"), "content-disposition").startswith("attachment")


def test_the_header_is_shown_field_by_field_and_the_paper_has_it_above(anna: Browser, path: str) -> None:
    assert '<th scope="row">Subject</th><td class="long">Hi</td>' in anna.get(f"{path}/headers").page
    printed = anna.get(f"{path}/print")
    assert "<td>Bob &lt;bob@far.example&gt;</td>" in printed.page
    assert "sandbox" in header(printed, "content-security-policy")


def test_the_paper_has_the_date_as_its_reader_writes_it(anna: Browser, office: Office) -> None:
    dated = b"Date: Tue, 03 Nov 2026 14:05:00 +0000\r\nFrom: a@far.example\r\n\r\nHello\r\n"
    path = f"/mail/{office.folder().id}/{office.put(dated)}/print"
    assert "<td>Tue 3 Nov 2026, 14:05 UTC</td>" in anna.get(path).page
    anna.send("/settings/language", language="de")
    assert "<td>Di., 3. Nov. 2026, 14:05 UTC</td>" in anna.get(path).page


BELOW = ("", "/document", "/print", "/headers", "/original", "/part/2", "/view/2", "/all.zip")


@pytest.mark.parametrize("below", BELOW)
def test_nobody_sees_what_is_in_another_users_message(office: Office, path: str, below: str) -> None:
    assert office.browser(BERT).get(path + below).code == 404
    nobody = office.browser().get(path + below)
    assert (nobody.code, nobody.location.partition("?")[0]) == (303, "/login")


@pytest.mark.parametrize("below", BELOW)
def test_a_uid_that_reaches_into_another_folder_is_none(office: Office, path: str, below: str) -> None:
    """entry.id has the mailbox above the UID."""
    folder, uid = map(int, path.split("/")[2:])
    office.put(MESSAGE, address=BERT)
    own = office.folder(address=BERT).id
    assert office.browser(BERT).get(f"/mail/{own}/{(folder << 32) | uid}{below}").code == 404
    assert office.browser(BERT).get(f"/mail/{own}/{((folder ^ own) << 32) | uid}{below}").code == 404


def test_a_message_that_is_gone_is_said_to_be(anna: Browser, office: Office) -> None:
    for below in BELOW:
        assert anna.get(f"/mail/{office.folder().id}/77{below}").code == 404


def test_pictures_are_wanted_by_a_form_of_ours_alone(anna: Browser, office: Office, path: str) -> None:
    assert anna.post(f"{path}/pictures", {"always": "1"}).code == 403
    assert not result(office.store.read(partial(trusted_senders.listing, account=office.user().id)))


def test_where_a_reader_dies_the_text_is_shown_with_a_word_of_why(anna: Browser, office: Office, path: str) -> None:
    office.jobs.dying = 1
    page = anna.get(path).page
    assert "could not be read as it was written" in page
    assert "Hello" in anna.get(f"{path}/document").page


def test_where_two_readers_die_the_first_octets_are_shown(anna: Browser, office: Office) -> None:
    uid = office.put(b"From: a@b.example\r\nSubject: x\r\n\r\nHello <b>there</b>")
    office.jobs.dying = 2
    shown = anna.get(f"/mail/{office.folder().id}/{uid}/document")
    assert "Hello &lt;b&gt;there&lt;/b&gt;" in shown.page
    assert anna.get(f"/mail/{office.folder().id}/{uid}/headers").code == 200


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No reader has time for anything."""

    async def refuse(*_: object) -> bytes:
        raise Busy

    monkeypatch.setattr(Readers, "ask", refuse)


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("below", ["/part/2", "/view/2", "/all.zip"])
def test_while_readers_are_busy_no_file_is_said_not_to_be_there(anna: Browser, path: str, below: str) -> None:
    assert anna.get(path).code == 200
    assert anna.get(path + below).code == 503


@pytest.mark.parametrize("below", ["/part/2", "/view/2", "/all.zip"])
def test_where_readers_die_of_a_message_its_original_is_offered(
    anna: Browser, office: Office, path: str, below: str
) -> None:
    office.jobs.dying = 2
    shown = anna.get(path + below)
    assert shown.code == 409
    assert "its original" in shown.page


@pytest.mark.usefixtures("busy")
def test_while_readers_are_busy_no_wish_for_pictures_is_lost(anna: Browser, path: str) -> None:
    form = {**anna.get("/").hidden("/logout"), "always": "1"}
    assert anna.post(f"{path}/pictures", form).code == 503


def test_what_is_read_for_a_picture_does_not_take_the_warnings_from_the_page(anna: Browser, office: Office) -> None:
    uid = office.put(html("<p>Hello</p>", "Subject: x\r\n").replace(b"a@b.example", b"a@examp1e.org"))
    folder = office.folder().id
    body = result(body_of(office.store, folder, uid))
    assert body is not None
    reading, of = office.services.reading, Message(office.user().id, folder, uid, body)
    assert not result(reading.shown(of, "")).warnings
    assert [each.kind for each in result(reading.shown(of, "example.org")).warnings] == ["look-alike"]


def test_a_picture_needs_no_reader_once_its_message_is_shown(anna: Browser, office: Office, path: str) -> None:
    found = re.search(r'<img src="(/images/[^"]+)">', anna.get(f"{path}/document").page)
    assert found is not None
    begun = office.jobs.begun
    assert office.browser().get(found[1]).code == 200
    assert office.jobs.begun == begun


def test_a_message_is_read_once_for_its_page_and_its_frame(anna: Browser, office: Office, path: str) -> None:
    anna.get(path)
    begun = office.jobs.begun
    anna.get(f"{path}/document")
    assert office.jobs.begun == begun


def test_what_a_message_of_the_archive_contains_is_shown_to_its_user_alone(office: Office, anna: Browser) -> None:
    archive(office.store, MESSAGE, recipients=[ANNA], domain=domain(office), time=office.clock.now())
    office.clock.advance(10)
    listed = re.search(r'href="(/archive/\w+)">Hi<', anna.get("/archive/").page)
    assert listed is not None
    where = listed[1]
    assert f'src="{where}/document"' in anna.get(where).page
    found = re.search(r'<img src="(/images/[^"]+)">', anna.get(f"{where}/document").page)
    assert found is not None
    assert octets(office.browser().get(found[1])) == PICTURE
    assert octets(anna.get(f"{where}/part/2")) == "café".encode()
    for below in BELOW:
        assert anna.get(where + below).code == 200, below
        assert office.browser(BERT).get(where + below).code == 404, below


def test_a_sender_whose_domain_failed_its_check_is_marked_and_not_trusted(anna: Browser, office: Office) -> None:
    uid = office.put(MESSAGE)
    path = f"/mail/{office.folder().id}/{uid}"
    anna.send(f"{path}/pictures", path, always="1")
    other = f"/mail/{office.folder().id}/{office.put(MESSAGE + b'x')}"
    body = result(body_of(office.store, office.folder().id, int(other.rpartition("/")[2])))
    assert body is not None
    failed = SenderVerdict("fail", "fail", "fail", "")
    result(office.store.run(partial(record.add, body=body.id, verdict=failed)))
    assert "https://far.example/a.png" in anna.get(f"{path}/document").page
    assert "The check of far.example failed" in anna.get(other).page
    assert "far.example" not in anna.get(f"{other}/document").page


def test_what_a_page_says_once_is_not_said_again_after_that_of_a_message_that_is_gone(
    anna: Browser, office: Office
) -> None:
    path = f"/mail/{office.folder().id}/{office.put(MESSAGE)}"
    anna.send(f"{path.rpartition('/')[0]}/do", path, action="delete", next=path)
    gone = anna.get(path)
    assert (gone.code, ">Undo<" in gone.page) == (404, True)
    assert ">Undo<" not in anna.get("/folders").page


def test_who_a_message_went_to_is_named_by_name_and_address(anna: Browser, office: Office) -> None:
    many = ", ".join(f"c{number}@y.example" for number in range(7))
    fields = f"To: Ann <anna@example.org>, x@x.example\r\nCc: Carl <c@x.example>, {many}"
    uid = office.put(f"From: a@x.example\r\n{fields}\r\n\r\n".encode())
    page = anna.get(f"/mail/{office.folder().id}/{uid}").page
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "To Ann &lt;anna@example.org&gt; , x@x.example Cc Carl &lt;c@x.example&gt; , c0@y.example," in words
    assert re.search(r"c3@y.example\s+and 3 more\s+c4@y.example", words)
