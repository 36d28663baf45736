"""Image-to-image metrics: retrieval of edited images and of similar ones.

KINDS groups the samples by subject, for image-to-image metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from imagesearch.calibration.retrieval import mean_reciprocal_rank, ranks
from models import Floats

NEIGHBORS = 5
# The API's default threshold for near duplicates.
DUPLICATE = 0.95

# Manual groups of the samples, by file stem; samples without a group are distractors.
KINDS = {
    "fish": "clownfish goldfish orange-discus-fish-in-an-aquarium spotted-puffer-fish",
    "bird": "chickens owl scarlet-macaw-parrot white-duck",
    "bear": "giant-panda polar-bear-on-snow",
    "reptile": "chameleon-on-a-branch crocodile-on-a-river-bank komodo-dragon",
    "hoofed": "american-bison cow horse-in-a-field moose-with-antlers pig sheep-on-grass"
    " two-giraffes",
    "marsupial": "kangaroo-with-its-joey koalas-in-a-tree",
    "cat": "kitten-playing two-jaguars",
    "windmill": "dutch-windmill-by-a-canal white-windmills-on-an-island wooden-windmill",
    "solar power": "solar-panels-on-a-roof solar-tracker",
    "tower": "bayterek-tower-in-astana eiffel-tower empire-state-building leaning-tower-of-pisa"
    " skyscraper-under-construction",
    "arch": "brandenburg-gate india-gate triumphal-arch-in-paris",
    "statue": "statue-of-christ-the-redeemer-on-a-mountain statue-of-liberty"
    " faces-of-presidents-carved-into-a-mountain",
    "dome": "taj-mahal united-states-capitol",
    "ruin": "colosseum-in-rome greek-temple-with-columns roman-aqueduct-over-a-river"
    " ruins-of-an-inca-city-in-the-mountains",
    "castle or church": "cathedral-with-two-towers island-abbey fairy-tale-castle-on-a-hill"
    " palace-at-night",
    "hand tool": "adjustable-wrench claw-hammer nail-clipper pair-of-pliers pair-of-scissors"
    " screwdriver sickle tweezers",
    "cutlery": "five-spoons knife-a-fork-and-a-spoon",
    "ball": "baseball volleyball",
    "crockery": "tea-cup-and-saucer white-plate",
}


def image_retrieval(
    originals: Floats,
    edited: Mapping[str, Floats],
    folders: npt.NDArray[np.str_],
    stems: Sequence[str],
) -> dict[str, float]:
    """Figures in percent; pairs are a count."""
    found = [100 * float((ranks(e, originals) == 0).mean()) for e in edited.values()]
    reciprocal = [mean_reciprocal_rank(e, originals) for e in edited.values()]
    close = [100 * float(((e * originals).sum(1) >= DUPLICATE).mean()) for e in edited.values()]
    return {
        "edit_R@1": round(float(np.mean(found)), 1),
        "edit_MRR": round(float(np.mean(reciprocal)), 1),
        "folder_precision@5": round(_precision(originals, folders), 1),
        "same_kind_mAP": round(_average_precision(originals, kinds_of(stems)), 1),
        "edits_above_0.95": round(float(np.mean(close)), 1),
        "different_pairs_above_0.95": _pairs_above(originals, DUPLICATE),
    }


def kinds_of(stems: Sequence[str]) -> npt.NDArray[np.str_]:
    """The kind of each file; a file without a group is its own kind."""
    known = {stem: kind for kind, members in KINDS.items() for stem in members.split()}
    return np.array([known.get(stem, stem) for stem in stems])


def _neighbors(vectors: Floats) -> npt.NDArray[np.int64]:
    """The other rows by descending similarity; [N, N − 1]."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :-1]


def _precision(vectors: Floats, groups: npt.NDArray[np.str_]) -> float:
    nearest = _neighbors(vectors)[:, :NEIGHBORS]
    return 100 * float((groups[nearest] == groups[:, None]).mean())


def _average_precision(vectors: Floats, groups: npt.NDArray[np.str_]) -> float:
    """Mean average precision over images with others in their group; 0 if there are none."""
    relevant = groups[_neighbors(vectors)] == groups[:, None]
    so_far = relevant.cumsum(axis=1) / np.arange(1, relevant.shape[1] + 1)
    per_picture = [row[hit].mean() for row, hit in zip(so_far, relevant, strict=True) if hit.any()]
    return 100 * float(np.mean(per_picture or [0.0]))


def _pairs_above(vectors: Floats, threshold: float) -> int:
    upper = np.triu_indices(len(vectors), k=1)
    return int(((vectors @ vectors.T)[upper] >= threshold).sum())
