"""`search --open` in a real terminal opens a page with the hits, in a real browser."""

import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e.conftest import COMMAND
from tests.e2e.page.browsing import QUERY, TOWER

Eventually = Callable[..., None]
SCRIPT = """#!/bin/sh
printf '%s' "$1" > "$OPENED.part" && mv "$OPENED.part" "$OPENED"
"""


def test_hits_are_opened_as_a_contact_sheet_or_on_the_page_of_the_server(
    page: Page, few: Path, serve: Callable[[Path], Any], tmp_path: Path, eventually: Eventually
) -> None:
    served = serve(few)
    assert served.run("index", few).returncode == 0
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(SCRIPT)
    browser.chmod(0o755)

    def open_hits(*options: str) -> str:
        opened.unlink(missing_ok=True)
        leader, follower = pty.openpty()
        words = ["search", "the eiffel tower", "--open", *options]
        done = subprocess.run(
            [COMMAND, *words, "--data-dir", served.data_dir],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=os.environ | {"BROWSER": str(browser), "OPENED": str(opened)},
        )
        os.close(follower)
        os.close(leader)
        assert done.returncode == 0
        eventually("the browser is started", opened.exists)
        return opened.read_text()

    sheet = open_hits("--all")
    assert sheet.startswith("file:///")
    page.goto(sheet)
    expect(page.get_by_role("heading")).to_have_text(f"4 hits in {few}")
    expect(page.locator("li a").first).to_contain_text(TOWER)
    for image in page.locator("li img").all():
        image.scroll_into_view_if_needed()
        expect(image).not_to_have_js_property("naturalWidth", 0)
    page.locator("li a").first.click()
    expect(page).to_have_url((few / TOWER).as_uri())

    served.start().ready()
    shown = open_hits()
    assert shown == f"{served.url}/?q={QUERY}"
    page.goto(shown)
    expect(page.locator("#grid .hit").first).to_have_attribute("data-key", TOWER)
