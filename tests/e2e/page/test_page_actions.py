"""Actions on the hits of the search page, in a real browser."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.e2e.page.browsing import (
    QUERY,
    TOWER,
    assert_accessible,
    hold_notices,
    is_search,
    open_search,
    posted_terms,
    transfer,
    wait_for_results,
)

Drop = Callable[[Path, str], None]
Eventually = Callable[..., None]


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
    wait_for_results(page)
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
        wait_for_results(page)
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
    expect(cow).to_have_count(0)
    assert_accessible(page)
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


def test_text_that_is_being_typed_stays_when_new_images_appear(
    page: Page, live: Any, eventually: Eventually
) -> None:
    page.goto(live.url)
    hits = page.locator("#grid .hit")
    expect(hits).to_have_count(5)
    expect(page.locator("#state")).to_contain_text("5 images")
    # An address is searched once it is sent.
    page.fill("#q", "https://example.com/dog")
    new = live.folder / "new.webp"
    shutil.copyfile(live.folder / "animals/cow.webp", new)
    expect(hits).to_have_count(6)
    expect(page.locator("#q")).to_have_value("https://example.com/dog")
    new.unlink()
    eventually("it is gone", lambda: len(live.listed()) == 5)


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
    assert_accessible(page)
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
    hold_notices(page)
    page.goto(live.url)
    expect(page.locator("#add")).to_be_visible()  # The page knows what the server allows.
    hit = page.locator('.hit[data-key="extra.webp"]')
    hit.focus()
    page.keyboard.press("Delete")
    expect(hit).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(hit).to_be_visible()
    expect(hit).to_be_focused()
    page.keyboard.press("Delete")
    expect(hit).to_be_hidden()
    page.keyboard.press("Control+z")
    expect(hit).to_be_visible()
    expect(page.locator("#toast")).to_contain_text("extra.webp restored")
    # The notice stays when the image that it was shown on is closed.
    hit.click()
    page.click("#delete")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
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
    expect(rows.nth(0)).to_contain_text("Not an image")
    expect(rows.nth(1)).to_contain_text("Not searchable: ")
    expect(rows.nth(2)).to_contain_text("Searchable")
    expect(page.locator("#uploads-title")).to_have_text("2 of 3 images added")
    assert_accessible(page)
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
    again = page.get_by_role("button", name="Enter key")
    again.press("Enter")
    expect(page.locator("#ask")).to_be_visible()
    page.keyboard.press("Escape")
    expect(again).to_be_focused()
    again.press("Enter")
    expect(page.locator("#ask")).to_be_visible()
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
