"""The duplicates view of the search page, in a real browser."""

import re
import shutil
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.e2e.page.browsing import COPY, hold_notices

Eventually = Callable[..., None]


def test_duplicates_are_shown_side_by_side_and_a_deletion_is_undone(
    page: Page, live: Any, eventually: Eventually
) -> None:
    eventually("the group is found", lambda: live.get("/v1/duplicates")["groups"])
    # The groups can be drawn before the state of the server is known.
    held: list[Route] = []
    page.route("**/v1/health", lambda route: held.append(route))
    with page.expect_request("**/v1/health"):
        page.goto(f"{live.url}/?view=duplicates")
    cards = page.locator("#groups figure")
    expect(cards).to_have_count(2)
    expect(page.get_by_role("button", name="Keep owl.webp")).to_be_hidden()
    for route in held:
        route.continue_()
    page.unroute("**/v1/health")
    expect(page.get_by_role("button", name="Keep owl.webp")).to_be_visible()
    hold_notices(page)
    page.goto(live.url)
    page.click("#show-duplicates")
    expect(cards).to_have_count(2)
    original = page.locator("figure", has_text="Suggested original")
    expect(original).to_have_attribute("data-key", "animals/owl.webp")
    expect(cards.last.locator("figcaption")).to_have_text(re.compile(r"\d+ × \d+ · \d+ kB$"))
    width = "(groups) => groups.offsetWidth / document.querySelector('main').clientWidth"
    assert page.locator("#groups").evaluate(width) > 0.5
    original.get_by_role("button", name="Keep owl.webp").click()
    expect(page.locator(".group")).to_be_hidden()
    expect(page.locator("#show-duplicates")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".group")).to_be_visible()
    cards.last.locator("a").click()
    expect(page.locator("#name")).to_have_text("owl-small.webp")
    page.go_back()
    expect(page.locator("#viewer")).to_be_hidden()
    page.go_back()
    expect(page.locator("#grid .hit")).to_have_count(5)
    assert (live.folder / COPY).exists()


def test_one_copy_is_kept_and_the_others_are_deleted(
    page: Page, live: Any, eventually: Eventually
) -> None:
    chair, copy = live.folder / "objects/white-chair.webp", live.folder / "objects/chair-copy.webp"
    shutil.copyfile(chair, copy)
    eventually("the group is found", lambda: len(live.get("/v1/duplicates")["groups"]) == 2)
    page.goto(f"{live.url}/?collection=objects")
    expect(page.locator("#grid .hit")).to_have_count(2)
    page.click("#show-duplicates")
    expect(page.get_by_role("heading", name="Duplicates in objects")).to_be_visible()
    cards = page.locator("#groups figure")
    expect(cards).to_have_count(2)
    # The arrows of an opened copy stay in the view, also after a button that is disabled by then.
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    expect(cards.first.locator("a")).to_be_focused()
    page.keyboard.press("Enter")
    names = [cards.nth(place).locator("b").inner_text() for place in (0, 1)]
    expect(page.locator("#name")).to_have_text(names[0])
    page.click("#next")
    expect(page.locator("#name")).to_have_text(names[1])
    expect(page.locator("#next")).to_be_disabled()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#name")).to_have_text(names[0])
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    page.get_by_role("button", name="Remove the filter Folder: objects").click()
    expect(page.get_by_role("heading", name="Duplicates", exact=True)).to_be_visible()
    expect(cards).to_have_count(4)
    expect(page.locator("#q")).to_be_focused()
    page.get_by_role("button", name="Keep white-chair.webp").press("Enter")
    expect(page.locator(".group:visible")).to_have_count(1)
    page.goto("about:blank")
    eventually("the copy is deleted", lambda: not copy.exists())
    eventually("one group is left", lambda: len(live.get("/v1/duplicates")["groups"]) == 1)
    assert chair.exists()
