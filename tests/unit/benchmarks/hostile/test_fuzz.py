"""Claims: no mutated file of any format crashes more than its decoder process."""

import pytest

from benchmarks.hostile.fuzz import run

pytestmark = pytest.mark.slow


def test_mutated_files_of_every_format_are_decoded_or_rejected():
    """`python -m benchmarks fuzz` runs 20,000."""
    report = run(60, seed=17)
    assert report.files == 60
    assert report.count("decoded") > 0
    assert report.memory < 1_200 * 2**20
