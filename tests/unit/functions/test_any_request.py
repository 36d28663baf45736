"""Claim: no request, however odd, is answered as if the system were broken."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ADDRESSES = ["/v1/search", "/v1/search/batch", "/v1/images", "/v1/images/x", "/v1/health"]
ADDRESSES += ["/v1/images/x/similar"]
TYPES = ["application/json", "image/png", "application/octet-stream"]
NAMES = ["q", "limit", "cursor", "collection", "status", "sort", "prefix"]


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]),
    path=st.sampled_from(ADDRESSES) | st.text().map(lambda text: f"/{text}"),
    body=st.text() | st.binary(),
    type=st.sampled_from(TYPES) | st.text(),
    query=st.dictionaries(
        st.sampled_from(NAMES) | st.uuids().map(str), st.text() | st.lists(st.text(), min_size=1)
    ),
)
def test_no_request_at_all_is_answered_with_500(ask, method, path, body, type, query):
    assert ask(method, path, body, type, **query).status < 500
