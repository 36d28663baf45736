"""Claims: the cost page is generated from dated prices, figures and the template, and adds up."""

import re
from datetime import date
from itertools import pairwise

import pytest

from benchmarks.costs import model, tables
from benchmarks.costs.measure import CONTEXT, access_log_line
from benchmarks.costs.model import BURSTABLE, Inputs
from benchmarks.costs.prices import load_prices


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return Inputs.load()


def test_the_page_has_the_generated_tables():
    text = tables.PAGE.read_text("utf-8")
    message = "run `.venv/bin/python -m benchmarks.costs.tables`"
    assert tables.with_tables(text) == text, message


def test_the_costs_of_a_table_add_up():
    sums, parts = 0, [0.0] * len(tables.SEARCHES)
    for line in tables.generated().splitlines():
        cells = [cell.strip(" *") for cell in line.strip("|").split("|")]
        if cells[0] == "USD":
            parts = [0.0] * (len(cells) - 1)
        elif cells[0].startswith("together"):
            totals = [float(cell.replace(",", "")) for cell in cells[1:]]
            # Cells are rounded to a dollar from 100 on.
            assert totals == pytest.approx(parts, abs=4)
            sums += 1
        elif re.match(r"[\d,.]+( \(.*\))?$", cells[-1]) and len(cells) == len(parts) + 1:
            dollars = [float(cell.split(" ")[0].replace(",", "")) for cell in cells[1:]]
            parts = [each + more for each, more in zip(parts, dollars, strict=True)]
        elif cells[0] == "row":
            break
    assert sums == 2 * len(tables.IMAGES) + 1


def test_every_price_has_a_unit_and_a_source_and_is_used(inputs):
    prices = load_prices()
    assert date.fromisoformat(prices["date"])
    used = (tables.ROOT / "benchmarks/costs/model.py").read_text()
    for name, (usd, unit, source) in prices["prices"].items():
        assert usd >= 0
        assert unit
        assert "http" in source or "github.com" in source or "AWS" in source
        assert f'"{name}"' in used


@pytest.mark.parametrize("searches", [0, 1, 10, 100, 300])
def test_more_images_and_more_searches_never_cost_less(inputs, searches):
    def total(images: int, searches: float) -> float:
        return sum(row.dollars for row in model.monthly(inputs, images, searches))

    costs = [total(10**power, searches) for power in range(3, 8)]
    assert all(one <= more for one, more in pairwise(costs))
    assert total(10**6, searches) <= total(10**6, 2 * searches + 1)


@pytest.mark.parametrize("images", [1_000, 390_000, 1_000_000, 10_000_000])
@pytest.mark.parametrize("searches", [1, 10, 100])
def test_the_domain_holds_its_vectors_in_memory(inputs, images, searches):
    node, count, volume = model.domain(inputs, images, searches)
    copies = 1 if searches < model.STANDBY_FROM else 2
    assert count * node.vector_bytes >= images * inputs.figures["memory_bytes"] * copies
    assert count * volume * 2**30 >= images * inputs.figures["disk_bytes"] * copies
    assert (node is BURSTABLE) == (copies == 1 and images <= 390_000)


def test_idle_costs_are_a_part_of_every_month(inputs):
    month = sum(row.dollars for row in model.monthly(inputs, 100_000, 1))
    assert 0 < model.idle(inputs) < month


def test_the_access_log_of_the_template_is_measured(inputs):
    api = model.load_template()["Resources"]["SearchApi"]["Properties"]
    line = access_log_line(api["AccessLogSetting"]["Format"])
    assert "$" not in line
    assert CONTEXT["path"] in line
    assert len(line) == pytest.approx(inputs.figures["access_log_bytes"], rel=0.25)
