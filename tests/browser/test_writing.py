"""A letter in a real browser: nothing typed is lost, files come in pieces, and a killed server sends it once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.site import origin
from tests.browser.study import Study, sign_in, studying
from tests.browser.window import PATIENCE, Window, window


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with studying(tmp_path_factory.mktemp("server")) as study:
        yield study


@pytest.fixture
def anna(browser: Browser, study: Study) -> Iterator[Window]:
    with window(browser, origin(study.server)) as opened:
        sign_in(opened, study)
        yield opened


def test_the_pages_are_sound_at_both_widths_in_both_themes(anna: Window) -> None:
    for path in ("/write", "/outbox"):
        anna.go(path)
        anna.sound()


def test_what_is_typed_is_a_draft_by_itself_and_there_after_a_reload(anna: Window, study: Study) -> None:
    anna.go("/write")
    anna.fill(to="ben@", subject="By itself", text="Typed and not saved by hand")
    expect(anna.page.locator("[data-state]")).to_contain_text("Saved in Drafts", timeout=PATIENCE)
    assert study.count("Drafts") == 1
    anna.page.locator("#text").fill("Typed a moment before")
    anna.page.wait_for_timeout(1200)  # a copy each second
    anna.page.reload()
    assert anna.page.locator("#text").input_value() == "Typed a moment before"
    assert anna.page.locator("#to").input_value() == "ben@"
    expect(anna.page.locator("[data-state]")).to_contain_text("Saved in Drafts", timeout=PATIENCE)
    assert study.count("Drafts") == 1
    assert b"Typed a moment before" in study.text("Drafts")
    anna.press("Discard")
    assert study.count("Drafts") == 0


def test_a_session_that_ends_while_typing_loses_nothing(anna: Window, study: Study) -> None:
    anna.go("/write")
    anna.page.context.clear_cookies()
    anna.fill(subject="Signed out", text="A long letter")
    state = anna.page.locator("[data-state]")
    expect(state).to_contain_text("You are signed out", timeout=PATIENCE)
    other = Window(anna.page.context.new_page(), origin(study.server), scripts=True)
    sign_in(other, study)
    expect(state).to_contain_text("Saved in Drafts", timeout=PATIENCE)
    assert b"A long letter" in study.text("Drafts")
    anna.complaints()  # 401 and 403
    anna.press("Discard")


def test_a_file_comes_in_pieces_with_progress_and_leaves_with_the_letter(
    anna: Window, study: Study, tmp_path: Path
) -> None:
    file = tmp_path / "plan.bin"
    file.write_bytes(bytes(range(256)) * 10_000)
    sent: list[str] = []
    anna.page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    anna.go("/write")
    anna.fill(to=study.ben, subject="With a file", text="Here it is")
    anna.page.set_input_files("#files", file)
    expect(anna.page.get_by_role("button", name="Remove plan.bin")).to_be_visible(timeout=PATIENCE)
    assert len(sent) == 3  # of 1 MiB at most
    anna.press("Send")
    assert anna.path == "/outbox"
    before = study.count("Sent")
    study.wait_for(lambda: study.count("Sent") == before + 1)
    assert b'filename="plan.bin"' in study.text("Sent")
    assert study.count("Drafts") == 0


def test_undo_brings_the_letter_back(anna: Window, study: Study) -> None:
    anna.go("/write")
    anna.fill(to=study.ben, subject="Too early", text="Not yet")
    anna.press("Send")
    anna.press("Undo")
    assert anna.path.startswith("/write?draft=")
    assert anna.page.locator("#text").input_value() == "Not yet"
    anna.press("Discard")


def test_a_server_that_is_killed_before_its_time_has_come_sends_it_once(anna: Window, study: Study) -> None:
    before = study.count("Sent")
    anna.go("/write")
    anna.fill(to=study.ben, subject="Killed", text="Once")
    anna.press("Send")
    study.server.stop(signal.SIGKILL)
    study.server.start()
    study.wait_for(lambda: study.count("Sent") == before + 1)
    rows = [row for row in study.server.json("track") if row["subject"] == "Killed"]
    assert [row["recipient"] for row in rows if row["direction"] == "outbound"] == [study.ben]
    assert [row["recipient"] for row in rows if row["direction"] == "redelivery"] == [study.anna]  # the copy for home
    assert study.count("Drafts") == 0
    assert study.count("Sent") == before + 1


def test_who_logs_out_leaves_no_letter_in_the_browser(anna: Window) -> None:
    anna.go("/write")
    anna.page.locator("#text").fill("Secret")
    anna.page.wait_for_timeout(1200)
    assert "Secret" in anna.page.evaluate("JSON.stringify(localStorage)")
    anna.press("Log out")
    assert "Secret" not in anna.page.evaluate("JSON.stringify(localStorage)")


def test_two_windows_of_one_draft_are_two_drafts_in_the_end(anna: Window, study: Study) -> None:
    state = "[data-state]"
    anna.go("/write")
    anna.fill(subject="Twice", text="Begun")
    expect(anna.page.locator(state)).to_contain_text("Saved in Drafts", timeout=PATIENCE)
    other = Window(anna.page.context.new_page(), anna.origin, scripts=True)
    other.go(anna.path)
    anna.fill(text="As the first has it")
    study.wait_for(lambda: b"As the first has it" in study.text("Drafts"))
    other.fill(text="As the second has it")
    expect(other.page.locator(state)).to_contain_text("in another window", timeout=PATIENCE)
    assert study.count("Drafts") == 2
    assert other.path != anna.path
    for each, text in ((anna, "As the first has it"), (other, "As the second has it")):
        each.page.reload()
        assert each.page.locator("#text").input_value() == text
        each.press("Discard")
    assert study.count("Drafts") == 0


def test_a_save_whose_answer_is_lost_makes_one_draft_with_the_next(anna: Window, study: Study) -> None:
    lost: list[str] = []

    def lose(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.request.url)
            route.fetch()
            route.abort()
        else:
            route.continue_()

    anna.page.route("**/write", lose)
    anna.go("/write")
    anna.fill(subject="Lost", text="Begun")
    state = anna.page.locator("[data-state]")
    expect(state).to_contain_text("No connection", timeout=PATIENCE)
    anna.page.locator("#text").fill("Begun, and more")
    expect(state).to_contain_text("Saved in Drafts", timeout=PATIENCE)
    found = study.count("Drafts")
    assert b"and more" in study.text("Drafts")
    assert lost
    anna.complaints()  # of that answer
    anna.press("Discard")
    assert found == 1


def test_a_letter_that_no_server_got_is_offered_again_also_to_who_has_a_signature(anna: Window, study: Study) -> None:
    for signature in ("", "Anna Berg"):
        anna.go("/settings/signature")
        anna.fill(text=signature)
        anna.press("Save")
        anna.go("/write")
        anna.page.route(
            "**/write", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
        )
        anna.fill(subject="Lost", text="Typed while there was no connection")
        anna.page.wait_for_timeout(1200)  # a copy each second
        anna.go("/write")
        offered = anna.page.locator("p.notice").filter(has_text="was not saved")
        expect(offered).to_contain_text("Lost")
        anna.page.unroute("**/write")
        offered.get_by_role("button", name="Go on with it").click()
        assert anna.page.locator("#text").input_value() == "Typed while there was no connection"
        expect(anna.page.locator("[data-state]")).to_contain_text("Saved in Drafts", timeout=PATIENCE)
        anna.press("Discard")
        assert study.count("Drafts") == 0
    anna.complaints()


def test_an_answer_that_no_server_got_is_one_also_where_it_is_taken_up_again(anna: Window, study: Study) -> None:
    original = b"From: bob@x.example\r\nSubject: Asked\r\nMessage-ID: <asked@x.example>\r\n\r\nWhen?\r\n"
    with study.imap() as session:
        session.append("INBOX", "", None, original)
    anna.go("/")
    path = anna.page.get_by_role("link", name="Asked").first.get_attribute("href") or ""
    anna.page.route("**/write", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    anna.go(f"/write?reply={'.'.join(path.split('/')[2:4])}")
    anna.fill(text="At noon")
    anna.page.wait_for_timeout(1200)  # a copy each second
    anna.go("/write")
    anna.page.unroute("**/write")
    anna.page.get_by_role("button", name="Go on with it").click()
    expect(anna.page.locator("[data-state]")).to_contain_text("Saved in Drafts", timeout=PATIENCE)
    assert b"In-Reply-To: <asked@x.example>" in study.text("Drafts")
    anna.complaints()
    anna.press("Discard")


def test_who_loads_the_page_again_or_goes_back_writes_the_same_letter_and_sends_it_once(
    anna: Window, study: Study
) -> None:
    before = study.count("Sent")
    anna.go("/write")
    anna.fill(to=study.ben, subject="Again", text="Typed before anything was saved")
    anna.page.wait_for_timeout(1200)  # a copy each second
    anna.page.reload()
    assert anna.page.locator("#text").input_value() == "Typed before anything was saved"
    assert anna.page.locator("#to").input_value() == study.ben
    anna.press("Send")
    study.wait_for(lambda: study.count("Sent") == before + 1)
    anna.page.go_back()
    expect(anna.page.get_by_text("it was sent or discarded")).to_be_visible(timeout=PATIENCE)
    assert study.count("Drafts") == 0
    anna.complaints()  # 404
