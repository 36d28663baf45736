"""Claims: each response reaches CloudFormation, and its presigned URL is not logged."""

import json

import pytest

from functions.fetch_model.cloudformation import (
    ATTEMPTS,
    NotARequest,
    ResponseNotSent,
    ResponseSender,
)
from functions.fetch_model.handler import make_handler
from tests.support.aws.cloudformation import SIGNATURE, Context


def test_a_response_has_no_content_type_because_none_is_signed(cloudformation):
    cloudformation.ask("model-create")
    assert cloudformation.types == [""]


def test_a_response_that_is_not_accepted_is_retried(cloudformation):
    cloudformation.refusals = [503] * (ATTEMPTS - 1)
    assert cloudformation.ask("model-create")["Status"] == "SUCCESS"


def test_a_response_that_is_never_accepted_raises_so_that_lambda_retries(cloudformation, keys):
    cloudformation.refusals = [503] * ATTEMPTS
    with pytest.raises(ResponseNotSent, match="status 503") as caught:
        cloudformation.ask("model-create")
    assert SIGNATURE not in str(caught.value)
    assert cloudformation.ask("model-create")["Status"] == "SUCCESS"


def test_an_unreachable_response_url_is_reported_without_its_signature(cloudformation):
    with pytest.raises(ResponseNotSent, match="ConnectionError") as caught:
        cloudformation.ask("model-delete", ResponseURL=f"http://127.0.0.1:9/?{SIGNATURE}")
    assert SIGNATURE not in str(caught.value)


def test_the_log_contains_the_action_but_not_the_signed_url(cloudformation, logs, hub):
    made = cloudformation.ask("model-create")["PhysicalResourceId"]
    cloudformation.ask("model-delete", PhysicalResourceId=made)
    hub.statuses = [404]
    cloudformation.ask("model-create")
    lines = [json.loads(line) for line in logs.getvalue().splitlines()]
    assert [(line["request"], line["level"]) for line in lines] == [
        ("Create", "INFO"),
        ("Delete", "INFO"),
        ("Create", "ERROR"),
    ]
    assert lines[0]["fetched"] == ["image.onnx", "text.onnx", "tokenizer.json"]
    assert lines[1]["deleted"] == 4
    assert "404" in lines[2]["reason"]
    assert SIGNATURE not in logs.getvalue()


def test_a_long_reason_is_truncated(cloudformation, models):
    model = models["clip-vit-b-32"]
    pin = model.pins["image.onnx"].model_copy(update={"url": "ftp://" + "ü" * 5000})
    pins = model.pins | {"image.onnx": pin}
    models["clip-vit-b-32"] = model.model_copy(update={"pins": pins})
    answer = cloudformation.ask("model-create")
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("ftp://ü")


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        "Create",
        {"RequestType": "Create"},
        {
            "RequestType": "Look",
            "ResponseURL": "",
            "StackId": "",
            "RequestId": "",
            "LogicalResourceId": "",
        },
    ],
)
def test_an_invalid_event_is_an_error(open_store, logger, event):
    with pytest.raises(NotARequest):
        make_handler(open_store, ResponseSender(), logger)(event, Context(900))
