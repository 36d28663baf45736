"""Takes the screenshots of the search page in docs/, from the sample photos: make screenshots.

The photos get dates, a camera and a place, so that the timeline and the filters have values. With
`--all FOLDER`, every view is also taken at 375, 768 and 1,440 pixels, light and dark, for review.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from playwright.sync_api import Browser, Page, expect, sync_playwright

DOCS = Path(__file__).parent
SAMPLES = DOCS.parent / "samples"
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
SIZES = ((375, 740), (768, 1000), (1440, 900))
SCHEMES = ("light", "dark")
PATIENCE_MS = 120_000
MAX_BYTES = 150_000
CAMERAS = (("Canon", "EOS R6"), ("Nikon", "Z 6"), ("Apple", "iPhone 15"))
PLACES = ((48.8584, 2.2945), (-33.8568, 151.2153), (27.1751, 78.0421), (40.4319, 116.5704))
VIEWS = {
    "start": "",
    "search": "?q=a+castle+on+a+hill",
    "none": "?q=asdfgh",
    "filtered": "?camera=Nikon+Z+6&orientation=landscape&from=2023&to=2024",
}


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--all", type=Path, metavar="FOLDER", help="take every view into FOLDER")
    folder: Path | None = options.parse_args().all
    with tempfile.TemporaryDirectory() as scratch, served(Path(scratch)) as url, browser() as made:
        save(shot(made, url, "", 1440, 900, "light"), DOCS / "page.webp")
        save(shot(made, url, "", 1440, 900, "dark", opened=True), DOCS / "page-image.webp")
        save(shot(made, url, VIEWS["search"], 375, 740, "light"), DOCS / "page-phone.webp")
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            every_view(made, url, folder)


def every_view(made: Browser, url: str, folder: Path) -> None:
    for width, height in SIZES:
        for scheme in SCHEMES:
            for name, address in VIEWS.items():
                taken = shot(made, url, address, width, height, scheme)
                taken.save(folder / f"{name}-{width}-{scheme}.png")
            taken = shot(made, url, "", width, height, scheme, opened=True)
            taken.save(folder / f"image-{width}-{scheme}.png")


def shot(
    made: Browser,
    url: str,
    address: str,
    width: int,
    height: int,
    scheme: str,
    *,
    opened: bool = False,
) -> Image.Image:
    """A screenshot, with the first image opened if asked."""
    page = made.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        locale="en-GB",
    )
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{url}/{address}")
    page.wait_for_selector("#grid img, #empty:not([hidden])")
    if opened:
        page.locator("#grid .hit").first.click()
        expect(page.locator("#stage img")).not_to_have_js_property("naturalWidth", 0)
    page.wait_for_load_state("networkidle")
    if page.locator("#welcome:visible, #empty:visible").count():
        page.wait_for_selector(".chip.example:visible")
    wait_for_images(page)
    taken = Image.open(io.BytesIO(page.screenshot()))
    page.close()
    return taken


def wait_for_images(page: Page) -> None:
    """Wait until the images in the window are loaded, or have failed to load.

    Without polling inside the page, which its security policy blocks.
    """
    page.evaluate(
        """() => Promise.all([...document.images]
          .filter((image) => !image.complete && image.checkVisibility()
            && image.getBoundingClientRect().top < innerHeight)
          .map((image) => new Promise((done) => { image.onload = image.onerror = done; })))"""
    )


def save(taken: Image.Image, target: Path) -> None:
    """Save as WebP in the highest quality that fits."""
    for quality in range(85, 20, -5):
        taken.convert("RGB").save(target, quality=quality, method=6)
        if target.stat().st_size <= MAX_BYTES:
            break


@contextmanager
def served(scratch: Path) -> Iterator[str]:
    """The URL of a server of the photos, once all are indexed."""
    photos = scratch / "photos"
    for number, sample in enumerate(sorted(SAMPLES.glob("*/*.webp"))):
        save_photo(sample, photos, number)
    command: list[str | Path] = [
        Path(sys.executable).with_name("imagesearch"),
        "serve",
        photos,
        "--port",
        "0",
    ]
    with subprocess.Popen(  # noqa: S603
        [*command, "--data-dir", scratch / "data"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout  # noqa: S101
            url = server.stdout.readline().removeprefix("ready ").strip()
            httpx.get(f"{url}/v1/health", timeout=PATIENCE_MS / 1000).raise_for_status()
            yield url
        finally:
            server.terminate()


def save_photo(sample: Path, photos: Path, number: int) -> None:
    """A sample as JPEG with a date, a camera and a place; some in a nested folder."""
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Model] = CAMERAS[number % len(CAMERAS)]
    details, place = exif.get_ifd(IFD.Exif), exif.get_ifd(IFD.GPSInfo)
    details[Base.DateTimeOriginal] = (
        f"{2024 - number * 7 % 3}:{number * 5 % 12 + 1:02}:{number % 27 + 1:02} 14:30:00"
    )
    details[Base.OffsetTimeOriginal] = "+02:00"
    latitude, longitude = PLACES[number % len(PLACES)]
    place[GPS.GPSLatitudeRef], place[GPS.GPSLatitude] = "NS"[latitude < 0], (abs(latitude), 0, 0)
    place[GPS.GPSLongitudeRef], place[GPS.GPSLongitude] = (
        "EW"[longitude < 0],
        (abs(longitude), 0, 0),
    )
    nested = ("favourites",) if number % 4 == 0 else ()
    target = photos.joinpath(sample.parent.name, *nested, sample.name).with_suffix(".jpg")
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(sample) as picture:
        picture.convert("RGB").save(target, quality=92, exif=exif)


@contextmanager
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        raise SystemExit(f"no browser is on the path: apt-get install {BROWSERS[0]}")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        yield made
        made.close()


if __name__ == "__main__":
    main()
