"""The profile of `make check` limits the examples of tests with settings of their own, too."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLES = 50


@pytest.fixture(scope="module")
def numbers() -> list[int]:
    return []


@settings(max_examples=EXAMPLES, database=None)
@given(number=st.integers())
def test_examples_are_generated(numbers: list[int], number: int) -> None:
    numbers.append(number)


def test_their_number_is_that_of_the_settings_or_of_the_quick_profile(numbers: list[int]) -> None:
    is_quick = settings.get_current_profile_name() == "quick"
    assert len(numbers) == (settings.get_profile("quick").max_examples if is_quick else EXAMPLES)
