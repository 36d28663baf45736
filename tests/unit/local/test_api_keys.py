"""A server may have one key, or several that have names."""

import pytest

from local.errors import WrongUsage
from local.web.auth import ApiKeys


def test_one_key_and_more_are_read_from_the_environment() -> None:
    keys = ApiKeys.from_environment(
        {"IMAGESEARCH_API_KEY": "one", "IMAGESEARCH_API_KEYS": "shop=two,office=thr=ee"}
    )
    found = {key: keys.holder(key) for key in ("one", "two", "thr=ee", "", "four")}
    assert found == {"one": "default", "two": "shop", "thr=ee": "office", "": None, "four": None}
    assert keys


def test_without_keys_everybody_may_call() -> None:
    assert not ApiKeys.from_environment({})


def test_the_cookie_of_a_key_leads_back_to_it_and_tells_it_to_nobody() -> None:
    keys = ApiKeys({"shop": "secret", "office": "other"})
    assert keys.holder_of_cookie(keys.cookie("shop")) == "shop"
    assert keys.holder_of_cookie("secret") is None
    assert "secret" not in keys.cookie("shop")


@pytest.mark.parametrize("text", ["shop", "=key", "shop=", "shop=a,shop=b", "default=a"])
def test_a_list_that_names_no_keys_is_refused(text: str) -> None:
    with pytest.raises(WrongUsage, match="shop=key1"):
        ApiKeys.from_environment({"IMAGESEARCH_API_KEY": "x", "IMAGESEARCH_API_KEYS": text})
