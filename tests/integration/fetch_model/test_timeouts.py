"""Claims: CloudFormation gets a response before the function times out."""

from functions.fetch_model.cloudformation import RESPONSE_SECONDS
from functions.fetch_model.handler import SHUTDOWN_SECONDS
from tests.support.aws.cloudformation import failed


def test_a_slow_download_is_answered_before_the_function_times_out(cloudformation, hub, keys):
    hub.responding.clear()
    cloudformation.when_answered = hub.responding.set
    seconds = RESPONSE_SECONDS + SHUTDOWN_SECONDS + 0.2
    failed(
        cloudformation.ask("model-create", seconds=seconds), "not in place after", "Deploy again"
    )
    assert keys() == []
    assert len(hub.requests) <= 1  # on a busy machine the time can expire before the first request


def test_a_hub_that_does_not_respond_is_reported_in_time(cloudformation, hub):
    hub.responding.clear()
    try:
        failed(cloudformation.ask("model-create", seconds=1), "not in place after")
    finally:
        hub.responding.set()
