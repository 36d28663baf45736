"""Claims: an address or a method that nothing answers is told as an error like all others."""

import pytest


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/", "/v2/search", "/v1/images/a/b", "/nothing", "/../etc", "/é"]
)
def test_an_address_with_nothing_behind_it_is_404(ask, path):
    answer = ask("GET", path)
    assert (answer.status, answer.error) == (404, "unknown_route")


@pytest.mark.parametrize("id", ["%00", "a%0Ab", "%E2%82%AC", "a\x00", "€", "a\nb"])
def test_an_id_of_odd_characters_is_of_no_image(ask, id):
    for path in (f"/v1/images/{id}", f"/v1/images/{id}/similar"):
        assert ask("GET", path).status == 404


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/search", "GET, POST"),
        ("PUT", "/v1/images", "GET, POST"),
        ("OPTIONS", "/v1/images/x", "DELETE, GET"),
        ("POST", "/v1/images/x/similar", "GET"),
        ("POST", "/", "GET"),
        ("PATCH", "/openapi.json", "GET"),
        ("GET", "/v1/search/batch", "POST"),
    ],
)
def test_a_method_that_an_address_does_not_know_is_405(ask, method, path, allow):
    answer = ask(method, path)
    assert (answer.status, answer.error) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == allow
