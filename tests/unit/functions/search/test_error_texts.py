"""Claims: no response names a path, host, role or index of the deployment; the log does."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesearch.domain.errors import ConfigurationError, Unavailable, Unreachable

SECRETS = (
    "/var/task/model/manifest.json",
    "arn:aws:sts::123456789012:assumed-role/imagesearch-SearchRole-1AB2/imagesearch-Search",
    "vpc-images-x1y2z3.eu-west-1.es.amazonaws.com",
    "10.1.2.3:9200",
    "images-0123456789abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "s3://company-photos",
)
ERRORS = (
    Unavailable,
    Unreachable,
    ConfigurationError,
    OSError,
    RuntimeError,
    KeyError,
    TimeoutError,
)
REQUESTS = (
    ("GET", "/v1/search", None, {"q": "a cat"}),
    ("POST", "/v1/search", {"query": {"id": "x"}}, {}),
    ("POST", "/v1/search/batch", {"searches": [{"query": {"id": "x"}}]}, {}),
    ("GET", "/v1/images", None, {}),
    ("GET", "/v1/images/x", None, {}),
    ("GET", "/v1/images/x/similar", None, {}),
    ("GET", "/v1/facets", None, {}),
    ("GET", "/v1/collections", None, {}),
    ("GET", "/v1/duplicates", None, {}),
    ("POST", "/v1/duplicates/check", {"id": "x"}, {}),
    ("GET", "/v1/health", None, {}),
)


class Failing:
    """An index all of whose operations raise `error`."""

    error: Exception = Unavailable("")

    def __getattr__(self, _name):
        def operation(*_, **__):
            raise self.error

        return operation


@pytest.fixture
def index():
    return Failing()


@settings(
    derandomize=True,
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(ERRORS),
    st.sampled_from(REQUESTS),
    st.lists(st.sampled_from(SECRETS), min_size=1, max_size=4),
    st.text(max_size=10),
)
def test_no_response_names_a_part_of_the_deployment(ask, index, logs, kind, request, named, text):
    index.error = kind(f"{text}: " + ", ".join(named))
    method, path, body, query = request
    answer = ask(method, path, body, **query)
    assert answer.status in (500, 503)
    assert not [secret for secret in SECRETS if secret in str(answer.body)]
    assert named[0] in logs.stream.getvalue()
