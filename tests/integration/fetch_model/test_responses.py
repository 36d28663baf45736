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


def test_an_answer_has_no_content_type_because_none_is_signed(cloudformation):
    cloudformation.ask("model-create")
    assert cloudformation.types == [""]


def test_an_answer_that_is_not_taken_is_sent_again(cloudformation):
    cloudformation.refusals = [503] * (ATTEMPTS - 1)
    assert cloudformation.ask("model-create")["Status"] == "SUCCESS"


def test_an_answer_that_is_never_taken_ends_in_an_error_so_that_lambda_tries_again(
    cloudformation, keys
):
    cloudformation.refusals = [503] * ATTEMPTS
    with pytest.raises(ResponseNotSent, match="status 503") as caught:
        cloudformation.ask("model-create")
    assert SIGNATURE not in str(caught.value)
    assert cloudformation.ask("model-create")["Status"] == "SUCCESS"


def test_an_address_that_is_away_is_told_without_its_signature(cloudformation):
    with pytest.raises(ResponseNotSent, match="ConnectionError") as caught:
        cloudformation.ask("model-delete", ResponseURL=f"http://127.0.0.1:9/?{SIGNATURE}")
    assert SIGNATURE not in str(caught.value)


def test_the_log_says_what_was_done_and_nothing_of_the_signed_address(cloudformation, logs, hub):
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


def test_a_reason_that_is_long_is_cut(cloudformation, models):
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
def test_what_cloudformation_does_not_send_is_an_error(shelf, logger, event):
    with pytest.raises(NotARequest):
        make_handler(shelf, ResponseSender(), logger)(event, Context(900))
