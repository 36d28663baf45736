"""Claims: a file of paths and captions becomes a calibration set, or an error names the line."""

import io
from pathlib import Path

import pytest
from PIL import Image

from imagesearch.calibration.calibration_set import MIN_PHOTOS, CalibrationSet
from imagesearch.domain.errors import ConfigurationError
from imagesearch.embedding.self_test.own_photos import own_set

pytestmark = pytest.mark.slow

SAMPLES = CalibrationSet("samples", [b"photo"], ["a cat"], ["cat"], ["a dog"], {"one": ["x"]}, 50)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(MIN_PHOTOS):
        size = (600, 300) if number % 2 else (90, 120)
        Image.new("RGB", size, (number * 9, 40, 200)).save(tmp_path / f"{number}.png")
    return tmp_path


def written(folder: Path, separator: str, suffix: str, kind: bool = False) -> Path:
    lines = [["path", "caption", *["kind"] * kind]]
    lines += [[f"{n}.png", f"color {n}", *["even"] * kind] for n in range(MIN_PHOTOS)]
    path = folder / f"captions{suffix}"
    path.write_text("\n".join(separator.join(line) for line in lines) + "\n")
    return path


@pytest.mark.parametrize(("separator", "suffix"), [("\t", ".tsv"), (",", ".csv")])
def test_photos_are_reduced_to_what_models_need(folder: Path, separator: str, suffix: str) -> None:
    found = own_set(written(folder, separator, suffix), SAMPLES)
    assert found.name == f"captions{suffix}"
    assert found.captions[3] == "color 3"
    assert len(set(found.kinds)) == MIN_PHOTOS
    assert (found.labels, found.unanswerable) == (SAMPLES.labels, SAMPLES.unanswerable)
    pictures = [Image.open(io.BytesIO(photo)) for photo in found.photos]
    assert {picture.size for picture in pictures} == {(384, 192), (288, 384)}
    assert pictures[5].convert("RGB").getpixel((10, 10)) == (45, 40, 200)


def test_kinds_are_read_if_present(folder: Path) -> None:
    assert set(own_set(written(folder, "\t", ".tsv", kind=True), SAMPLES).kinds) == {"even"}


def test_errors_name_the_file_the_line_and_the_photo(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.tsv cannot be read"):
        own_set(folder / "none.tsv", SAMPLES)
    path = written(folder, "\t", ".tsv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], "5.png\t", *lines[5:]]))
    with pytest.raises(ConfigurationError, match="line 5 has no path or no caption"):
        own_set(path, SAMPLES)
    path = written(folder, "\t", ".tsv")
    (folder / "7.png").write_bytes(b"damage")
    with pytest.raises(ConfigurationError, match=r"7\.png: "):
        own_set(path, SAMPLES)
    (folder / "7.png").unlink()
    with pytest.raises(ConfigurationError, match=r"7\.png cannot be read"):
        own_set(path, SAMPLES)


@pytest.mark.parametrize(
    ("cells", "error"),
    [
        (("5.png", "   "), "line 5 has no path or no caption"),
        (("\t", "a cat"), "line 5 has no path or no caption"),
        (("5.png", "a \0"), "line 5 has control characters"),
        (("5.png", "a \x1b[2J"), "line 5 has control characters"),
    ],
)
def test_captions_without_text_are_errors(folder: Path, cells: list[str], error: str) -> None:
    path = written(folder, ",", ".csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], ",".join(cells), *lines[5:]]))
    with pytest.raises(ConfigurationError, match=error):
        own_set(path, SAMPLES)


@pytest.mark.parametrize("name", ["path", "caption"])
def test_one_caption_or_photo_for_all_lines_is_an_error(folder: Path, name: str) -> None:
    path = folder / "captions.tsv"
    rows = [
        ("0.png" if name == "path" else f"{n}.png", "a cat" if name == "caption" else f"cat {n}")
        for n in range(MIN_PHOTOS)
    ]
    path.write_text("\n".join("\t".join(row) for row in [("path", "caption"), *rows]))
    with pytest.raises(ConfigurationError, match=f"all lines have the same {name}"):
        own_set(path, SAMPLES)


def test_the_case_of_the_headings_does_not_matter(folder: Path) -> None:
    path = written(folder, "\t", ".tsv")
    path.write_text(path.read_text().replace("path\tcaption", "Path\tCaption ", 1))
    assert own_set(path, SAMPLES).captions[3] == "color 3"


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_csv_file_of_excel_is_read(folder: Path, separator: str) -> None:
    path = written(folder, separator, ".csv")
    path.write_text(path.read_text(), "utf-8-sig")
    assert own_set(path, SAMPLES).captions[3] == "color 3"


def test_a_file_without_the_columns_or_in_another_encoding_is_an_error(folder: Path) -> None:
    path = written(folder, "|", ".csv")
    with pytest.raises(ConfigurationError, match=r"path and caption; it names path\|caption"):
        own_set(path, SAMPLES)
    path.write_text(path.read_text(), "utf-16")
    with pytest.raises(ConfigurationError, match="is not text in UTF-8"):
        own_set(path, SAMPLES)
