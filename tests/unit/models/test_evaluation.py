"""Claims: fitted weights separate copies from other photos, on photos not used for fitting."""

import numpy as np
import pytest
from PIL import Image

from imagesearch.embedding.self_test.edits import EDITS as COPIES
from models.evaluation.duplicates import Evidence, fit, table
from models.evaluation.page_copies import PAGE_COPIES
from models.evaluation.prompts import row as prompts_row

PHOTOS = 12
EDITS = COPIES | {f"page {kind}": edit for kind, edit in PAGE_COPIES.items()}
ODD = np.arange(PHOTOS) % 2 == 1


def evidence(kind, same, others):
    """Cosine, hash distance and overlap of each copy with its photo and with all other photos."""
    noise = np.random.default_rng(len(kind)).normal(0, 0.01, (PHOTOS, PHOTOS, 3))
    features = np.where(np.eye(PHOTOS, dtype=bool)[:, :, None], same, others) + noise
    return Evidence(kind, features.astype(np.float32))


@pytest.fixture
def found():
    return [
        evidence("", (1, 1, 1), (0.8, 0.1, 0.4)),
        evidence("cropped", (0.95, 0.1, 0.95), (0.8, 0.1, 0.4)),
        evidence("grey", (0.8, 1, 1), (0.75, 0.1, 0.4)),
    ]


def test_copies_are_separated_from_other_photos(found):
    lines = table(found, fit(found), ODD)
    assert lines[2:] == [
        "| none: the images themselves | – | – | 0 |",
        "| cropped | 100 | 100 | 0 |",
        "| grey | 100 | 100 | 0 |",
        "| all copies | 100 | 100 | 0 |",
    ]


def test_misclassified_copies_are_counted(found):
    weights = fit(found)
    found[1].features[1, 2] = (1, 1, 1)
    lines = table(found, weights, ODD)
    assert "| cropped | 100 | 86 | 1 |" in lines
    assert "| all copies | 100 | 92 | 1 |" in lines


@pytest.mark.parametrize("kind", EDITS)
def test_every_edit_changes_images_of_any_shape(kind):
    for size in ((256, 192), (192, 256)):
        blobs = np.random.default_rng(1).integers(0, 255, (6, 8, 3), np.uint8)
        picture = Image.fromarray(blobs).resize(size, Image.Resampling.NEAREST)
        edited = EDITS[kind](picture)
        assert edited.mode == "RGB"
        assert edited.size != size or edited.tobytes() != picture.tobytes()


def test_a_row_of_prompts_has_templates_and_five_figures():
    cosines = np.random.default_rng(7).uniform(-0.2, 0.2, (40, 40)).astype(np.float32)
    assert prompts_row(("a {}", "one {}"), cosines).startswith("| a {} · one {} | ")
    assert prompts_row(("{}",), cosines).count("|") == 6
