"""What template.yaml promises of the functions and the index."""

from typing import Any

import pytest

from imagesearch.settings import COMPRESSIONS, FOLDER_SETTINGS, Settings


def test_what_somebody_waits_for_is_called_as_a_snapshot(template, functions):
    assert set(functions) == {"FetchModel", "IndexImages", "IndexNextModel", "Search"}
    for name in ("FetchModel", "IndexNextModel"):
        assert functions[name]["SnapStart"] == {"ApplyOn": "None"}
    assert functions["Search"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert functions["IndexImages"]["SnapStart"] == {"ApplyOn": {"Ref": "IndexSnapStart"}}
    assert template["Parameters"]["IndexSnapStart"]["Default"] == "PublishedVersions"
    for function in functions.values():
        assert function["AutoPublishAlias"] == "live"
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == ["x86_64"]


def test_a_new_release_makes_new_snapshots_and_drops_the_old_ones(template, functions):
    for function in functions.values():
        assert function["AutoPublishCodeSha256"] == {"Ref": "Release"}
        assert function["VersionDeletionPolicy"] == "Delete"
    assert "Default" not in template["Parameters"]["Release"]


def test_a_snapshot_allows_no_larger_disk(functions):
    larger = {name for name, each in functions.items() if "EphemeralStorage" in each}
    assert larger == {"FetchModel"}


def test_the_settings_of_the_functions_are_the_ones_that_are_read(template, functions):
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    own = [functions[name]["Environment"]["Variables"] for name in ("Search", "IndexImages")]
    read = {name.upper() for name in Settings.model_fields.keys() - FOLDER_SETTINGS}
    libraries = ("POWERTOOLS_", "ORT_")
    told = shared.keys() | own[0].keys() | own[1].keys()
    assert {name for name in told if not name.startswith(libraries)} == read


def test_what_the_template_offers_of_an_index_is_what_the_settings_take(template):
    offered = template["Parameters"]["IndexEngine"]["AllowedValues"]
    assert offered == list(COMPRESSIONS)
    for engine in offered:
        rule = template["Rules"][f"{engine.capitalize()}Compresses"]
        assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "IndexEngine"}, engine]}
        (values, _) = rule["Assertions"][0]["Assert"]["Fn::Contains"]
        assert tuple(values) == COMPRESSIONS[engine]


def test_logs_of_everything_end_some_day(functions, of_type):
    groups = of_type("AWS::Logs::LogGroup")
    assert all(group["RetentionInDays"] for group in groups.values())
    for function in functions.values():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


@pytest.fixture
def queues(functions) -> dict[str, dict[str, Any]]:
    """The queues that functions are fed from, with how."""
    return {
        name: event["Properties"]
        for function in functions.values()
        for name, event in function.get("Events", {}).items()
        if event["Type"] == "SQS"
    }


def test_a_bad_image_does_not_fail_its_batch(queues):
    assert set(queues) == {"ImageQueue", "BackfillQueue", "NextModelQueue"}
    for queue in queues.values():
        assert queue["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_function_looks_at_ten_images_in_one_go(queues):
    """A backfill's message names ten of them; an upload's, one."""
    assert queues["ImageQueue"]["BatchSize"] == 10
    assert queues["BackfillQueue"]["BatchSize"] == queues["NextModelQueue"]["BatchSize"] == 1


def test_indexing_is_bounded_where_no_message_is_lost(functions, queues):
    bounds = {name: queue["ScalingConfig"]["MaximumConcurrency"] for name, queue in queues.items()}
    assert bounds == {
        "ImageQueue": {"Ref": "IndexConcurrency"},
        "BackfillQueue": {"Ref": "BackfillConcurrency"},
        "NextModelQueue": {"Ref": "BackfillConcurrency"},
    }
    assert not any("ReservedConcurrentExecutions" in each for each in functions.values())


def test_a_search_ends_before_api_gateway_gives_up(functions):
    assert functions["Search"]["Timeout"] < 29


def test_the_index_is_encrypted_everywhere(resources):
    domain = resources["ImageIndex"]["Properties"]
    assert domain["EncryptionAtRestOptions"] == {"Enabled": True}
    assert domain["NodeToNodeEncryptionOptions"] == {"Enabled": True}
    endpoint = domain["DomainEndpointOptions"]
    assert endpoint["EnforceHTTPS"] is True
    assert endpoint["TLSSecurityPolicy"].startswith("Policy-Min-TLS-1-2")


def test_nothing_is_fetched_from_the_web_unless_the_operator_says_so(template):
    assert template["Parameters"]["AllowUrls"]["Default"] == "false"
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["ALLOW_URLS"] == {"Ref": "AllowUrls"}
