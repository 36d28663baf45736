"""The captioned photos that quality is measured on."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.preprocess import open_picture


@dataclass(frozen=True)
class Samples:
    """Photos, with the caption, the folder and the file's stem of each."""

    pictures: list[Image.Image]
    captions: list[str]
    folders: npt.NDArray[np.str_]
    stems: list[str]


def read_samples(folder: Path) -> Samples:
    with (folder / "samples.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    paths = [folder / row["path"] for row in rows]
    return Samples(
        pictures=[open_picture(path) for path in paths],
        captions=[row["caption"] for row in rows],
        folders=np.array([path.parent.name for path in paths]),
        stems=[path.stem for path in paths],
    )
