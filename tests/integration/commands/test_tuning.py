"""Claims: opinions in S3 are learned from on a schedule and by commands, and can be forgotten.

The functions run as they are composed on AWS, over moto, with the starter model.
"""

import json
from datetime import UTC, date, datetime

import pytest

from functions.search.composition import build_handler as build_search_handler
from functions.tune.composition import build_handler as build_tune_handler
from imagesearch import bootstrap
from imagesearch.bootstrap import query_adapters
from imagesearch.embedding.manifest import load_manifest
from imagesearch.settings import Settings
from local.commands.adapters import adapter_rows, compared_rows, off, runs_of, use
from local.commands.feedback import forget_feedback
from local.commands.tune import tune_place
from tests.integration.commands.conftest import BUCKET
from tests.support.handlers import CONTEXT, http, parse_response
from tests.support.opinions import PHRASES, feedback_objects, random_samples
from tests.support.paths import STARTER_MODEL

ANNA, BEN = "key-of-anna", "key-of-ben"
MANIFEST = load_manifest(STARTER_MODEL)


@pytest.fixture
def environ(s3, tmp_path) -> dict[str, str]:
    return {
        "BUCKET": tmp_path.as_uri(),
        "INDEX_URL": f"sqlite://{tmp_path}/index.db",
        "MODEL_URI": str(STARTER_MODEL),
        "DERIVED_URI": f"s3://{BUCKET}",
        "STACK_NAME": "photos",
    }


@pytest.fixture
def give(s3):
    """Stores opinions of a user."""

    def give(user: str, day: date, phrases=range(PHRASES)) -> None:
        for key, record in feedback_objects(MANIFEST, user, day, phrases):
            s3.put_object(Bucket=BUCKET, Key=key, Body=record)

    return give


@pytest.fixture(autouse=True)
def samples(monkeypatch) -> None:
    vectors = random_samples(MANIFEST.dimension)
    monkeypatch.setattr(query_adapters, "_sample_vectors", lambda _, __: vectors)


def test_a_scheduled_run_is_taken_up_by_search_and_forgotten_with_its_opinions(
    environ, give, s3, tmp_path, monkeypatch, capsys
):
    assert query_adapters.ADAPTER_SECONDS <= 60
    monkeypatch.setattr(query_adapters, "ADAPTER_SECONDS", 0)
    settings = Settings.from_environment(environ)
    search = build_search_handler(settings, None)

    def adapter_of_a_search() -> str | None:
        """As every kind of search names it."""
        posted = {"query": {"text": "an owl"}}
        requests = (
            http("GET", "/v1/search", q="an owl"),
            http("POST", "/v1/search", posted),
            http("POST", "/v1/search/batch", {"searches": [posted] * 2}),
        )
        answers = [parse_response(search(each, CONTEXT)) for each in requests]
        assert {each.status for each in answers} == {200}
        single = {answer.json["adapter"] for answer in answers[:2]}
        [name] = single | {each["adapter"] for each in answers[2].json["results"]}
        return name

    bootstrap.vector_index(settings)
    tune = build_tune_handler(environ)
    assert tune({}, CONTEXT) == {"adapter": None, "results": []}
    assert adapter_of_a_search() is None
    give(ANNA, date(2026, 1, 5))
    give(BEN, date(2026, 2, 5))
    capsys.readouterr()
    done = tune({"source": "aws.events"}, CONTEXT)
    assert done["adapter"] == 1, done
    assert done["results"][0].startswith("text: 144 opinions on 24 queries: MRR ")
    [emitted] = [
        line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line
    ]
    assert (emitted["Opinions"], emitted["Adopted"], emitted["queries"]) == ([144], [1], "text")
    assert emitted["stack"] == "photos"
    assert adapter_of_a_search() == "adapter-1"

    place = f"s3://{BUCKET}", None, tmp_path, str(STARTER_MODEL)
    [row] = adapter_rows(*place)
    assert (row["adapter"], row["in_use"]) == (1, True)
    [run] = runs_of(*place)
    assert run.adapter == 1
    give(BEN, date(2026, 3, 5), phrases=range(2))
    [compared] = compared_rows(*place)
    assert compared["mrr_with"] > compared["mrr_without"]

    capsys.readouterr()
    off(*place[:2], False, *place[2:])
    assert adapter_of_a_search() is None
    use(1, *place[:2], False, *place[2:])
    assert adapter_of_a_search() == "adapter-1"
    printed = capsys.readouterr().out
    assert "no adapter is in use\n" in printed
    assert "adapter 1 is in use\n" in printed

    lines = list(forget_feedback(None, ANNA, *place).lines())
    assert lines[0] == "72 opinions deleted"
    assert lines[1].endswith("cannot be used any more: 1")
    assert "adopted as adapter 2" in lines[2]
    states = [(row["forgotten_opinions"], row["in_use"]) for row in adapter_rows(*place)]
    assert states == [(True, False), (False, True)]
    assert adapter_of_a_search() == "adapter-2"
    [first] = [
        each["Key"]
        for each in s3.list_objects_v2(Bucket=BUCKET, Prefix="adapters/")["Contents"]
        if each["Key"].endswith("/1.json")
    ]
    s3.delete_object(Bucket=BUCKET, Key=first)
    missing, _ = adapter_rows(*place)
    assert missing["problem"] == "there is no adapter 1"
    left = [
        each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET, Prefix="feedback/")["Contents"]
    ]
    assert not any(ANNA in key for key in left)

    lines = list(forget_feedback(datetime(2026, 12, 1, tzinfo=UTC), None, *place).lines())
    assert lines[-1] == "no opinions on queries of the model starter: not adopted."
    assert adapter_of_a_search() is None
    assert tune_place(place[0], None, *place[1:]).lines[0].startswith("no opinions")
