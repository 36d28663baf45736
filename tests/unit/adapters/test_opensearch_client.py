"""An address says how OpenSearch is reached and how requests are signed."""

import boto3
import pytest

from imagesearch.adapters.opensearch.client import OpenSearchClient, aws_signature
from imagesearch.domain.errors import ConfigurationError

HOST = "search-images-abc.eu-west-1.es.amazonaws.com"


def connection(url):
    return OpenSearchClient(url).raw.transport.get_connection()


@pytest.mark.parametrize(("url", "reached"), [
    ("http://localhost", "http://localhost:9200"),
    ("http://localhost:9250/", "http://localhost:9250"),
    ("https://search.example.org", "https://search.example.org:443"),
    ("https://example.org:8443/behind/proxy", "https://example.org:8443/behind/proxy"),
])  # fmt: skip
def test_the_port_follows_from_the_scheme(url, reached):
    found = connection(url)
    assert found.host + found.url_prefix == reached


def test_user_and_password_may_hold_any_character():
    headers = connection("http://me:p%40ss%2Fword@localhost").headers
    assert headers["authorization"] == "Basic bWU6cEBzcy93b3Jk"


def session(**more):
    return boto3.Session(aws_access_key_id="AKID", aws_secret_access_key="s", **more)


@pytest.mark.parametrize(("host", "region"), [
    (HOST, "eu-west-1"),
    ("vpc-images-abc.us-gov-west-1.es.amazonaws.com", "us-gov-west-1"),
    ("search-images-abc.aos.ap-southeast-2.on.aws", "ap-southeast-2"),
])  # fmt: skip
def test_requests_to_aws_are_signed_for_the_hosts_region(host, region):
    sign = aws_signature(host, session(region_name="sa-east-1"))
    headers = sign("POST", f"https://{host}/_bulk", b"{}")
    assert f"/{region}/es/aws4_request" in headers["Authorization"]


def test_a_session_without_credentials_is_a_wrong_configuration():
    class Nobody:
        region_name = "eu-west-1"

        def get_credentials(self):
            return None

    with pytest.raises(ConfigurationError, match="no AWS credentials"):
        aws_signature(HOST, Nobody())
