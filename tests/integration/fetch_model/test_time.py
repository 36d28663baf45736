"""Claims: CloudFormation gets a response before the function times out."""

from functions.fetch_model.cloudformation import RESPONSE_SECONDS
from functions.fetch_model.handler import SHUTDOWN_SECONDS
from tests.support.aws.cloudformation import failed


def test_a_fetch_that_takes_too_long_is_answered_before_the_function_ends(
    cloudformation, hub, keys
):
    hub.speaks.clear()
    cloudformation.when_answered = hub.speaks.set
    seconds = RESPONSE_SECONDS + SHUTDOWN_SECONDS + 0.2
    failed(
        cloudformation.ask("model-create", seconds=seconds), "not in place after", "Deploy again"
    )
    assert keys() == []
    assert len(hub.requests) <= 1  # on a busy machine the time may be over before the first


def test_a_hub_that_stays_silent_keeps_nobody_waiting(cloudformation, hub):
    hub.speaks.clear()
    try:
        failed(cloudformation.ask("model-create", seconds=1), "not in place after")
    finally:
        hub.speaks.set()
