"""Claims about the models in template.yaml: selected by name or URI, downloaded before use."""

import re
from typing import Any

import pytest

from functions.fetch_model.cloudformation import RESPONSE_SECONDS
from functions.fetch_model.handler import SHUTDOWN_SECONDS
from imagesearch.downloads.model_source import ModelSource
from imagesearch.downloads.model_store import SELF_TEST_SECONDS
from imagesearch.embedding.model_catalog import catalog_entries

MIB = 1 << 20
SNAPSHOTS_DISK = 512 * MIB
STARTER = "/opt/starter_model"


@pytest.fixture
def offered(template) -> list[str]:
    return template["Parameters"]["ModelName"]["AllowedValues"]


def test_the_default_model_is_clip_from_its_publisher(template):
    defaults = {name: each.get("Default") for name, each in template["Parameters"].items()}
    assert defaults["ModelName"] == "clip-vit-b-32"
    for name in ("ModelUri", "ModelSource", "NextModelName", "NextModelUri"):
        assert defaults[name] == "none"


def test_every_model_that_a_function_can_fetch_and_hold_is_offered(template, offered):
    fitting = {
        model.name
        for model in catalog_entries()
        if not model.quantization and model.bytes < SNAPSHOTS_DISK
    }
    assert set(offered) == {"starter", *fitting}
    assert template["Parameters"]["NextModelName"]["AllowedValues"] == ["none", *offered]


@pytest.mark.parametrize("next", ["", "Next"])
def test_a_model_uri_takes_precedence_over_a_model_name(template, functions, next):
    name = "IndexNextModel" if next else "IndexImages"
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    own = functions[name]["Environment"]["Variables"]
    assert (shared | own)["MODEL_URI"] == {
        "Fn::If": [
            f"HasOwn{next}Model",
            {"Ref": f"{next}ModelUri"},
            {"Fn::If": [f"Fetches{next}Model", {"Ref": f"{next}Model"}, STARTER]},
        ]
    }


@pytest.fixture
def requested(of_type) -> dict[str, Any]:
    return of_type("Custom::Model")


@pytest.mark.parametrize(
    ("source", "valid"),
    [
        ("none", True),
        ("s3://models-of-mine/mirror", True),
        ("s3://models-of-mine/a/b_c=1.0", True),
        ("https://example.org", True),
        ("https://example.org:8443/models/", True),
        ("http://example.org/models", False),
        ("s3://models-of-mine", False),
        ("s3://models-of-mine/", False),
        ("s3://models-of-mine/*", False),
        ("https://user:password@example.org/", False),
        ("https://example.org/?a=b", False),
    ],
)
def test_a_mirror_is_an_s3_prefix_or_an_https_url_that_the_function_accepts(
    template, source, valid
):
    pattern = template["Parameters"]["ModelSource"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, source)) == valid
    if valid and source != "none":
        assert ModelSource(source).base == source


def test_both_models_are_fetched_from_the_mirror(template, requested):
    for each in requested.values():
        assert each["Source"] == {
            "Fn::If": ["HasModelSource", {"Ref": "ModelSource"}, {"Ref": "AWS::NoValue"}]
        }
    assert template["Conditions"]["HasModelSource"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "ModelSource"}, "none"]}]
    }


def test_the_fetch_function_has_more_time_for_downloads_than_for_its_self_test(functions):
    times = SELF_TEST_SECONDS + RESPONSE_SECONDS + SHUTDOWN_SECONDS
    assert functions["FetchModel"]["Timeout"] - times > SELF_TEST_SECONDS


def test_the_two_models_have_separate_prefixes(requested):
    """One can be deleted after the other has replaced it."""
    assert {name: each["Part"] for name, each in requested.items()} == {
        "Model": "model",
        "NextModel": "next-model",
    }
    for name, each in requested.items():
        assert each["ModelName"] == {"Ref": f"{name}Name"}
        assert each["Bucket"] == {"Ref": "ModelBucket"}


def test_a_new_release_updates_the_model(requested):
    """A release can pin other files of the same model."""
    assert all(each["Release"] == {"Ref": "Release"} for each in requested.values())


def test_a_function_that_cannot_start_does_not_block_the_stack_for_an_hour(requested, functions):
    for each in requested.values():
        assert functions["FetchModel"]["Timeout"] < each["ServiceTimeout"] < 3600


def test_the_disk_fits_the_rewriting_of_the_largest_file(functions, offered):
    files = [
        pin.bytes
        for model in catalog_entries()
        if model.name in offered
        for pin in model.pins.values()
    ]
    assert 2 * max(files) < functions["FetchModel"]["EphemeralStorage"]["Size"] * MIB


def test_the_fetch_function_depends_on_neither_index_nor_model(functions):
    own = functions["FetchModel"]["Environment"]["Variables"]
    assert {own[name] for name in ("BUCKET", "INDEX_URL", "MODEL_URI")} == {""}


def test_no_fetch_resources_exist_without_a_catalog_model(resources):
    for name in ("ModelBucket", "ModelBucketPolicy", "FetchModel", "FetchModelRole"):
        assert resources[name]["Condition"] == "FetchesModels"


def test_the_model_bucket_is_private_encrypted_requires_tls_and_is_deleted_with_the_stack(
    resources,
):
    for field in ("PublicAccessBlockConfiguration", "OwnershipControls", "BucketEncryption"):
        images, models = (
            resources[name]["Properties"][field] for name in ("ImageBucket", "ModelBucket")
        )
        assert images == models
    (deny,) = resources["ModelBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert resources["ModelBucket"]["DeletionPolicy"] == "Delete"
