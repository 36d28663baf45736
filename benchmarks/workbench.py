"""The environment of a measurement: sample photos, an empty index, and the functions' settings."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

REPOSITORY = Path(__file__).parents[1]
SAMPLES = REPOSITORY / "samples"
STARTER_MODEL = REPOSITORY / "layers/starter_model/starter_model"
PIXELS = 1_000_000
QUALITY = 90


@dataclass(frozen=True, slots=True)
class Workbench:
    """Temporary folders of a measurement."""

    folder: Path
    data: Path
    model: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of this process with the functions' settings."""
        return os.environ | {
            "BUCKET": self.folder.as_uri(),
            "INDEX_URL": f"sqlite://{self.data / 'index.db'}",
            "DERIVED_URI": (self.data / "derived").as_uri(),
            "MODEL_URI": str(self.model),
            "LOG_LEVEL": "ERROR",
            "POWERTOOLS_METRICS_DISABLED": "true",
        }


@contextmanager
def workbench(photos: int | None = None, model: Path = STARTER_MODEL) -> Iterator[Workbench]:
    """A workbench with the samples, or with this number of different photos of 1 megapixel."""
    with TemporaryDirectory(prefix="imagesearch-bench-") as temporary:
        root = Path(temporary)
        if photos is None:
            shutil.copytree(SAMPLES, root / "photos", ignore=shutil.ignore_patterns("*.tsv"))
        else:
            _write_photos(root / "photos", photos)
        (root / "data").mkdir()
        yield Workbench(root / "photos", root / "data", model)


def _write_photos(folder: Path, count: int) -> None:
    """Different JPEG files of 1 megapixel: the samples, then blends of any two of them.

    Copies of the samples would measure the comparison of duplicates, which few libraries have.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted(SAMPLES.rglob("*.webp"))
    for number in range(count):
        distance, source = divmod(number, len(sources))
        picture = _read(sources[source])
        scale = (PIXELS / (picture.width * picture.height)) ** 0.5
        sides = round(picture.width * scale), round(picture.height * scale)
        picture = picture.resize(sides, Image.Resampling.BICUBIC)
        if distance:
            other = _read(sources[(source + distance) % len(sources)])
            picture = Image.blend(picture, other.resize(sides, Image.Resampling.BICUBIC), 0.5)
        picture.save(folder / f"{number:05}.jpg", quality=QUALITY)


def _read(file: Path) -> Image.Image:
    with Image.open(file) as opened:
        return opened.convert("RGB")
