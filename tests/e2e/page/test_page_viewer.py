"""The opened image: zoom, swipes, crops, previews and neighbors, in a real browser."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pillow_jxl
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.page.browsing import QUERY, TOWER, open_search
from tests.support.images.raw_files import dng, jpeg
from tests.support.images.unusual_images import HEIC

Eventually = Callable[..., None]

assert pillow_jxl, "Pillow writes JPEG XL once it is imported"


def test_a_part_of_an_image_is_searched(page: Page, live: Any) -> None:
    open_search(page, live.url, QUERY)
    page.locator("#grid .hit").first.click()
    expect(page.locator("#stage img")).not_to_have_js_property("naturalWidth", 0)
    page.keyboard.press("c")
    expect(page.locator("#frame")).to_be_focused()
    before = page.locator("#frame").bounding_box()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    after = page.locator("#frame").bounding_box()
    assert before
    assert after
    assert after["x"] > before["x"]
    assert after["height"] > before["height"]
    page.click("#crop-search")
    expect(page.locator("#terms .of")).to_have_text("Similar to part of eiffel-tower.webp")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#grid .hit").first).to_have_attribute("data-key", TOWER)


def test_the_opened_image_is_moved_zoomed_and_described(page: Page, live: Any) -> None:
    open_search(page, live.url, QUERY)
    page.locator("#unfold").click()
    page.locator("#grid .hit").first.click()
    first = page.locator("#name").inner_text()
    page.locator("#shows summary").click()
    expect(page.locator("#labels li").first).to_contain_text("%")
    with page.expect_response("**/v1/feedback") as given:
        page.get_by_role("button", name="Good match").click()
    assert given.value.status == 201
    expect(page.get_by_role("button", name="Good match")).to_have_attribute("aria-pressed", "true")
    stage = page.locator("#stage").bounding_box()
    assert stage
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 150, y, steps=3)
    page.mouse.up()
    expect(page.locator("#name")).not_to_have_text(first)
    page.keyboard.press("z")
    expect(page.locator("#stage")).to_have_class("stage zoomed")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#name")).to_have_text(first)
    expect(page.locator("#stage")).to_have_class("stage")
    page.click("#play")
    expect(page.locator("#name")).not_to_have_text(first)


def center(page: Page) -> tuple[float, float]:
    box = page.locator("#stage").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def scale(page: Page) -> float:
    """The zoom of the opened image."""
    return float(
        page.locator("#stage .canvas").evaluate(
            "(canvas) => new DOMMatrix(getComputedStyle(canvas).transform).a"
        )
    )


def test_a_part_is_drawn_with_the_pointer(page: Page, live: Any) -> None:
    open_search(page, live.url, QUERY)
    page.locator("#grid .hit").first.click()
    expect(page.locator("#stage img")).not_to_have_js_property("naturalWidth", 0)
    page.click("#crop")
    x, y = center(page)
    page.mouse.move(x - 60, y - 80)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=3)
    page.mouse.up()
    drawn = page.locator("#frame").bounding_box()
    assert drawn
    assert [drawn["width"], drawn["height"]] == pytest.approx([120, 120], abs=1)
    page.click("#crop-search")
    expect(page.locator("#terms .of")).to_have_text("Similar to part of eiffel-tower.webp")
    page.wait_for_selector(".hit .score", state="attached")


def test_the_wheel_a_double_click_and_fingers_zoom_and_a_finger_swipes(
    page: Page, live: Any
) -> None:
    open_search(page, live.url, QUERY)
    page.locator("#unfold").click()
    page.locator("#grid .hit").first.click()
    first = page.locator("#name").inner_text()
    x, y = center(page)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -100)
    expect(page.locator("#stage")).to_have_class("stage zoomed")
    page.mouse.dblclick(x, y)
    expect(page.locator("#stage")).to_have_class("stage")
    page.mouse.dblclick(x, y)
    assert scale(page) == pytest.approx(2.5)
    page.mouse.dblclick(x, y)

    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        given = [{"x": px, "y": py, "id": number} for number, (px, py) in enumerate(points)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": given})

    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchEnd")
    assert scale(page) == pytest.approx(3, abs=0.1)
    expect(page.locator("#name")).to_have_text(first)
    page.mouse.dblclick(x, y)
    touch("touchStart", (x + 80, y))
    touch("touchMove", (x - 80, y))
    touch("touchEnd")
    expect(page.locator("#name")).not_to_have_text(first)


def test_a_link_to_the_opened_image_is_copied(page: Page, live: Any) -> None:
    """With and without the permission to use the clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_search(page, live.url, QUERY)
    page.locator("#grid .hit").first.click()
    page.click("#share")
    expect(page.locator("#toast")).to_have_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{live.url}/?open={live.listed()[TOWER]['id']}"
    page.evaluate(
        """() => {
          navigator.clipboard.writeText = () => Promise.reject(new Error("denied"));
          document.querySelector("#toast").hidden = true;
        }"""
    )
    page.keyboard.press("l")
    expect(page.locator("#toast")).to_be_visible()
    expect(page.locator("#toast")).to_have_text("Link copied")
    page.goto(link)
    expect(page.locator("#name")).to_have_text("eiffel-tower.webp")


def test_the_image_is_classified_with_a_label_set(page: Page, live: Any) -> None:
    labels = ["a tower", "a lake"]
    assert page.request.put(f"{live.url}/v1/labelsets/places", data={"labels": labels}).ok
    open_search(page, live.url, QUERY)
    page.locator("#grid .hit").first.click()
    page.locator("#shows summary").click()
    expect(page.locator("#labelset")).to_have_value("places")
    expect(page.locator("#labels li span:first-child")).to_have_text(labels)
    page.locator("#labelset").select_option("Common subjects")
    expect(page.locator("#labels li")).to_have_count(5)
    page.set_viewport_size({"width": 375, "height": 740})
    page.reload()
    page.locator("#shows summary").click()
    expect(page.locator("#labels li").first).to_be_in_viewport(ratio=0.99)
    page.request.delete(f"{live.url}/v1/labelsets/places")


def test_formats_that_browsers_cannot_show_open_as_previews_and_are_cropped(
    page: Page, live: Any, samples: list[Path], eventually: Eventually
) -> None:
    with Image.open(next(path for path in samples if "parrot" in path.name)) as photo:
        picture = photo.convert("RGB").resize((1000, 700))
    picture.save(live.folder / "parrot.tif")
    picture.save(live.folder / "parrot.jxl")
    (live.folder / "parrot.dng").write_bytes(dng(picture, previews=[jpeg(picture)]))
    shutil.copyfile(HEIC / "quadrants.heic", live.folder / "quadrants.heic")
    names = {"parrot.tif", "parrot.jxl", "parrot.dng", "quadrants.heic"}
    eventually("they are indexed", lambda: names <= set(live.listed()))
    for name in sorted(names):
        record = live.listed()[name]
        page.goto(f"{live.url}/?open={record['id']}")
        expect(page.locator("#name")).to_have_text(name)
        expect(page.locator("#stage img")).to_have_js_property("naturalWidth", record["width"])
    page.click("#crop")
    page.click("#crop-search")
    expect(page.locator("#terms .of")).to_have_text("Similar to part of quadrants.heic")
    expect(page.locator('.hit[data-key="quadrants.heic"]')).to_have_count(1)
    for name in names:
        (live.folder / name).unlink()
    eventually("they are gone", lambda: not names & set(live.listed()))
