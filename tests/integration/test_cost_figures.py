"""Claim: the bytes that the cost page uses are those that the functions log and return."""

import pytest

from benchmarks.costs import model
from benchmarks.costs.measure import measure


def test_the_bytes_of_the_cost_page_are_those_measured():
    api = model.load_template()["Resources"]["SearchApi"]["Properties"]
    measured = measure(api["AccessLogSetting"]["Format"])
    used = {name: model.load_figures()[name][0] for name in measured}
    assert measured == pytest.approx(used, rel=0.25)
