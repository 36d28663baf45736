"""The weights of opinions within a session are those of the documentation."""

from imagesearch.search.refinement import WEIGHTS
from imagesearch.search.relevance import Modality
from tests.support.paths import REPOSITORY


def test_the_weights_are_those_of_the_documentation():
    page = (REPOSITORY / "docs/explanation/learning.md").read_text("utf-8")
    assert WEIGHTS[Modality.TEXT] == WEIGHTS[Modality.MIXED]
    for label, modality in (("text, mixture", Modality.TEXT), ("image, id, URL", Modality.IMAGE)):
        weights = WEIGHTS[modality]
        assert f"| {label} | {weights.like} | {weights.unlike} |" in page
