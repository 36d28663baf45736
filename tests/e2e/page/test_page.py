"""Use of the search page in a real browser, with the real command."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from docs.screenshots import shot

Drop = Callable[[Path, str], None]
PARROT = "animals/scarlet-macaw-parrot.webp"
HTML_NAME = "<img src=x onerror=alert(1)>.jpg"


@pytest.fixture(scope="module")
def folder(samples: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The samples, an image named as HTML, one that browsers cannot render, and a broken one."""
    made = tmp_path_factory.mktemp("samples")
    for sample in samples:
        target = made / sample.parent.name / sample.name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(sample, target)
    with Image.open(made / "animals" / "hedgehog.webp") as picture:
        picture.convert("RGB").save(made / HTML_NAME)
        picture.convert("RGB").resize((1200, 800)).save(made / "hedgehog-scan.tiff")
    (made / "broken <b>.jpg").write_text("no picture")
    return made


@pytest.fixture(scope="module")
def url(folder: Path, serve: Callable[[Path], object]) -> str:
    return serve(folder).start().ready().url  # type: ignore[attr-defined, no-any-return]


def hit(page: Page, place: int) -> str:
    """The key of a hit on the page, after the search has completed."""
    page.wait_for_selector("#grid .score")
    return page.locator("#grid .hit").nth(place).get_attribute("data-key") or ""


def shown_keys(page: Page) -> list[str]:
    """The keys of all drawn hits, also of the folded ones."""
    page.wait_for_selector("#grid .score, #weak .score", state="attached")
    keys: list[str] = page.locator(".hit").evaluate_all(
        "hits => hits.map((hit) => hit.dataset.key)"
    )
    return keys


def hits(page: Page, count: int) -> list[str]:
    return [hit(page, place) for place in range(count)]


def unfold(page: Page) -> None:
    """Show the weaker matches, too."""
    page.locator("#unfold").click()
    expect(page.locator("#weak .hit").first).to_be_visible()


def type_words(page: Page, words: str) -> None:
    page.fill("#q", words)
    with page.expect_response(lambda answer: "/v1/search" in answer.url):
        page.press("#q", "Enter")


def test_a_query_in_another_language_shows_a_notice(page: Page, url: str) -> None:
    page.goto(url)
    type_words(page, "czerwone jabłko")
    expect(page.locator("#language")).to_contain_text("understands English only")
    type_words(page, "a red apple")
    expect(page.locator("#language")).to_be_hidden()


def test_the_box_has_the_focus_and_the_folder_is_shown(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#grid .hit").first).to_be_visible()
    expect(page.locator("#state")).to_contain_text("87 images · model starter")
    expect(page.locator("#change-text")).to_contain_text("starter model")


@pytest.mark.parametrize(
    ("words", "key", "among"),
    [
        ("a parrot", "animals/scarlet-macaw-parrot.webp", 1),
        ("something to cut paper with", "objects/pair-of-scissors.webp", 3),
        ("a castle on a hill", "landmarks/fairy-tale-castle-on-a-hill.webp", 3),
    ],
)
def test_typed_text_finds_the_image(page: Page, url: str, words: str, key: str, among: int) -> None:
    page.goto(url)
    type_words(page, words)
    assert key in hits(page, among)


def test_text_is_searched_while_it_is_typed(page: Page, url: str) -> None:
    page.goto(url)
    page.locator("#q").press_sequentially("a parrot")
    expect(page.locator("#grid .hit").first).to_have_attribute(
        "data-key", "animals/scarlet-macaw-parrot.webp"
    )


def test_a_dropped_image_finds_itself_and_similar_images(
    page: Page, url: str, folder: Path, drop: Drop
) -> None:
    page.goto(url)
    drop(folder / "animals" / "owl.webp", "image/webp")
    assert hit(page, 0) == "animals/owl.webp"
    expect(page.locator("#terms")).to_contain_text("owl.webp")


def test_a_chosen_file_without_a_known_type_is_searched(page: Page, url: str, folder: Path) -> None:
    page.goto(url)
    page.set_input_files("#file", folder / "hedgehog-scan.tiff")
    assert {"hedgehog-scan.tiff", "animals/hedgehog.webp", HTML_NAME} == set(hits(page, 3))


def test_a_hit_opens_large_and_offers_similar_images(page: Page, url: str) -> None:
    page.goto(f"{url}?q=a+parrot")
    page.locator("#grid .hit").first.click()
    expect(page.locator("#name")).to_have_text("scarlet-macaw-parrot.webp")
    expect(page.locator("#facts")).to_contain_text("1,024 × 793")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#name")).not_to_have_text("scarlet-macaw-parrot.webp")
    page.keyboard.press("ArrowLeft")
    page.click("#similar")
    expect(page.locator("#terms")).to_contain_text("Similar to scarlet-macaw-parrot.webp")
    own = "animals/scarlet-macaw-parrot.webp"
    # The first hit of the search before.
    expect(page.locator(".hit").first).not_to_have_attribute("data-key", own)
    assert own not in shown_keys(page)


def test_the_url_contains_the_search_and_back_restores_it(page: Page, url: str) -> None:
    page.goto(url)
    type_words(page, "a parrot")
    page.wait_for_url("**/?q=a+parrot")
    parrot = hit(page, 0)
    page.locator("#grid .hit").first.click()
    page.click("#similar")
    page.wait_for_url("**/?similar=*")
    page.go_back()
    expect(page.locator("#q")).to_have_value("a parrot")
    expect(page.locator("#viewer")).to_be_visible()
    page.locator("#viewer").dispatch_event("close")  # of the first time, which arrives late
    assert "&open=" in page.url
    expect(page.locator("#viewer")).to_be_visible()
    expect(page.locator("#grid .hit").first).to_have_attribute("data-key", parrot)
    page.reload()
    expect(page.locator("#grid .hit").first).to_have_attribute("data-key", parrot)


def test_a_collection_limits_the_search(page: Page, url: str) -> None:
    page.goto(f"{url}?q=a+parrot")
    page.wait_for_selector("#grid .score")
    page.get_by_role("treeitem", name="objects, 26").click()
    page.wait_for_url("**collection=objects*")
    expect(page.locator(".hit").first).to_have_attribute("data-key", _below("objects/"))
    assert all(key.startswith("objects/") for key in shown_keys(page))


def test_weak_matches_are_folded_and_a_query_without_match_says_so(page: Page, url: str) -> None:
    page.goto(f"{url}?q=asdfgh")
    expect(page.locator("#empty")).to_contain_text("No good match")
    expect(page.locator("#unfold")).to_have_text("Show 87 weaker matches")
    expect(page.locator(".hit:visible")).to_have_count(0)
    page.locator("#suggested button").first.click()
    expect(page.locator("#grid .hit").first).to_be_visible()
    expect(page.locator("#empty")).to_be_hidden()
    strong = page.locator("#grid .hit").count()
    count = f"{strong} match{'' if strong == 1 else 'es'}"
    expect(page.locator("#count")).to_have_text(count)
    expect(page.locator("#unfold")).to_have_text(f"Show {87 - strong} weaker matches")
    scores = page.locator("#grid .score").all_inner_texts()
    assert all(int(score.removesuffix(" %")) >= 50 for score in scores)


def test_back_closes_the_image_and_restores_results_and_scroll_position(
    page: Page, url: str
) -> None:
    page.goto(url)
    expect(page.locator(".hit")).to_have_count(40)
    page.mouse.wheel(0, 100_000)
    expect(page.locator(".hit")).to_have_count(80)
    opened = page.locator(".hit").nth(60)
    key = opened.get_attribute("data-key") or ""
    opened.click()
    expect(page.locator("#name")).to_have_text(Path(key).name)
    at = page.evaluate("scrollY")
    assert at > 0
    page.reload()
    expect(page.locator("#name")).to_have_text(Path(key).name)
    expect(page.locator(".hit")).to_have_count(80)
    page.go_back()
    expect(page.locator("#viewer")).to_be_hidden()
    assert page.evaluate("scrollY") == at
    type_words(page, "a parrot")
    expect(page.locator("#grid .hit").first).to_have_attribute("data-key", PARROT)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.go_back()
    expect(page.locator(".hit")).to_have_count(80)
    assert page.evaluate("scrollY") == at
    # Requests in the background are allowed, such as the batch that chooses the example queries.
    assert not [each for each in requests if "/v1/images?" in each or "/v1/search?" in each]


def test_scrolling_loads_more_hits(page: Page, url: str) -> None:
    page.goto(f"{url}?q=a+parrot")
    expect(page.locator(".hit")).to_have_count(40)
    unfold(page)
    for count in (80, 87):
        page.mouse.wheel(0, 100_000)
        expect(page.locator(".hit")).to_have_count(count)
    assert len(set(shown_keys(page))) == 87


def test_a_name_that_is_html_is_shown_as_text(page: Page, url: str) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(f"{url}?q=a+hedgehog")
    page.locator(f'.hit[data-key="{HTML_NAME}"]').click()
    expect(page.locator("#name")).to_have_text(HTML_NAME)
    page.click("#similar")
    expect(page.locator("#terms")).to_contain_text(HTML_NAME)
    assert dialogs == []
    assert page.locator("img[src='x']").count() == 0


SCAN = '.hit[data-key="hedgehog-scan.tiff"]'


def test_an_image_that_the_browser_cannot_render_has_a_thumbnail_and_opens_as_a_preview(
    page: Page, url: str
) -> None:
    page.goto(f"{url}?q=a+hedgehog")
    page.locator(SCAN).scroll_into_view_if_needed()
    expect(page.locator(f"{SCAN} img")).not_to_have_js_property("naturalWidth", 0)
    page.click(SCAN)
    expect(page.locator("#stage img")).to_have_js_property("naturalWidth", 1200)


def test_a_tile_with_the_name_replaces_an_image_without_thumbnail(page: Page, url: str) -> None:
    page.route("**/thumbnails/**", lambda route: route.abort())
    page.goto(f"{url}?q=a+hedgehog")
    tile = page.locator(f"{SCAN} .tile")
    tile.scroll_into_view_if_needed()
    expect(tile).to_have_text("hedgehog-scan.tiff")


def test_a_missing_thumbnail_is_replaced_by_the_image(page: Page, url: str) -> None:
    page.route("**/thumbnails/**", lambda route: route.abort())
    page.goto(f"{url}?q=an+owl")
    expect(page.locator("#grid .hit img").first).not_to_have_js_property("naturalWidth", 0)


def test_disallowed_actions_are_not_offered(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator("#state")).to_contain_text("images")
    expect(page.locator("#add")).to_be_hidden()
    page.locator("#grid .hit").first.click()
    expect(page.locator("#delete")).to_be_hidden()


def test_an_empty_folder_says_how_to_add_images(
    page: Page, tmp_path: Path, serve: Callable[[Path], Any]
) -> None:
    empty = serve(tmp_path).start().ready()
    page.goto(empty.url)
    expect(page.locator("#empty h2")).to_have_text("No images yet")
    expect(page.locator("#state")).to_contain_text("0 images")


def test_images_are_added_and_deleted_if_allowed(
    page: Page, few: Path, samples: list[Path], serve: Callable[[Path], Any]
) -> None:
    live = serve(few).start("--allow-uploads", "--allow-delete").ready()
    page.goto(live.url)
    expect(page.locator("#add")).to_be_visible()
    parrot = next(path for path in samples if "parrot" in path.name)
    page.set_input_files("#added", [parrot, few / "animals/cow.webp"])
    expect(page.locator("#said")).to_have_text("2 images added")
    expect(page.locator("#state")).to_contain_text("6 images")
    type_words(page, "a parrot")
    assert hit(page, 0).startswith("scarlet-macaw-parrot-")
    page.locator("#grid .hit").first.click()
    page.click("#delete")
    expect(page.locator("#state")).to_contain_text("5 images")


def test_unreadable_files_are_listed_with_the_reason(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_role("button", name="1 not searchable").click()
    expect(page.locator("#reasons li")).to_contain_text("broken <b>.jpg")
    expect(page.locator("#reasons li span")).not_to_be_empty()


@pytest.mark.parametrize("content_type", ["image/jpeg", "text/markdown", ""])
def test_a_file_that_is_not_an_image_is_rejected_with_a_message(
    page: Page, url: str, folder: Path, drop: Drop, content_type: str
) -> None:
    page.goto(url)
    drop(folder / "broken <b>.jpg", content_type)
    expect(page.locator("#wrong")).to_contain_text("Not an image")
    expect(page.locator("#wrong")).not_to_contain_text("content-type")
    page.click("#clear")
    type_words(page, "a parrot")
    expect(page.locator("#wrong")).to_be_hidden()


def test_a_large_image_is_resized_before_it_is_sent(
    page: Page, url: str, folder: Path, tmp_path: Path
) -> None:
    with Image.open(folder / "animals" / "owl.webp") as picture:
        picture.convert("RGB").resize((1800, 1200)).save(tmp_path / "owl.bmp")
    assert (tmp_path / "owl.bmp").stat().st_size > 4_500_000
    page.goto(url)
    page.set_input_files("#file", tmp_path / "owl.bmp")
    assert hit(page, 0) == "animals/owl.webp"


def test_the_page_asks_for_an_api_key_once(
    page: Page, few: Path, serve: Callable[[Path], object]
) -> None:
    keyed = serve(few).start(IMAGESEARCH_API_KEY="open sesame").ready()  # type: ignore[attr-defined]
    page.goto(keyed.url)
    for key in ("wrong", "open sesame"):
        page.fill("#key", key)
        page.press("#key", "Enter")
    expect(page.locator("#grid .hit")).to_have_count(4)
    expect(page.locator("#grid img").first).not_to_have_js_property("naturalWidth", 0)
    page.reload()
    expect(page.locator("#grid .hit")).to_have_count(4)
    expect(page.locator("#ask")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_element_is_wider_than_a_phone_or_a_tablet(page: Page, url: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{url}?q=a+castle+on+a+hill")
    page.wait_for_selector("#grid .score")
    for width in (375, 768):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_screenshot_of_an_opened_image_is_taken(browser: Browser, url: str) -> None:
    taken = shot(browser, url, "", 375, 740, "dark", opened=True)
    assert taken.size == (375, 740)
    assert len(taken.convert("RGB").getcolors(375 * 740) or ()) > 1000


@pytest.mark.parametrize("height", [560, 700])
def test_every_button_of_a_large_image_is_visible_on_a_phone(
    page: Page, url: str, height: int
) -> None:
    page.set_viewport_size({"width": 375, "height": height})
    page.goto(f"{url}?q=a+castle+on+a+hill")
    page.locator("#grid .hit").first.click()
    for button in ("#similar", "#original", "#previous", "#next"):
        expect(page.locator(button)).to_be_in_viewport(ratio=0.99)
    page.click("#next")
    expect(page.locator("#previous")).to_be_enabled()


def test_the_page_works_with_the_keyboard_only(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("a parrot")
    page.keyboard.press("Enter")
    page.wait_for_selector("#grid .score")
    page.locator("#grid .hit").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#grid .hit").first).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()


def test_a_late_close_event_of_the_viewer_does_not_move_the_focus(page: Page, url: str) -> None:
    page.goto(f"{url}?q=a+parrot")
    page.locator("#grid .hit").first.click()
    expect(page.locator("#viewer")).to_be_visible()
    page.evaluate(
        """() => new Promise((told) => {
          const viewer = document.querySelector("#viewer");
          viewer.addEventListener("close", told, { once: true });
          viewer.close();
          document.querySelector("#q").focus();
        })"""
    )
    expect(page.locator("#q")).to_be_focused()


def _below(prefix: str) -> "re.Pattern[str]":
    return re.compile("^" + re.escape(prefix))
