"""The permissions that requests need, and those that the roles of template.yaml grant."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import boto3

from tests.support.aws.template import PSEUDO_PARAMETERS, Deployment
from tests.support.servers.opensearch_proxy import Sent

# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
ACTIONS = {
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "SendMessageBatch": "sqs:SendMessage",
}


class Permission(NamedTuple):
    """An action on a resource: of a request with its ARN, of a policy with a pattern of ARNs."""

    action: str
    resource: str

    def allows(self, needed: "Permission") -> bool:
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html"""
        wildcards = {"*": ".*", "?": "."}
        parts = (wildcards.get(part, re.escape(part)) for part in re.split("([*?])", self.resource))
        return self.action == needed.action and bool(
            re.fullmatch("".join(parts), needed.resource, re.DOTALL)
        )


def granted(deployment: Deployment, role: str) -> set[Permission]:
    """The permissions of a role's own policies."""
    return {
        Permission(action, resource)
        for policy in deployment.properties(role)["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in _as_list(statement["Action"])
        for resource in _as_list(statement["Resource"])
    }


def of_opensearch(sent: Iterable[Sent], domain: str) -> set[Permission]:
    """The permissions that requests to a domain need, by method and path.

    https://docs.aws.amazon.com/opensearch-service/latest/developerguide/ac.html
    """
    return {
        Permission(f"es:ESHttp{each.method.title()}", domain + urlsplit(each.path).path)
        for each in sent
    }


@contextmanager
def recorded_requests() -> Iterator[set[Permission]]:
    """The permissions for each request that boto3's clients sign, presigned ones too.

    Clients must be created in this context. A missing key is a 404 only for a role that may list
    the bucket: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    """
    needed: set[Permission] = set()

    def signed(request: Any, signing_name: str, operation_name: str, **_: Any) -> None:
        arn = _queue_arn(request) if signing_name == "sqs" else _object_arn(request)
        action = ACTIONS.get(operation_name, f"{signing_name}:{operation_name}")
        needed.add(Permission(action, arn))
        request.context["arn"] = arn

    def called(http_response: Any, context: Mapping[str, Any], **_: Any) -> None:
        if http_response.status_code == 404:
            needed.add(Permission("s3:ListBucket", context["arn"].partition("/")[0]))

    boto3.setup_default_session()
    session = boto3.DEFAULT_SESSION
    assert session is not None
    session.events.register("before-sign", signed)
    session.events.register("after-call.s3", called)
    try:
        yield needed
    finally:
        boto3.setup_default_session()


def _queue_arn(request: Any) -> str:
    account, queue = urlsplit(json.loads(request.data)["QueueUrl"]).path.strip("/").split("/")
    return f"arn:aws:sqs:{PSEUDO_PARAMETERS['AWS::Region']}:{account}:{queue}"


def _object_arn(request: Any) -> str:
    """The ARN of an object, or of the bucket where the address has no key.

    A presigned form has its key in a field, and is signed as a PUT to the bucket.
    """
    path = unquote(urlsplit(request.url).path).strip("/")
    is_form = request.method == "PUT" and "/" not in path
    return f"arn:aws:s3:::{path}{'/key-of-the-form' if is_form else ''}"


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
