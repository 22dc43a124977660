"""The life of an administrator in a browser, from the first login to the audit, wide, and narrow without JavaScript.

Each test goes on where the one before it ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, FilePayload

from tests.browser.site import NAME, PASSWORD, add_administrator, origin, serving
from tests.browser.totp import code
from tests.browser.window import NARROW, WIDE, Window, window
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World


@dataclass
class Life:
    """The administrator's browser, and the world beside it."""

    window: Window
    world: World
    recovery_codes: list[str] = field(default_factory=list)

    def until(self, path: str, text: str) -> None:
        """Opens the page again and again until it says that."""

        def said() -> bool:
            self.window.go(path)
            return text in self.window.text

        self.world.wait_for(said, why=lambda: f"{path} never said {text!r}: {self.window.text}")


@pytest.fixture(scope="module", params=["wide", "narrow without JavaScript"])
def life(request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    wide = request.param == "wide"
    with ScriptedHome() as home, serving(tmp_path_factory.mktemp("server")) as server:
        add_administrator(server)
        with window(browser, origin(server), scripts=wide) as opened:
            opened.size(WIDE if wide else NARROW, "light")
            yield Life(opened, World(server, home))
            assert not opened.complaints()


def test_the_first_login_leads_to_a_second_factor(life: Life) -> None:
    window = life.window
    window.go("/admin/")
    window.fill(name=NAME, password="guessed")
    window.press("Log in")
    assert "The name or the password is wrong" in window.text
    window.fill(name=NAME, password=PASSWORD)
    window.press("Log in")
    assert window.heading == "Set up a second factor"
    key = window.page.locator("p:has-text('Key:') code").inner_text()
    window.fill(code="000000")
    window.press("Go on")
    assert window.heading == "Set up a second factor"
    assert key == window.page.locator("p:has-text('Key:') code").inner_text()
    window.fill(code=code(key))
    window.press("Go on")
    assert window.heading == "Recovery codes"
    life.recovery_codes = window.page.locator("ul.codes li").all_inner_texts()
    assert len(set(life.recovery_codes)) >= 8
    window.follow("I have kept them")
    assert window.path == "/admin/"


def test_who_logs_out_is_asked_for_both_again_and_a_recovery_code_counts_once(life: Life) -> None:
    window = life.window
    spent = life.recovery_codes[0]
    for given, lets_in in ((spent, True), (spent, False), (life.recovery_codes[1], True)):
        if window.path == "/admin/":
            window.press("Log out")
        if window.path.startswith("/admin/login") and window.heading == "Log in":
            window.fill(name=NAME, password=PASSWORD)
            window.press("Log in")
        window.fill(code=given)
        window.press("Log in" if window.page.get_by_role("button", name="Log in", exact=True).count() else "Go on")
        assert (window.path == "/admin/") is lets_in, window.text


def test_a_domain_is_added_and_a_wrong_one_is_said_at_its_field(life: Life) -> None:
    window = life.window
    window.go("/admin/domains")
    window.fill(name="branch.example", home="not a host!")
    window.press("Add")
    assert window.page.locator("[name=home]").get_attribute("aria-invalid") == "true"
    assert window.page.locator("[name=name]").input_value() == "branch.example"
    window.fill(home="home.branch.example")
    window.press("Add")
    assert life.world.cli("domain", "show", "branch.example")["home"] == "home.branch.example:25"
    window.go("/admin/domains")
    window.follow("branch.example")
    assert window.heading == "branch.example"


def test_users_are_imported_after_a_look_at_what_each_line_would_do(life: Life) -> None:
    window = life.window
    window.go("/admin/users/import")
    window.fill(text="eva@branch.example,Eva,,a good password of hers\nnobody@elsewhere.example,Nobody")
    window.press("Show what would be done")
    assert "Nothing is changed yet" in window.text
    assert life.world.cli("user", "list", "--domain", "branch.example") == []
    window.press("Import these lines")
    life.until(window.path, "1 was added")
    assert "nobody@elsewhere.example" in window.text
    (eva,) = life.world.cli("user", "list", "--domain", "branch.example")
    assert (eva["address"], eva["status"]) == ("eva@branch.example", "active")
    window.go("/admin/users")
    assert "eva@branch.example" in window.text


def test_a_file_of_users_is_looked_at_and_imported(life: Life) -> None:
    window = life.window
    if not window.scripts:
        window.go("/admin/users/import")
        assert not window.page.get_by_label("CSV file").is_visible()
        return
    lines = "".join(f"user{number}@branch.example,User {number}\n" for number in range(60))
    text = f"address,name\n{lines}user0@branch.example\n"
    file = FilePayload(name="users.csv", mimeType="text/csv", buffer=text.encode())
    window.go("/admin/users/import")
    window.page.get_by_role("button", name="Look at the file").click()
    assert "Choose a file first." in window.text
    window.page.get_by_label("CSV file").set_input_files(file)
    window.page.get_by_role("button", name="Look at the file").click()
    window.page.get_by_text("60 would be added").wait_for()
    assert "the same address as in line 2" in window.text
    assert not window.faults()
    assert len(life.world.cli("user", "list", "--domain", "branch.example")) == 1
    with window.page.expect_navigation():
        window.page.get_by_role("button", name="Import this file").click()
    window.page.get_by_text("60 were added").wait_for()  # comes by itself
    assert len(life.world.cli("user", "list", "--domain", "branch.example")) == 61


def test_dns_says_what_is_to_be_published_for_the_domain(life: Life) -> None:
    life.window.go(f"/admin/domain/{life.world.domain}/dns")
    assert f"{life.world.domain}. IN MX 10 mx.continuity.example" in life.window.text


def test_an_outage_is_planned_and_ended_before_it_begins(life: Life) -> None:
    window, page = life.window, f"/admin/domain/{life.world.domain}/"
    window.go(page)
    window.fill(**{"from": "2020-01-01T10:00", "until": "2020-01-01T12:00", "note": "the disks are changed"})
    window.press("Plan an outage")
    assert window.page.locator("[aria-invalid=true]").count() == 1, window.text
    assert life.world.cli("domain", "plan", life.world.domain, "--list") == []
    day = f"{datetime.now(UTC) + timedelta(days=7):%Y-%m-%d}"
    window.fill(**{"from": f"{day}T10:00", "until": f"{day}T12:00"})
    window.press("Plan an outage")
    (planned,) = life.world.cli("domain", "plan", life.world.domain, "--list")
    assert planned["note"] == "the disks are changed"
    window.go(page)
    assert "the disks are changed" in window.text
    window.press("End")
    assert life.world.cli("domain", "plan", life.world.domain, "--list") == []


def test_the_settings_of_the_continuity_service_are_changed(life: Life) -> None:
    window = life.window
    window.go(f"/admin/domain/{life.world.domain}/continuity")
    window.page.get_by_label("Bounce policy").select_option("disabled-on-continuity")
    window.page.get_by_label("Archive mail for").fill("ages")
    window.press("Save")
    assert window.page.get_by_label("Archive mail for").get_attribute("aria-invalid") == "true"
    window.page.get_by_label("Archive mail for").fill("30")
    window.press("Save")
    shown = life.world.cli("domain", "show", life.world.domain)
    assert (shown["bounce-policy"], shown["retention-days"]) == ("disabled-on-continuity", 30)


def test_an_outage_is_seen_at_home_and_in_the_queue(life: Life) -> None:
    world = life.world
    world.home.stop()
    for number in range(3):
        assert world.send(f"message {number} of the outage").code == 250
    life.until("/admin/", "down")
    life.until("/admin/queue", "message 2 of the outage")


def test_the_outage_room_tells_what_happened_and_what_to_tell_users(life: Life) -> None:
    window, page = life.window, f"/admin/domain/{life.world.domain}/outage"
    life.until(page, "The first message was kept here")
    assert "The home server was not reached" in window.text
    assert "https://mx.continuity.example/setup" in window.text
    assert window.page.get_by_role("button", name="Copy").count() == (5 if window.scripts else 0)
    window.press("Declare an outage")
    life.until(page, "Declared an outage")
    window.press("Stop")
    assert "No outage of" in window.text
    life.until(page, "Ended the declared outage")


def test_tracking_tells_each_message_s_story_live(life: Life) -> None:
    world, window = life.world, life.window
    window.go(f"/admin/tracking?recipient={world.anna}")
    assert "message 2 of the outage" in window.text
    assert world.send("a message that comes while somebody looks", world.ben).code == 250
    assert world.send("a last message", world.anna).code == 250
    if window.scripts:
        window.page.get_by_text("a last message").wait_for()  # comes by itself
    life.until(f"/admin/tracking?recipient={world.anna}", "a last message")
    assert "while somebody looks" not in window.text
    window.page.get_by_role("row").filter(has_text="a last message").get_by_role("link").first.click()
    window.page.wait_for_url("**/admin/tracking/*")
    assert "deferred" in window.text
    assert "Redirect because: " in window.text
    window.press("Take it out")
    assert [row["outcome"] for row in world.cli("track", "--recipient", world.anna, "--limit", "1")] == ["released"]


def test_what_is_taken_out_of_the_queue_is_released(life: Life) -> None:
    window = life.window
    window.go("/admin/queue")
    window.page.get_by_label("message 0 of the outage").check()
    window.press("Take these out")
    life.until("/admin/queue", "message 1 of the outage")
    assert "message 0 of the outage" not in window.text


def test_after_the_outage_the_report_adds_up(life: Life) -> None:
    world = life.world
    world.home.start()
    world.wait_for_ledger(taken_in=5, delivered=3, released=2)
    life.window.go(f"/admin/report?domain={world.domain}")
    assert "adds up Of 5 messages that continuity took in, 3 went home" in " ".join(life.window.text.split())


def test_the_audit_has_who_did_it_and_from_where(life: Life) -> None:
    life.window.go("/admin/audit")
    text = " ".join(life.window.text.split())
    assert "queue remove" in text
    assert "admin totp confirm" in text
    assert f"{NAME} login, 127.0.0.1" in text
