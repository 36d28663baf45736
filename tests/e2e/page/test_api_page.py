"""The page of the API, and the search page below a path prefix, in a real browser."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.page.browsing import assert_accessible
from tests.support.images.drawings import drawing
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def url(
    samples: list[Path],
    serve: Callable[[Path], object],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """The address of a server below a path prefix."""
    folder = tmp_path_factory.mktemp("few")
    for sample in samples[:3]:
        shutil.copyfile(sample, folder / sample.name)
    serving = serve(folder).start("--root-path", "/photos").ready()  # type: ignore[attr-defined]
    return f"{serving.url}/photos"


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_an_operation_is_tried_on_the_api_page(
    page: Page, url: str, scheme: str, is_dark: bool
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{url}/docs")
    expect(page.get_by_role("heading", name="Search", exact=True)).to_be_visible()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", background))) < 100) is is_dark
    assert_accessible(page)
    page.locator("#search_posted > summary").click()
    operation = page.locator("#search_posted")
    operation.get_by_label("JSON body").fill('{"query": {"text": "an animal"}, "limit": 2}')
    operation.get_by_role("button", name="Send").click()
    expect(operation.locator(".status")).to_contain_text("200")
    expect(operation.locator("pre").first).to_contain_text('"score"')
    expect(operation.locator("pre").last).to_contain_text("/photos/v1/search")
    assert_accessible(page)


def test_an_image_without_a_type_in_the_browser_is_sent(
    page: Page, url: str, tmp_path: Path
) -> None:
    drawing(1).save(tmp_path / "photo", "PNG")
    page.goto(f"{url}/docs#search_posted")
    form = page.locator("#search_posted form")
    form.get_by_label("Image file").set_input_files(tmp_path / "photo")
    with page.expect_request("**/v1/search") as sent:
        form.get_by_role("button", name="Send").click()
    assert sent.value.headers["content-type"] == "application/octet-stream"
    expect(form.locator(".status")).to_contain_text("200")


def test_the_api_page_names_an_error(page: Page, url: str) -> None:
    page.goto(f"{url}/docs#image")
    operation = page.locator("#image")
    operation.get_by_role("textbox", name="id").fill("nothing/here")
    operation.get_by_role("button", name="Send").click()
    expect(operation.locator(".status")).to_contain_text("404")


@pytest.mark.parametrize(
    ("operation", "status"),
    [("similar", "200"), ("give_feedback", "201"), ("put_label_set", "200")],
)
def test_forms_have_values_that_work_on_this_server(
    page: Page, url: str, operation: str, status: str
) -> None:
    page.goto(f"{url}/docs#{operation}")
    form = page.locator(f"#{operation} form")
    expect(form.get_by_role("textbox").first).not_to_have_value("")
    expect(form.get_by_role("textbox").first).not_to_have_value(re.compile("…"))
    form.get_by_role("button", name="Send").click()
    expect(form.locator(".status")).to_contain_text(status)


def test_the_form_of_a_deletion_names_no_image(page: Page, url: str) -> None:
    page.goto(f"{url}/docs#similar")
    expect(page.locator("#similar").get_by_role("textbox", name="id")).not_to_have_value("")
    page.locator("#delete > summary").click()
    expect(page.locator("#delete").get_by_role("textbox", name="id")).to_have_value("")


def test_the_search_page_shows_images_below_a_path_prefix(page: Page, url: str) -> None:
    page.goto(url)
    expect(page).to_have_url(f"{url}/")
    expect(page.locator("#grid .hit").first).to_be_visible()
    expect(page.locator("#grid img").first).not_to_have_js_property("naturalWidth", 0)
    assert httpx.get(f"{url}/openapi.json", timeout=PATIENCE_SECONDS).json()["servers"] == [
        {"url": "/photos"}
    ]


@pytest.mark.parametrize("width", [375, 1440])
def test_texts_are_formatted_and_narrow_enough_to_read(page: Page, url: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{url}/docs#search_posted")
    operation = page.locator("#search_posted")
    body = operation.get_by_label("JSON body")
    expect(body).to_be_visible()
    assert body.evaluate("(text) => text.scrollHeight <= text.clientHeight")
    shown = page.locator("#operations p, #operations li:not(:has(pre)), #description p")
    assert not [text for text in shown.all_inner_texts() if "`" in text]
    widths = page.locator("#description li").evaluate_all(
        "(all) => all.map((it) => it.clientWidth)"
    )
    assert max(widths) <= 46 * 16
    assert page.evaluate("document.documentElement.scrollWidth") <= width
