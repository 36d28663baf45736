"""Steps on the search page that several tests take, and what they read of requests."""

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Request, Route, expect

TOWER = "landmarks/eiffel-tower.webp"
QUERY = "the+eiffel+tower"
# A resized copy of a sample, in the folder of the fixture `live`.
COPY = "animals/owl-small.webp"
# The time for Undo, and of a notice, in the page of a test.
NOTICE_SECONDS = 600


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


def hold_notices(page: Page) -> None:
    """Notices and Undo stay for longer than a test takes on a slow machine, instead of seconds."""

    def lengthen(route: Route) -> None:
        response = route.fetch()
        seconds = re.compile(r"(?<=\bUNDO_SECONDS = )\d+|(?<=\bseconds = )\d+")
        text, count = seconds.subn(str(NOTICE_SECONDS), response.text())
        route.fulfill(response=response, body=text) if count == 1 else route.abort()

    page.route(re.compile(r"/(deletion|notices)\.js$"), lengthen)


def wait_for_results(page: Page) -> None:
    """Waits for the results of a request that the page has sent."""
    expect(page.locator("#main")).to_have_attribute("aria-busy", "false")


def is_search(request: Request) -> bool:
    return request.method == "POST" and request.url.endswith("/v1/search")


def open_search(page: Page, url: str, query: str) -> None:
    page.goto(f"{url}/?q={query}")
    page.wait_for_selector(".hit .score", state="attached")


def assert_accessible(page: Page, *rules: str) -> None:
    """No violation of axe-core's rules, which include WCAG 2.2 AA, or of these alone."""
    options = {"runOnly": list(rules)} if rules else {}
    violations = Axe().run(page, options=options).response["violations"]
    found = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in violations]
    assert not found, found
