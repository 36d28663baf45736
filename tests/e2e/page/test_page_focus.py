"""The focus of the keyboard on the search page, in a real browser. No test uses a pointer."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.page.browsing import NOTICE_SECONDS, QUERY, hold_notices, open_search

Eventually = Callable[..., None]


def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press a key until the target has the focus."""
    expect(target).to_be_visible()
    for _ in range(40):
        if target.evaluate("(node) => node === document.activeElement"):
            return
        page.keyboard.press(key)
    pytest.fail(f"{key} does not reach {target}")


def open_first(page: Page) -> None:
    """Open the first image of the results."""
    page.locator("#q").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#grid .hit").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()


def go_to(page: Page, place: int) -> Locator:
    """Focus an image of the results by its place."""
    page.locator("#q").focus()
    page.keyboard.press("ArrowDown")
    for _ in range(place):
        page.keyboard.press("ArrowRight")
    hit = page.locator("#grid li:not([hidden]) .hit").nth(place)
    expect(hit).to_be_focused()
    return hit


def select_all(page: Page) -> None:
    """The keys that select the first image and then all of them."""
    go_to(page, 0)
    page.keyboard.press("x")
    page.keyboard.press("Control+a")
    expect(page.locator("#selected")).to_have_text("5 selected")


def test_new_results_have_the_focus_of_what_they_replace(page: Page, live: Any) -> None:
    first = page.locator("#grid .hit").first
    page.goto(live.url)
    example = page.locator("#examples button").first
    tab_to(page, example)
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_contain_text("match")
    expect(first).to_be_focused()
    open_first(page)
    page.keyboard.press("Enter")
    expect(page.locator("#terms .of")).to_contain_text("Similar to")
    page.wait_for_selector(".hit .score", state="attached")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator(":focus:not(body)")).to_be_visible()
    open_search(page, live.url, QUERY)
    open_first(page)
    tab_to(page, page.get_by_role("button", name="Good match"))
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_have_text("Feedback saved")
    page.keyboard.press("Escape")
    expect(page.locator("#terms .of")).to_contain_text("Good match")
    expect(first).to_be_focused()
    page.keyboard.press("+")
    expect(page.locator("#terms .of").first).to_contain_text("Similar to")
    expect(page.locator(":focus:not(body)")).to_be_visible()


def test_back_gives_the_focus_to_the_image_that_had_it(page: Page, live: Any) -> None:
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(5)
    hit = go_to(page, 2)
    key = hit.get_attribute("data-key")
    page.keyboard.press("+")
    expect(page.locator("#terms .of")).to_contain_text("Similar to")
    page.go_back()
    expect(page.locator("#grid .hit")).to_have_count(5)
    expect(page.locator(f'.hit[data-key="{key}"]')).to_be_focused()


def test_a_button_that_is_busy_or_at_the_end_keeps_the_focus(page: Page, live: Any) -> None:
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(5)
    select_all(page)
    tab_to(page, page.locator("#zip"))
    with page.expect_download():
        page.keyboard.press("Enter")
    expect(page.locator("#zip")).not_to_be_disabled()
    expect(page.locator("#zip")).to_be_focused()
    page.keyboard.press("Escape")
    open_first(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    tab_to(page, page.locator("#next"))
    page.keyboard.press("Enter")
    expect(page.locator("#next")).to_be_disabled()
    expect(page.locator("#next")).to_be_focused()
    name = page.locator("#name").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#name")).to_have_text(name)


def test_escape_ends_the_crop_from_each_of_its_buttons(page: Page, live: Any) -> None:
    open_search(page, live.url, QUERY)
    open_first(page)
    expect(page.locator("#stage img")).not_to_have_js_property("naturalWidth", 0)
    for presses in range(3):
        page.keyboard.press("c")
        expect(page.locator("#frame")).to_be_focused()
        for _ in range(presses):
            page.keyboard.press("Tab")
        page.keyboard.press("Escape")
        expect(page.locator("#cropping")).to_be_hidden()
        expect(page.locator("#viewer")).to_be_visible()
        expect(page.locator("#crop")).to_be_focused()


def test_shift_and_arrows_extend_and_shrink_the_selection(page: Page, live: Any) -> None:
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(5)
    selected = page.locator("#selected")
    go_to(page, 4)
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    expect(page.locator("#selection")).to_be_hidden()
    # The earlier selection is over: it is not extended.
    go_to(page, 0)
    page.keyboard.press("Shift+ArrowRight")
    expect(selected).to_have_text("2 selected")
    page.keyboard.press("Shift+ArrowRight")
    expect(selected).to_have_text("3 selected")
    page.keyboard.press("Shift+ArrowLeft")
    expect(selected).to_have_text("2 selected")
    page.keyboard.press("Shift+End")
    expect(selected).to_have_text("5 selected")


def test_enter_opens_an_image_while_others_are_selected(page: Page, live: Any) -> None:
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(5)
    go_to(page, 0)
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#selected")).to_have_text("1 selected")
    expect(page.locator("#grid .hit").nth(1)).to_be_focused()


def test_a_deletion_moves_the_focus_to_the_next_image_and_undo_back(page: Page, live: Any) -> None:
    hold_notices(page)
    page.goto(live.url)
    hits = page.locator("#grid .hit")
    expect(hits).to_have_count(5)
    expect(page.locator("#add")).to_be_visible()
    go_to(page, 2)
    page.keyboard.press("x")
    page.keyboard.press("Shift+ArrowRight")
    tab_to(page, page.locator("#delete-selected"))
    page.keyboard.press("Enter")
    expect(hits.nth(3)).to_be_hidden()
    expect(hits.nth(4)).to_be_focused()
    page.keyboard.press("Control+z")
    expect(hits.nth(2)).to_be_focused()
    page.keyboard.press("Delete")
    expect(hits.nth(3)).to_be_focused()
    page.keyboard.press("Control+z")
    expect(hits.nth(2)).to_be_focused()


def test_a_deletion_waits_while_undo_has_the_focus(page: Page, live: Any) -> None:
    hold_notices(page)
    page.clock.install()
    page.goto(live.url)
    hit = page.locator("#grid .hit").nth(2)
    expect(page.locator("#add")).to_be_visible()
    go_to(page, 2)
    page.keyboard.press("Delete")
    undo = page.get_by_role("button", name="Undo")
    tab_to(page, undo)
    page.clock.run_for(2_000 * NOTICE_SECONDS)
    expect(undo).to_be_focused()
    page.keyboard.press("Enter")
    expect(hit).to_be_focused()
    page.clock.run_for(2_000 * NOTICE_SECONDS)
    assert len(live.listed()) == 5


def test_a_kept_copy_moves_the_focus_to_the_next_group(
    page: Page, live: Any, eventually: Eventually
) -> None:
    chair, copy = live.folder / "objects/white-chair.webp", live.folder / "objects/chair-copy.webp"
    shutil.copyfile(chair, copy)
    eventually("the groups are found", lambda: len(live.get("/v1/duplicates")["groups"]) == 2)
    hold_notices(page)
    page.goto(f"{live.url}/?view=duplicates")
    groups = page.locator(".group")
    expect(groups).to_have_count(2)
    for place, other in ((0, 1), (1, 0)):
        tab_to(page, groups.nth(place).get_by_role("button", name="Keep").first)
        page.keyboard.press("Enter")
        expect(groups.nth(place)).to_be_hidden()
        expect(groups.nth(other).locator(":focus")).to_have_count(1)
        page.keyboard.press("Control+z")
        expect(groups.nth(place).locator(":focus")).to_have_count(1)
    copy.unlink()
    eventually("the copy is gone", lambda: len(live.listed()) == 5)


def test_the_zoomed_image_is_moved_by_keys(page: Page, live: Any) -> None:
    open_search(page, live.url, QUERY)
    open_first(page)
    name, canvas = page.locator("#name"), page.locator("#stage .canvas")
    shown = name.inner_text()
    page.keyboard.press("z")
    page.keyboard.press("z")
    before = canvas.bounding_box()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    after = canvas.bounding_box()
    assert before
    assert after
    assert after["x"] < before["x"]
    assert after["y"] < before["y"]
    expect(name).to_have_text(shown)


def test_escape_closes_the_list_of_uploads_and_keeps_the_selection(
    page: Page, live: Any, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(5)
    go_to(page, 0)
    page.keyboard.press("x")
    page.on("filechooser", lambda chooser: chooser.set_files(tmp_path / "notes.txt"))
    tab_to(page, page.locator("#add"))
    page.keyboard.press("Enter")
    expect(page.locator("#uploaded")).to_contain_text("Not an image")
    expect(page.locator("#add")).not_to_be_disabled()
    expect(page.locator("#add")).to_be_focused()
    tab_to(page, page.locator("#uploads-close"), "Shift+Tab")
    page.keyboard.press("Escape")
    expect(page.locator("#uploads")).to_be_hidden()
    expect(page.locator("#add")).to_be_focused()
    expect(page.locator("#selected")).to_have_text("1 selected")


def test_the_list_of_keys_is_offered_and_readable_in_a_narrow_window(page: Page, live: Any) -> None:
    page.set_viewport_size({"width": 375, "height": 740})
    page.goto(live.url)
    tab_to(page, page.locator("#show-keys"))
    page.keyboard.press("Enter")
    described = page.locator("#keys dd").first.bounding_box()
    listed = page.locator("#keys .list").bounding_box()
    assert described
    assert listed
    assert described["width"] >= listed["width"] / 2
    page.keyboard.press("Escape")
    expect(page.locator("#show-keys")).to_be_focused()


def test_the_bar_of_a_selection_does_not_cover_the_selected_image(
    page: Page, live: Any, eventually: Eventually
) -> None:
    page.set_viewport_size({"width": 375, "height": 740})
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(5)
    hit, bar = page.locator("#grid .hit").last, page.locator("footer")
    # The window ends below the last image, with its footer.
    height = bottom_of(hit) + bar.evaluate("(node) => node.offsetHeight") + 8
    page.set_viewport_size({"width": 375, "height": round(height)})
    go_to(page, 4)
    page.keyboard.press("x")
    expect(page.locator("#selected")).to_have_text("1 selected")
    expect(hit).to_be_focused()
    eventually("the image is not covered", lambda: bottom_of(hit) <= top_of(bar))


def top_of(node: Locator) -> float:
    return float(node.evaluate("(node) => node.getBoundingClientRect().top"))


def bottom_of(node: Locator) -> float:
    return float(node.evaluate("(node) => node.getBoundingClientRect().bottom"))
