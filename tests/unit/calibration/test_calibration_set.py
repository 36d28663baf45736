"""Claims: the set that ships is small, complete, licensed, and made of the repository's samples."""

import csv
import hashlib
from pathlib import Path

import pytest

from imagesearch.calibration.calibration_set import (
    DATA,
    PHOTOS,
    CalibrationSet,
    read_rows,
    shipped_set,
)
from imagesearch.domain.errors import ConfigurationError
from models.starter.imagenet_labels import label_sentences
from tests.support.paths import SAMPLES

LARGEST_SET = 3_000_000


@pytest.fixture(scope="module")
def photos() -> CalibrationSet:
    return shipped_set()


@pytest.fixture(scope="module")
def samples() -> list[dict[str, str]]:
    with (SAMPLES / "samples.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_the_set_has_at_most_3_megabytes() -> None:
    files = [path for path in DATA.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LARGEST_SET


def test_every_sample_is_in_the_set_with_its_caption_and_license(
    samples: list[dict[str, str]],
) -> None:
    rows = read_rows(DATA / PHOTOS)
    for name in ("path", "caption", "author", "license", "source"):
        assert [row[name] for row in rows] == [row[name] for row in samples]


def test_photos_that_are_not_reduced_are_the_samples() -> None:
    rows = [row for row in read_rows(DATA / PHOTOS) if row["reduced"] == "no"]
    assert len(rows) > 50
    for row in rows:
        sample = (SAMPLES / row["path"]).read_bytes()
        assert hashlib.sha256(sample).hexdigest() == row["sha256"]


def test_labels_are_the_thousand_sentences(photos: CalibrationSet) -> None:
    assert list(photos.labels) == label_sentences()


def test_the_digest_changes_with_every_part(photos: CalibrationSet) -> None:
    changed = [
        {"photos": [*photos.photos[:-1], b""]},
        {"captions": [*photos.captions[:-1], "another"]},
        {"kinds": [*photos.kinds[:-1], "another"]},
        {"labels": photos.labels[:-1]},
        {"unanswerable": {}},
    ]
    digests = {CalibrationSet(**(_fields(photos) | change)).digest for change in changed}
    assert len(digests | {photos.digest}) == len(changed) + 1


def _fields(photos: CalibrationSet) -> dict[str, object]:
    return {name: getattr(photos, name) for name in CalibrationSet.__dataclass_fields__}


def test_a_damaged_photo_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / PHOTOS).write_text("path\tsha256\tcaption\tkind\na.webp\t00\ta cat\tcat\n")
    (tmp_path / "a.webp").write_bytes(b"damage")
    with pytest.raises(ConfigurationError, match=r"a\.webp is missing or damaged"):
        shipped_set(tmp_path)


def test_a_set_of_own_photos_has_no_figure_of_the_starter(photos: CalibrationSet) -> None:
    own = photos.with_photos("own.tsv", photos.photos[:24], photos.captions[:24], photos.kinds[:24])
    assert (own.labels, own.starter_found) == (photos.labels, None)


def test_too_few_own_photos_are_an_error(photos: CalibrationSet) -> None:
    with pytest.raises(ConfigurationError, match="has 2 photos, too few"):
        photos.with_photos("own.tsv", photos.photos[:2], photos.captions[:2], photos.kinds[:2])
