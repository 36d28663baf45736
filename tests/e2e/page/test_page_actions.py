"""What users of the search page do with what they have found, in a real browser."""

import json
import re
import shutil
import zipfile
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, Request, Route, expect

from tests.e2e.conftest import reset_to_few

Drop = Callable[[Path, str], None]
Eventually = Callable[..., None]
TOWER = "landmarks/eiffel-tower.webp"
QUERY = "the+eiffel+tower"
COPY = "animals/owl-small.webp"


@pytest.fixture(scope="module")
def live(serve: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server of four samples, a resized copy of one, and a broken file; changes are allowed."""
    folder = reset_to_few(tmp_path_factory.mktemp("actions") / "few")
    with Image.open(folder / "animals/owl.webp") as owl:
        owl.resize((owl.width // 2, owl.height // 2)).save(folder / COPY)
    (folder / "broken.jpg").write_text("no picture")
    return serve(folder).start("--allow-uploads", "--allow-delete").ready()


def posted_terms(request: Request) -> list[dict[str, Any]]:
    terms: list[dict[str, Any]] = json.loads(request.post_data or "{}")["query"]["terms"]
    return terms


def transfer(page: Page, event: str, data: dict[str, str], file: Path | None = None) -> None:
    """Drops or pastes texts by their media type, or an image file."""
    page.evaluate(
        """([event, texts, file]) => {
            const data = new DataTransfer();
            for (const [type, text] of Object.entries(texts)) data.setData(type, text);
            if (file) {
                const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
                data.items.add(new File([bytes], "image.png", { type: "image/png" }));
            }
            const options = { bubbles: true, cancelable: true };
            document.body.dispatchEvent(event === "paste"
                ? new ClipboardEvent(event, { ...options, clipboardData: data })
                : new DragEvent(event, { ...options, dataTransfer: data }));
        }""",
        [event, data, b64encode(file.read_bytes()).decode() if file else ""],
    )


def is_search(request: Request) -> bool:
    return request.method == "POST" and request.url.endswith("/v1/search")


def open_search(page: Page, url: str, query: str) -> None:
    page.goto(f"{url}/?q={query}")
    page.wait_for_selector(".hit .score", state="attached")


def test_hits_move_the_query_towards_and_away_from_them(page: Page, live: Any) -> None:
    open_search(page, live.url, QUERY)
    page.locator("#grid li").first.hover()
    with page.expect_request(is_search) as searched:
        page.locator("#grid .like").first.click()
    assert posted_terms(searched.value) == [
        {"text": "the eiffel tower", "weight": 1},
        {"id": live.listed()[TOWER]["id"], "weight": 1},
    ]
    expect(page.locator("#terms .of")).to_have_text("Similar to eiffel-tower.webp")
    page.wait_for_selector(".hit .score", state="attached")
    if page.locator("#unfold").get_attribute("aria-expanded") == "false":
        page.locator("#unfold").click()
    page.locator('.hit[data-key="animals/cow.webp"]').focus()
    with page.expect_request(is_search) as searched:
        page.keyboard.press("-")
    assert [term["weight"] for term in posted_terms(searched.value)] == [1, 1, -0.5]
    with page.expect_request(is_search) as searched:
        page.get_by_label("Weight of cow.webp").select_option("much less")
    assert posted_terms(searched.value)[-1]["weight"] == -2
    expect(page.get_by_label("Weight of cow.webp")).to_be_focused()
    page.get_by_role("button", name="Remove cow.webp").click()
    expect(page.locator(".term")).to_have_count(1)
    page.go_back()
    expect(page.locator(".term")).to_have_count(2)


def test_a_dropped_image_is_combined_with_text_and_survives_a_reload(
    page: Page, live: Any, drop: Drop
) -> None:
    page.goto(live.url)
    drop(live.folder / "animals/cow.webp", "image/webp")
    expect(page.locator("#grid .hit").first).to_have_attribute("data-key", "animals/cow.webp")
    page.fill("#q", "a chair")
    with page.expect_request(is_search) as searched:
        page.press("#q", "Enter")
    terms = posted_terms(searched.value)
    assert [sorted(term) for term in terms] == [["text", "weight"], ["image", "weight"]]
    page.reload()
    expect(page.locator("#terms .of")).to_have_text("Similar to cow.webp")
    expect(page.locator("#q")).to_have_value("a chair")
    page.wait_for_selector(".hit .score", state="attached")
    expect(page.locator("#wrong")).to_be_hidden()


def test_a_pasted_image_is_searched(page: Page, live: Any) -> None:
    page.goto(live.url)
    expect(page.locator("#state")).to_contain_text("images")
    transfer(page, "paste", {}, live.folder / "animals/cow.webp")
    expect(page.locator("#grid .hit").first).to_have_attribute("data-key", "animals/cow.webp")


def test_opinions_refine_the_results_when_the_image_is_closed(page: Page, live: Any) -> None:
    """Good and bad matches are sent with the query, stay in the address, and are removed."""
    ids = {key: image["id"] for key, image in live.listed().items()}

    def rate(key: str, opinion: str) -> dict[str, Any]:
        page.locator(f'.hit[data-key="{key}"]').click()
        page.get_by_role("button", name=opinion).click()
        expect(page.get_by_role("button", name=opinion)).to_have_attribute("aria-pressed", "true")
        with page.expect_request(is_search) as searched:
            page.keyboard.press("Escape")
        expect(page.locator("#viewer")).to_be_hidden()
        return dict(json.loads(searched.value.post_data or "{}"))

    open_search(page, live.url, QUERY)
    page.locator("#unfold").click()
    refined = rate(TOWER, "Good match")
    assert refined["query"] == {"text": "the eiffel tower"}
    assert (refined["like"], refined["unlike"]) == ([ids[TOWER]], [])
    chips = page.locator("#terms .of")
    expect(chips).to_have_text("Good match eiffel-tower.webp")
    cow = page.locator('.hit[data-key="animals/cow.webp"]')
    page.locator("#unfold").click()
    refined = rate("animals/cow.webp", "Bad match")
    assert (refined["like"], refined["unlike"]) == ([ids[TOWER]], [ids["animals/cow.webp"]])
    expect(chips).to_have_text(["Good match eiffel-tower.webp", "Bad match cow.webp"])
    page.wait_for_selector(".hit .score", state="attached")
    expect(cow).to_have_count(0)
    page.reload()
    expect(chips).to_have_text(["Good match eiffel-tower.webp", "Bad match cow.webp"])
    page.get_by_role("button", name="Remove cow.webp").click()
    expect(chips).to_have_text("Good match eiffel-tower.webp")
    expect(cow).to_have_count(1)
    page.go_back()
    expect(chips).to_have_count(2)
    page.fill("#q", "a cow")
    page.press("#q", "Enter")
    expect(chips).to_have_count(0)


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


def test_an_image_of_another_site_is_searched_by_its_address_if_allowed(
    page: Page, live: Any
) -> None:
    address = "https://example.com/dog.jpg"
    page.goto(live.url)
    expect(page.locator("#state")).to_contain_text("images")
    page.fill("#q", address)
    page.press("#q", "Enter")
    expect(page.locator("#wrong")).to_contain_text("does not fetch images from addresses")
    allowed = live.get("/v1/health") | {"allows": ["urls"]}
    page.route("**/v1/health", lambda route: route.fulfill(json=allowed))
    page.reload()
    expect(page.locator("#state")).to_contain_text("images")
    expect(page.locator("#add")).to_be_hidden()
    page.fill("#q", address)
    with page.expect_request(is_search) as searched:
        page.press("#q", "Enter")
    assert json.loads(searched.value.post_data or "")["query"] == {"url": address}
    assert "url=https" in page.url
    # A dragged image is often a link: its own address counts, not that of the linked page.
    link = "https://example.org/page"
    dragged = {"text/html": f'<a href="{link}"><img src="{address}?2"></a>', "text/uri-list": link}
    for event, data, number in (("drop", dragged, 2), ("paste", {"text/plain": f"{address}?3"}, 3)):
        with page.expect_request(is_search) as searched:
            transfer(page, event, data)
        query = json.loads(searched.value.post_data or "")["query"]
        assert query == {"url": f"{address}?{number}"}
    expect(page.locator("#wrong p").first).to_have_text("Fetching images by URL is disabled")
    # A field keeps the spelling of the API.
    message = "url: its host has no address"
    error = {"code": "url_unreachable", "message": message, "hint": "check the URL"}
    page.route("**/v1/search", lambda route: route.fulfill(status=400, json={"error": error}))
    transfer(page, "paste", {"text/plain": f"{address}?4"})
    expect(page.locator("#wrong p")).to_have_text([message, "Check the URL"])
    transfer(page, "drop", {"text/plain": "a word"})
    expect(page.locator("#wrong")).to_contain_text("Not an image file")


def test_selected_images_are_copied_and_downloaded(page: Page, live: Any) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(live.url)
    expect(page.locator("#grid .hit")).to_have_count(5)
    keys = page.locator("#grid .hit").evaluate_all("hits => hits.map((hit) => hit.dataset.key)")
    page.locator("#grid .hit").first.focus()
    page.keyboard.press("x")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#selected")).to_have_text("2 selected")
    page.locator("#grid .hit").nth(3).click(modifiers=["Shift"])
    expect(page.locator("#selected")).to_have_text("4 selected")
    page.click("#copy-paths")
    expect(page.locator("#toast")).to_contain_text("4 paths copied")
    assert page.evaluate("navigator.clipboard.readText()").split("\n") == keys[:4]
    with page.expect_download() as download:
        page.click("#zip")
    with zipfile.ZipFile(download.value.path()) as file:
        assert file.testzip() is None
        assert {name: file.read(name) for name in file.namelist()} == {
            Path(key).name: (live.folder / key).read_bytes() for key in keys[:4]
        }
    page.click("#copy-links")
    expect(page.locator("#toast")).to_contain_text("4 links copied")
    link = page.evaluate("navigator.clipboard.readText()").split("\n")[0]
    page.keyboard.press("Escape")
    expect(page.locator("#selection")).to_be_hidden()
    expect(page.locator("#grid .hit").nth(3)).to_be_focused()
    page.goto(link)
    expect(page.locator("#name")).to_have_text(Path(keys[0]).name)


def test_a_deletion_is_undone_or_carried_out_when_the_page_is_left(
    page: Page, live: Any, eventually: Eventually
) -> None:
    names = {"extra.webp", "extra-2.webp", "extra-3.webp"}
    for name in names:
        shutil.copyfile(live.folder / "animals/cow.webp", live.folder / name)
    eventually("they are indexed", lambda: names <= set(live.listed()))
    page.goto(live.url)
    hit = page.locator('.hit[data-key="extra.webp"]')
    hit.focus()
    page.keyboard.press("Delete")
    expect(hit).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(hit).to_be_visible()
    hit.click()
    page.click("#delete")
    page.keyboard.press("Escape")
    expect(hit).to_be_hidden()
    assert all((live.folder / name).exists() for name in names)
    # Others are deleted while the first deletion can still be undone, which is then carried out.
    for name in sorted(names - {"extra.webp"}):
        page.locator(f'.hit[data-key="{name}"]').focus()
        page.keyboard.press("x")
    page.keyboard.press("Delete")
    expect(page.locator("#toast")).to_contain_text("2 images deleted")
    page.goto("about:blank")
    eventually("they are deleted", lambda: not any((live.folder / name).exists() for name in names))
    eventually("they are not indexed", lambda: not names & set(live.listed()))


def test_duplicates_are_shown_side_by_side_and_one_is_kept(
    page: Page, live: Any, eventually: Eventually
) -> None:
    eventually("the group is found", lambda: live.get("/v1/duplicates")["groups"])
    page.goto(live.url)
    page.click("#show-duplicates")
    cards = page.locator("#groups figure")
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


def test_each_upload_has_its_result_and_a_failure_does_not_stop_the_others(
    page: Page, live: Any, tmp_path: Path, eventually: Eventually
) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "fake.jpg").write_text("no picture")
    shutil.copyfile(live.folder / "animals/cow.webp", tmp_path / "cow.webp")
    page.goto(live.url)
    expect(page.locator("#add")).to_be_visible()
    names = ("notes.txt", "fake.jpg", "cow.webp")
    page.set_input_files("#added", [tmp_path / name for name in names])
    rows = page.locator("#uploaded li")
    expect(rows.nth(0)).to_contain_text("content_type")
    expect(rows.nth(1)).to_contain_text("not searchable: ")
    expect(rows.nth(2)).to_contain_text("searchable")
    expect(page.locator("#uploads-title")).to_have_text("2 of 3 images added")
    for path in live.folder.iterdir():
        if path.stem.startswith(("fake-", "cow-")):
            path.unlink()
    eventually("they are gone", lambda: len(live.listed()) == 5)


def test_the_page_starts_where_its_modules_are_refused_at_first(page: Page, live: Any) -> None:
    """As when the concurrency of a new AWS account is exceeded."""
    refused: set[str] = set()

    def answer(route: Route) -> None:
        if (url := route.request.url) in refused:
            route.continue_()
        else:
            refused.add(url)
            route.fulfill(status=500, json={"message": "Internal server error"})

    page.route("**/assets/**/*.js", answer)
    open_search(page, live.url, QUERY)
    assert len(refused) > 20


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


def test_examples_match_images_of_the_collection(page: Page, live: Any) -> None:
    page.goto(live.url)
    examples = page.locator("#examples button")
    expect(examples.first).to_be_visible()
    assert 1 <= examples.count() <= 3
    expect(page.locator("#welcome")).to_contain_text("Search 5 images")
    expect(page.locator("#change-text")).to_contain_text("CLIP covers far more")
    example = examples.first.inner_text()
    examples.first.click()
    expect(page.locator("#grid .hit").first).to_be_visible()
    expect(page.locator("#q")).to_have_value(example)
    expect(page.locator("#count")).to_contain_text("match")


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
    covered = page.evaluate(
        """() => [...document.querySelectorAll("header, footer")]
          .filter((bar) => getComputedStyle(bar).position === "sticky")
          .reduce((sum, bar) => sum + bar.getBoundingClientRect().height, 0)"""
    )
    assert 0 < covered <= 0.15 * 360


def test_a_wrong_key_is_reported_and_cancel_ends_the_request_for_one(
    page: Page, live: Any, few: Path, serve: Callable[[Path], Any]
) -> None:
    keyed = serve(few).start(IMAGESEARCH_API_KEY="open sesame").ready()
    page.goto(keyed.url)
    expect(page.locator("#key-wrong")).to_be_hidden()
    page.fill("#key", "wrong")
    page.press("#key", "Enter")
    expect(page.locator("#key-wrong")).to_have_text("This key is wrong.")
    assert_accessible(page)
    page.click("#cancel")
    expect(page.locator("#ask")).to_be_hidden()
    expect(page.locator("#wrong")).to_contain_text("requires an API key")
    page.get_by_role("button", name="Enter key").click()
    page.fill("#key", "open sesame")
    page.press("#key", "Enter")
    expect(page.locator("#grid .hit")).to_have_count(4)
    expect(page.locator("#wrong")).to_be_hidden()

    port = keyed.url.rpartition(":")[2]
    keyed.stop()
    page.fill("#q", "the eiffel tower")
    page.press("#q", "Enter")
    expect(page.locator("#wrong")).to_contain_text("does not respond")
    expect(page.locator("#state")).to_contain_text("Reconnecting")
    keyed.start("--port", port, IMAGESEARCH_API_KEY="open sesame").ready()
    expect(page.locator("#state")).to_contain_text("4 images")
    expect(page.locator("#grid .hit").first).to_have_attribute("data-key", TOWER)
    expect(page.locator("#wrong")).to_be_hidden()


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
    page.goto(f"{live.url}/?q={QUERY}&open={live.listed()[TOWER]['id']}")
    page.locator("#shows summary").click()
    expect(page.locator("#labels li").first).to_be_visible()
    assert_accessible(page, *rules)
    page.click("#crop")
    assert_accessible(page, *rules)


def test_nothing_shifts_while_the_page_loads(page: Page, live: Any) -> None:
    page.add_init_script(
        """window.shift = 0;
        new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
          if (!entry.hadRecentInput) window.shift += entry.value;
        })).observe({ type: "layout-shift", buffered: true });"""
    )
    for path in ("/", f"/?q={QUERY}"):
        page.goto(live.url + path)
        expect(page.locator("#grid .hit").first).to_be_visible()
        expect(page.locator("#state")).to_contain_text("images")
        expect(page.get_by_role("treeitem", name="landmarks, 1")).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.shift") <= 0.02


def test_the_page_repeats_a_failed_search_after_a_restart_of_the_server(
    page: Page, live: Any
) -> None:
    page.goto(live.url)
    expect(page.locator("#grid .hit").first).to_be_visible()
    port = live.url.rpartition(":")[2]
    live.stop()
    try:
        page.fill("#q", "the eiffel tower")
        page.press("#q", "Enter")
        expect(page.locator("#state")).to_contain_text("Connection lost")
        expect(page.locator("#wrong")).to_be_visible()
    finally:
        live.start("--allow-uploads", "--allow-delete", "--port", port).ready()
    expect(page.locator("#grid .hit").first).to_have_attribute("data-key", TOWER)
    expect(page.locator("#wrong")).to_be_hidden()
    expect(page.locator("#state")).to_contain_text("images")


def assert_accessible(page: Page, *rules: str) -> None:
    """No violation of axe-core's rules, which include WCAG 2.2 AA, or of these alone."""
    options = {"runOnly": list(rules)} if rules else {}
    violations = Axe().run(page, options=options).response["violations"]
    assert [
        (each["id"], [node["html"][:200] for node in each["nodes"]]) for each in violations
    ] == []
