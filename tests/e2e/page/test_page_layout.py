"""The layout of the search page on phones, tablets and desktops, in a real browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.page.browsing import assert_accessible
from tests.support.images.drawings import drawing

PHONE, TABLET, DESKTOP = (375, 740), (768, 1024), (1440, 900)
LONG = "Archive/2010s/Digital camera/100CANON"
ROW = 210
# Of visible controls; the buttons on an image extend beyond what they draw.
SMALL = """() => [...document.querySelectorAll(
    "button, a:not(.hit, .copy, .skip), select, summary, input:not([type=file]), .folder")]
  .filter((each) => each.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
  .filter((each) => !each.closest("dialog:not([open])") && !each.matches(".tool"))
  .filter((each) => each.getBoundingClientRect().height < 39.5)
  .map((each) => each.id || each.textContent)"""


@pytest.fixture(scope="module")
def live(serve: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Six photos of six months and of several shapes, two pairs of copies, and a long folder."""
    folder = tmp_path_factory.mktemp("layout")
    (folder / LONG).mkdir(parents=True)
    for number, size in enumerate([(600, 400), (900, 350), (400, 600), (600, 400)] * 2):
        exif = Image.Exif()
        taken = f"2024:{12 - number:02}:15 10:00:00"
        exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = taken
        target = folder / (LONG if number % 2 else "") / f"{number}.jpg"
        drawing(number, *size).save(target, exif=exif)
    for number in (0, 2):
        (folder / f"copy-{number}.jpg").write_bytes((folder / f"{number}.jpg").read_bytes())
    (folder / "broken.jpg").write_text("no picture")
    return serve(folder).start("--allow-uploads", "--allow-delete").ready()


@pytest.fixture
def touched(browser: Browser) -> Iterator[Callable[[tuple[int, int]], Page]]:
    """Creates pages of devices that are used with fingers."""
    contexts = []

    def made(size: tuple[int, int]) -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, has_touch=True, is_mobile=True
        )
        contexts.append(context)
        return context.new_page()

    yield made
    for context in contexts:
        context.close()


def open_start(page: Page, live: Any, query: str = "") -> None:
    page.goto(live.url + query)
    expect(page.locator("#grid .hit").first).to_be_visible()
    expect(page.locator("#state")).to_contain_text("10 images")


@pytest.mark.parametrize("size", [PHONE, TABLET])
def test_controls_are_large_enough_for_fingers(
    touched: Callable[[tuple[int, int]], Page], live: Any, size: tuple[int, int]
) -> None:
    page = touched(size)
    open_start(page, live, f"/?collection={LONG}")
    page.locator("#filters-toggle").click()
    page.locator("#filters summary", has_text="Date").click()
    expect(page.locator("#filters .value").first).to_be_visible()
    assert page.evaluate(SMALL) == []
    page.locator("#filters-toggle").click()
    page.locator("#grid .pick").first.click()
    expect(page.locator("#selection")).to_be_visible()
    assert page.evaluate(SMALL) == []
    page.locator("#deselect").click()
    page.locator("#grid .hit").first.click()
    expect(page.locator("#viewer")).to_be_visible()
    assert page.evaluate(SMALL) == []


def test_the_mark_that_selects_an_image_extends_to_the_corner(
    touched: Callable[[tuple[int, int]], Page], live: Any
) -> None:
    page = touched(PHONE)
    open_start(page, live)
    page.locator("#grid .hit").first.click(position={"x": 4, "y": 4}, force=True)
    expect(page.locator("#selected")).to_have_text("1 selected")


def test_the_bars_of_a_phone_leave_the_screen_to_the_images(
    touched: Callable[[tuple[int, int]], Page], live: Any
) -> None:
    page = touched(PHONE)
    open_start(page, live)
    expect(page.locator("#rejected")).to_be_visible()
    expect(page.locator("#change")).to_be_hidden()
    assert height(page, "footer") <= 0.15 * PHONE[1]
    page.get_by_role("button", name="Better model").click()
    expect(page.locator("#change-text")).to_be_visible()
    expect(page.locator("#install")).to_be_in_viewport(ratio=0.99)
    assert_accessible(page)
    page.get_by_role("button", name="Hide this offer").click()
    expect(page.locator("#better")).to_be_focused()
    page.locator("#grid .pick").first.click()
    assert height(page, "footer") <= 0.15 * PHONE[1]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_a_hidden_offer_stays_hidden_until_it_is_asked_for(page: Page, live: Any) -> None:
    open_start(page, live)
    expect(page.locator("#change-text")).to_contain_text("CLIP covers far more")
    page.get_by_role("button", name="Hide this offer").click()
    expect(page.locator("#change")).to_be_hidden()
    page.reload()
    better = page.get_by_role("button", name="Better model")
    expect(better).to_be_visible()
    expect(page.locator("#change")).to_be_hidden()
    better.click()
    expect(page.locator("#change")).to_be_visible()
    expect(better).to_be_hidden()


def height(page: Page, selector: str) -> float:
    return float(page.locator(selector).evaluate("(it) => it.getBoundingClientRect().height"))


def test_months_with_few_images_share_a_row(page: Page, live: Any) -> None:
    page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    open_start(page, live)
    tops = page.locator("#grid .month").evaluate_all(
        "(months) => months.map((month) => month.getBoundingClientRect().top)"
    )
    assert len(tops) == 8
    assert len(set(tops)) <= 5
    assert tops == sorted(tops)


@pytest.mark.parametrize("width", range(650, 1001, 70))
def test_an_image_alone_in_its_row_is_not_stretched_over_it(
    page: Page, live: Any, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_start(page, live, "/?sort=key")
    heights = page.locator("#grid .hit").evaluate_all(
        "(hits) => hits.map((hit) => hit.getBoundingClientRect().height)"
    )
    assert max(heights) <= 1.75 * ROW + 1


def test_the_chip_of_a_long_folder_names_its_end_and_can_be_removed(page: Page, live: Any) -> None:
    open_start(page, live, f"/?collection={LONG}")
    chip = page.locator("#active button")
    expect(chip).to_have_text("Archive/…/100CANON ✕")
    expect(chip).to_have_attribute("title", f"Folder: {LONG}")
    assert chip.evaluate("(it) => it.scrollWidth <= it.clientWidth")
    expect(page.locator("#q")).to_have_attribute("placeholder", "Search in 100CANON")


def test_groups_of_two_copies_are_side_by_side_on_a_desktop(page: Page, live: Any) -> None:
    page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    page.goto(f"{live.url}/?view=duplicates")
    groups = page.locator(".group")
    expect(groups).to_have_count(2)
    first, second = groups.nth(0).bounding_box(), groups.nth(1).bounding_box()
    assert first
    assert second
    assert first["y"] == second["y"]
    assert second["x"] > first["x"] + first["width"]


def test_the_opened_image_takes_the_width_of_a_tablet(page: Page, live: Any) -> None:
    page.set_viewport_size({"width": TABLET[0], "height": TABLET[1]})
    open_start(page, live)
    page.locator("#grid .hit").first.click()
    stage, dialog = page.locator("#stage").bounding_box(), page.locator("#viewer").bounding_box()
    assert stage
    assert dialog
    assert stage["width"] == dialog["width"]
    assert stage["height"] >= 0.4 * dialog["height"]


def test_the_thumbnail_is_shown_until_the_image_is_loaded(page: Page, live: Any) -> None:
    held: list[Route] = []
    page.route("**/files/**", lambda route: held.append(route))
    open_start(page, live)
    page.locator("#grid .hit").first.click()
    image = page.locator("#stage img")
    assert "/thumbnails/" in image.evaluate("(it) => getComputedStyle(it).backgroundImage")
    for route in held:
        route.continue_()
    page.unroute("**/files/**")
    expect(image).to_have_css("background-image", "none")
    expect(image).not_to_have_js_property("naturalWidth", 0)


def test_the_keys_dialog_focuses_its_button(page: Page, live: Any) -> None:
    open_start(page, live)
    page.locator("#q").evaluate("(box) => box.blur()")
    page.keyboard.press("?")
    expect(page.locator("#keys").get_by_role("button", name="Close")).to_be_focused()
