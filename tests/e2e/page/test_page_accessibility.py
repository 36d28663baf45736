"""Accessibility, keys, small screens and a stable layout of the search page, in a real browser."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.page.browsing import QUERY, TOWER, assert_accessible, hold_notices, open_search


def test_arrows_move_within_the_grid_and_a_link_skips_to_it(page: Page, live: Any) -> None:
    page.goto(live.url)
    hits = page.locator("#grid .hit")
    expect(hits).to_have_count(5)
    page.locator("#q").evaluate("(box) => box.blur()")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    expect(hits.nth(0)).to_be_focused()
    for key, place in (("ArrowRight", 1), ("End", 4), ("ArrowLeft", 3), ("Home", 0)):
        page.keyboard.press(key)
        expect(hits.nth(place)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(hits.nth(0)).not_to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(hits.nth(0)).to_be_focused()
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    expect(hits.nth(0)).to_be_focused()


def test_sticky_bars_leave_a_small_screen_to_the_images(page: Page, live: Any) -> None:
    page.set_viewport_size({"width": 640, "height": 360})
    page.goto(live.url)
    expect(page.locator("#change")).to_be_visible()
    assert 0 < covered(page) <= 0.15 * 360
    page.locator("#grid .hit").first.focus()
    page.keyboard.press("x")
    for button in ("#copy-links", "#copy-paths", "#zip", "#delete-selected", "#deselect"):
        expect(page.locator(button)).to_be_in_viewport(ratio=0.99)
    assert 0 < covered(page) <= 0.15 * 360


def covered(page: Page) -> float:
    """The height of the bars that stay on the screen."""
    return float(
        page.evaluate(
            """() => [...document.querySelectorAll("header, footer")]
              .filter((bar) => getComputedStyle(bar).position === "sticky")
              .reduce((sum, bar) => sum + bar.getBoundingClientRect().height, 0)"""
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_an_accessibility_violation(page: Page, live: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    # Colors alone differ between the schemes.
    rules = ["color-contrast"] if scheme == "dark" else []
    page.goto(live.url)
    expect(page.locator("#examples button").first).to_be_visible()
    expect(page.locator("#rejected")).to_be_visible()
    assert_accessible(page, *rules)
    for opener, dialog in (("#rejected", "#unread"), ("#show-keys", "#keys")):
        page.click(opener)
        expect(page.locator(dialog)).to_be_visible()
        assert_accessible(page, *rules)
        page.keyboard.press("Escape")
    page.click("#show-duplicates")
    expect(page.locator("#groups figure")).to_have_count(2)
    assert_accessible(page, *rules)
    open_search(page, live.url, "asdfgh")
    expect(page.locator("#empty")).to_be_visible()
    assert_accessible(page, *rules)
    open_search(page, live.url, QUERY)
    page.locator("#unfold").click()
    page.locator("#grid .hit").first.focus()
    page.keyboard.press("x")
    assert_accessible(page, *rules)
    page.keyboard.press("+")
    expect(page.locator("#terms .of")).to_contain_text("Similar to")
    page.wait_for_selector(".hit .score", state="attached")
    assert_accessible(page, *rules)
    open_search(page, live.url, "ein+roter+Apfel")
    expect(page.locator("#language")).to_be_visible()
    assert_accessible(page, *rules)
    page.goto(f"{live.url}/?q={QUERY}&open={live.listed()[TOWER]['id']}")
    page.locator("#shows summary").click()
    expect(page.locator("#labels li").first).to_be_visible()
    assert_accessible(page, *rules)
    page.keyboard.press("l")
    expect(page.locator("#toast")).to_be_visible()
    assert_accessible(page, *rules)
    page.click("#crop")
    assert_accessible(page, *rules)


def test_nothing_shifts_while_the_page_loads(page: Page, live: Any) -> None:
    page.add_init_script(
        """window.shifts = [];
        new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
          if (!entry.hadRecentInput) window.shifts.push([entry.value, entry.sources.map(
            ({ node, previousRect, currentRect }) =>
              [node?.id || node?.className, JSON.stringify([previousRect, currentRect])])]);
        })).observe({ type: "layout-shift", buffered: true });"""
    )
    for path in ("/", f"/?q={QUERY}"):
        page.goto(live.url + path)
        expect(page.locator("#grid .hit").first).to_be_visible()
        expect(page.locator("#state")).to_contain_text("images")
        expect(page.get_by_role("treeitem", name="landmarks, 1")).to_be_visible()
        page.wait_for_load_state("networkidle")
        shifts = page.evaluate("window.shifts")
        assert sum(value for value, _ in shifts) <= 0.02, f"{path}: {shifts}"


COVERED = """() => {
  const box = document.querySelector("#toast").getBoundingClientRect();
  const layer = document.querySelector("dialog[open]") || document.querySelector("footer");
  return [...layer.querySelectorAll("button, a, select, summary")]
    .filter((each) => each.checkVisibility() && !each.closest("#toast"))
    .filter((each) => {
      const { left, right, top, bottom } = each.getBoundingClientRect();
      return left < box.right && right > box.left && top < box.bottom && bottom > box.top;
    }).map((each) => each.id || each.textContent);
}"""


@pytest.mark.parametrize(("width", "height"), [(375, 560), (375, 740), (768, 1000), (1440, 900)])
def test_a_notice_covers_no_button(page: Page, live: Any, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    hold_notices(page)
    open_search(page, live.url, QUERY)
    notice = page.locator("#toast")
    page.locator("#grid .hit").first.focus()
    page.keyboard.press("x")
    page.click("#copy-paths")
    expect(notice).to_have_text("1 path copied")
    expect(notice).to_be_in_viewport(ratio=0.99)
    assert page.evaluate(COVERED) == []
    page.keyboard.press("Escape")
    page.locator("#grid .hit").first.click()
    page.get_by_role("button", name="Good match").click()
    expect(notice).to_have_text("Feedback saved")
    expect(notice).to_be_in_viewport(ratio=0.99)
    assert page.evaluate(COVERED) == []
    page.click("#delete")
    expect(notice).to_contain_text("eiffel-tower.webp deleted")
    assert page.evaluate(COVERED) == []
    page.keyboard.press("Control+z")
    expect(notice).to_contain_text("restored")
