"""Filters, folders, orders and the timeline of the search page, in a real browser."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from playwright.sync_api import Page, Route, expect

from tests.e2e.page.browsing import assert_accessible

MAKERS = ("Canon", "Nikon", "")

Eventually = Callable[..., None]


@pytest.fixture(scope="module")
def live(
    samples: list[Path], serve: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """45 photos of 23 months, taken with two cameras; one folder has more folders than a page."""
    folder = tmp_path_factory.mktemp("dated")
    for number, sample in enumerate(samples[:45]):
        _save_photo(sample, folder / _place(number), number)
    tiny = Image.new("RGB", (8, 8))
    for number in range(101):
        tiny.putpixel((0, 0), (number, 0, 0))
        path = folder / f"many/{number:03}/tiny.png"
        path.parent.mkdir(parents=True)
        tiny.save(path)
    return serve(folder).start().ready()


def _place(number: int) -> str:
    return f"{'trips/2024/sea' if number < 5 else 'trips' if number < 10 else 'home'}/{number}.jpg"


def _save_photo(sample: Path, target: Path, number: int) -> None:
    exif = Image.Exif()
    exif[Base.Make] = MAKERS[number % 3]
    exif[Base.Model] = "One" if MAKERS[number % 3] else ""
    months = 2023 * 12 + number // 2
    date = f"{months // 12}:{months % 12 + 1:02}:15 10:00:00"
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = date
    exif.get_ifd(IFD.Exif)[Base.OffsetTimeOriginal] = "+05:30"
    place = exif.get_ifd(IFD.GPSInfo)
    place[GPS.GPSLatitudeRef], place[GPS.GPSLatitude] = "S", (33, 51, 24)
    place[GPS.GPSLongitudeRef], place[GPS.GPSLongitude] = "E", (151, 12, 54)
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(sample) as picture:
        size = (320, 480) if number % 2 else (480, 320)
        picture.convert("RGB").resize(size).save(target, exif=exif)


def shown(page: Page) -> list[str]:
    keys: list[str] = page.locator("#grid .hit").evaluate_all(
        "hits => hits.map((hit) => hit.dataset.key)"
    )
    return keys


def value(page: Page, name: str) -> Any:
    return page.locator("#filters .values").get_by_role("button", name=name)


def section(page: Page, name: str) -> None:
    """Open or close a section; its values move those below, so that a click would miss them."""
    page.locator("#filters summary", has_text=name).click()
    expect(page.locator("#filters details[open] .values:empty")).to_have_count(0)


def height_of(page: Page, title: str) -> float:
    """The distance of a section's title from the top of the page."""
    box = page.locator("#filters summary", has_text=title).bounding_box()
    assert box
    return box["y"]


def address(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_filters_have_counts_combine_and_are_removed_and_restored(page: Page, live: Any) -> None:
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(40)
    section(page, "Camera")
    expect(value(page, "Canon One")).to_have_text("Canon One15")
    value(page, "Canon One").click()
    expect(page.locator("#grid .hit")).to_have_count(15)
    section(page, "Orientation")
    expect(value(page, "Portrait")).to_have_text("Portrait7")
    below = height_of(page, "Type")
    value(page, "Portrait").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#grid .hit")).to_have_count(7)
    expect(page.locator("#filters details", has_text="Camera").locator("li")).to_have_count(2)
    assert height_of(page, "Type") == below
    expect(value(page, "Portrait")).to_be_focused()
    # The counts of a filter are those without it.
    expect(value(page, "Landscape")).to_have_text("Landscape8")
    expect(value(page, "Nikon One")).to_have_text("Nikon One8")
    assert address(page) == {"camera": ["Canon One"], "orientation": ["portrait"]}
    page.reload()
    expect(page.locator("#grid .hit")).to_have_count(7)
    page.get_by_role("button", name="Remove the filter Camera: Canon One").click()
    expect(page.locator("#grid .hit")).to_have_count(22)
    expect(page.locator("#active button").first).to_be_focused()
    page.go_back()
    expect(page.locator("#grid .hit")).to_have_count(7)
    expect(page.locator("#active")).to_contain_text("Canon One")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator("#grid .hit")).to_have_count(40)

    page.goto(f"{live.url}/?type=image/png&size=-500000&q=a+cat")
    section(page, "Type")
    section(page, "Size")
    expect(page.locator("#active")).to_contain_text("PNG ✕")
    expect(page.locator("#active")).to_contain_text("Below 0.5 MP ✕")
    expect(page.locator("#empty")).to_contain_text("No good match")
    page.click("#everywhere")
    expect(page.locator("#active")).to_be_hidden()
    page.goto(f"{live.url}/?from=1999&to=2000")
    expect(page.locator("#empty")).to_contain_text("No images with these filters")


def test_the_start_page_is_a_timeline_with_months_to_jump_to(page: Page, live: Any) -> None:
    page.goto(live.url)
    expect(page.locator("#grid h2").first).to_have_text("November 2024")
    assert shown(page)[:3] == ["home/44.jpg", "home/43.jpg", "home/42.jpg"]
    page.locator("#jump").select_option(label="October 2024 (2)")
    expect(page.locator('.hit[data-key="home/43.jpg"]')).to_be_focused()
    assert "to" not in address(page)
    heading = page.locator("#grid h2", has_text="October 2024")
    top = page.locator("header").bounding_box()
    box = heading.bounding_box()
    assert top
    assert box
    assert abs(box["y"] - top["height"]) <= 2
    # A month that is not loaded: the list begins there.
    page.locator("#jump").select_option(label="January 2023 (2)")
    expect(page.locator("#grid h2").first).to_have_text("January 2023")
    expect(page.locator("#active")).to_contain_text("Until January 2023")
    page.go_back()
    expect(page.locator("#grid h2").first).to_have_text("November 2024")

    section(page, "Date")
    value(page, "2023").click()
    expect(page.locator("#grid .hit")).to_have_count(24)
    value(page, "March 2023").click()
    expect(page.locator("#grid .hit")).to_have_count(2)
    expect(page.locator("#from")).to_have_value("2023-03-01")
    expect(page.locator("#to")).to_have_value("2023-03-31")
    page.fill("#to", "2023-04-30")
    expect(page.locator("#grid .hit")).to_have_count(4)
    page.locator("#sort").select_option("taken_at")
    expect(page.locator("#grid h2").first).to_have_text("March 2023")
    page.locator("#sort").select_option("key")
    expect(page.locator("#grid h2")).to_have_count(0)
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(40)
    page.mouse.wheel(0, 100_000)
    expect(page.locator("#grid h2").last).to_have_text("No date")
    expect(page.locator("#jump")).to_be_visible()
    page.route("**/v1/search?*", lambda route: route.abort())
    page.fill("#q", "an animal")
    page.press("#q", "Enter")
    expect(page.locator("#wrong")).to_be_visible()
    expect(page.locator("#jump")).to_be_hidden()


def test_an_image_has_the_time_of_its_camera_its_place_on_a_map_and_a_sharp_thumbnail(
    page: Page, live: Any
) -> None:
    page.goto(live.url)
    tile = page.locator('.hit[data-key="home/44.jpg"]')
    record = live.listed()["home/44.jpg"]
    assert tile.locator("img").get_attribute("srcset") == (
        f"{record['thumbnail_url']} 320w, {record['large_thumbnail_url']} 480w"
    )
    tile.click()
    expect(page.locator("#facts")).to_contain_text("10:00:00")
    expect(page.locator("#facts")).to_contain_text("(UTC+05:30)")
    expect(page.get_by_role("img", name="Map: 33.8567° S, 151.2150° E")).to_be_visible()
    assert_accessible(page)


def test_relevant_hits_are_ordered_by_date(page: Page, live: Any) -> None:
    page.goto(f"{live.url}/?q=an+animal")
    expect(page.locator("#grid .hit").first).to_be_visible()
    with page.expect_response(lambda answer: "/v1/search?" in answer.url) as searched:
        page.locator("#sort").select_option("-taken_at")
    sent = parse_qs(urlsplit(searched.value.url).query)
    assert (sent["sort"], sent["min_relevance"]) == (["-taken_at"], ["0.5"])
    expect(page.locator("#grid h2").first).to_be_visible()
    numbers = [int(Path(key).stem) for key in shown(page)]
    assert [each // 2 for each in numbers] == sorted((each // 2 for each in numbers), reverse=True)
    expect(page.locator("#weaker")).to_be_hidden()
    page.click("#clear")
    expect(page.locator("#sort")).to_have_value("")


def test_the_tree_of_folders_is_complete_and_works_with_the_keyboard(page: Page, live: Any) -> None:
    page.goto(live.url)
    tree = page.get_by_role("tree", name="Folders")
    expect(tree.get_by_role("treeitem")).to_have_count(4)
    page.get_by_role("treeitem", name="All images, 146").focus()
    page.keyboard.press("End")
    for name in ("2024, 5", "sea, 5"):
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("treeitem", name=name, exact=True)).to_be_visible()
        page.keyboard.press("ArrowRight")
    sea = page.get_by_role("treeitem", name="sea, 5", exact=True)
    expect(sea).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#grid .hit")).to_have_count(5)
    assert address(page) == {"collection": ["trips/2024/sea"]}
    expect(sea).to_have_attribute("aria-selected", "true")
    page.goto(f"{live.url}/?collection=many/100")
    expect(page.locator("#grid .hit")).to_have_count(1)
    last = page.get_by_role("treeitem", name="100, 1", exact=True)
    expect(last).to_have_attribute("aria-selected", "true")
    expect(page.locator("#active")).to_contain_text("many/100")
    page.goto(live.url)
    page.get_by_role("treeitem", name="many, 101").locator(".twist").click()
    expect(page.get_by_role("treeitem", name="099, 1", exact=True)).to_be_visible()
    expect(last).to_have_count(0)
    page.get_by_role("treeitem", name="More folders").click()
    expect(last).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_panel_is_collapsed_on_a_phone_and_accessible(
    page: Page, live: Any, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": 375, "height": 740})
    page.goto(f"{live.url}/?orientation=portrait&from=2023&to=2023")
    expect(page.locator("#grid .hit").first).to_be_visible()
    expect(page.locator("#filters")).to_be_hidden()
    toggle = page.get_by_role("button", name="Filters 2")
    expect(toggle).to_have_attribute("aria-expanded", "false")
    toggle.click()
    for name in ("Date", "Camera", "Size", "Orientation", "Type"):
        section(page, name)
    expect(value(page, "January 2023")).to_be_visible()
    expect(value(page, "JPEG")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert_accessible(page)
    page.get_by_role("treeitem", name="trips, 10").click()
    expect(page.locator("#filters")).to_be_hidden()
    expect(page.locator("#active")).to_contain_text("trips")


def test_a_search_by_image_is_filtered_and_counted(page: Page, live: Any) -> None:
    image = live.listed()["home/20.jpg"]["id"]
    page.goto(f"{live.url}/?similar={image}&camera=Nikon+One&collection=home")
    # The counts of a filter are those without it; those of other sections may arrive before.
    wanted = {"query": {"id": image}, "collection": "home", "min_relevance": 0.5}
    with page.expect_response(
        lambda answer: (
            answer.url.endswith("/v1/facets")
            and json.loads(answer.request.post_data or "") == wanted
        )
    ) as counted:
        section(page, "Camera")
    assert counted.value.status == 200
    expect(value(page, "Nikon One")).to_have_attribute("aria-pressed", "true")


COVERED_FOCUS = """() => {
  const { left, right, top, bottom } = document.activeElement.getBoundingClientRect();
  const at = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  const bar = document.activeElement.closest("header, footer");
  return at === null || at.closest("header, footer") !== bar;
}"""


@pytest.mark.parametrize(("width", "height"), [(375, 740), (768, 1024), (1440, 700)])
def test_no_bar_covers_the_focus(
    page: Page, live: Any, width: int, height: int, eventually: Eventually
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(40)
    if page.locator("#filters-toggle").get_attribute("aria-expanded") == "false":
        page.locator("#filters-toggle").press("Enter")
    for title in ("Date", "Size", "Orientation", "Type"):
        page.locator("#filters summary", has_text=title).press("Enter")
        expect(page.locator("#filters details[open] .values:empty")).to_have_count(0)
    page.locator("#filters-toggle").focus()
    for key in ("Tab", "Shift+Tab"):
        for _ in range(45):
            page.keyboard.press(key)
            if page.locator("footer :focus, header :focus").count():
                break
            # The footer may have grown: the page scrolls in the next frame.
            focused = page.evaluate("document.activeElement.outerHTML")
            eventually(f"no bar covers {focused}", lambda: not page.evaluate(COVERED_FOCUS))
        page.locator("#q").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("End")
        expect(page.locator("#grid .hit:focus")).to_have_count(1)


def test_an_arrow_key_opens_the_list_of_months(page: Page, live: Any) -> None:
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(40)
    expect(page.locator("#jump option")).to_have_count(24)
    page.locator("#jump").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.locator('.hit[data-key="home/43.jpg"]')).to_be_focused()


def open_whole_page(page: Page, live: Any) -> None:
    """Opens the page and waits for its footer, whose late parts would get the focus."""
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(40)
    expect(page.locator("#install")).to_be_visible()


def test_tab_passes_show_more_and_enter_moves_to_the_first_new_image(page: Page, live: Any) -> None:
    open_whole_page(page, live)
    hits = page.locator("#grid .hit")
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    expect(hits.first).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#more")).to_be_focused()
    expect(page.locator("#more")).to_be_in_viewport()
    page.keyboard.press("Tab")
    expect(page.locator("footer :focus")).to_have_count(1)
    # The button is near, and loads the next page by itself once it has lost the focus.
    expect(hits).to_have_count(80)
    expect(page.locator("#more")).to_have_attribute("aria-disabled", "false")
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#more")).to_be_focused()
    page.keyboard.press("Enter")
    expect(hits.nth(80)).to_be_focused()
    expect(hits.nth(80)).to_be_in_viewport()


def test_a_page_that_loads_by_itself_takes_the_focus_from_no_button(page: Page, live: Any) -> None:
    """Enter, meant for the button, would open the image that has got the focus."""
    held: list[Route] = []
    open_whole_page(page, live)
    hits = page.locator("#grid .hit")
    page.route("**/v1/images?*cursor=*", lambda route: held.append(route))
    page.locator("#more").focus()
    with page.expect_request("**/v1/images?*cursor=*"):
        page.keyboard.press("Tab")
        expect(page.locator("footer :focus")).to_have_count(1)
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#more")).to_be_focused()
    for route in held:
        route.continue_()
    expect(hits).to_have_count(80)
    expect(page.locator("#more")).to_be_focused()
    expect(page.locator("#more")).to_be_in_viewport()


def test_a_closed_dialog_gives_back_a_focus_that_has_moved_off_the_screen(
    page: Page, live: Any
) -> None:
    held: list[Route] = []
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(40)
    page.route("**/v1/images?*cursor=*", lambda route: held.append(route))
    page.locator("#more").focus()
    with page.expect_request("**/v1/images?*cursor=*"):
        page.keyboard.press("Enter")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    for route in held:
        route.continue_()
    expect(page.locator("#grid .hit")).not_to_have_count(40)
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    expect(page.locator(":focus")).to_be_in_viewport()
