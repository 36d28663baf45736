"""Claims: opinions in S3 are learned from on a schedule and by commands, and can be forgotten.

The functions run as they are composed on AWS, over moto, with the starter model.
"""

import json
from datetime import UTC, date, datetime

import numpy as np
import pytest

from functions.search.composition import build_handler as build_search_handler
from functions.tune.composition import build_handler as build_tune_handler
from imagesearch import bootstrap
from imagesearch.calibration.evidence import PARTNER_EDIT, CalibrationVectors, Edited
from imagesearch.domain.storage_keys import feedback_key
from imagesearch.embedding.manifest import load_manifest
from imagesearch.feedback import pseudonym
from imagesearch.settings import Settings
from local.commands.adapters import adapter_rows, compared_rows, runs_of
from local.commands.feedback import forget_feedback
from local.commands.tune import tune_place
from tests.integration.commands.conftest import BUCKET
from tests.support.handlers import CONTEXT, http, parse_response
from tests.support.paths import STARTER_MODEL

GROUPS, EACH, PHRASES = 4, 6, 6
ANNA, BEN = "key-of-anna", "key-of-ben"
MANIFEST = load_manifest(STARTER_MODEL)


def unit(rows):
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


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
    """Stores opinions of users with a word of their own for each group of images."""
    draw = np.random.default_rng(5)
    size = MANIFEST.dimension
    centers, words = unit(draw.normal(size=(2, GROUPS, size)))
    images = unit(np.repeat(centers, EACH, 0) + 0.02 * draw.normal(size=(GROUPS * EACH, size)))
    queries = unit(np.repeat(words, PHRASES, 0) + 0.03 * draw.normal(size=(GROUPS * PHRASES, size)))

    def give(user: str, day: date, phrases=range(PHRASES)) -> np.ndarray:
        for row in range(GROUPS * PHRASES):
            group = row // PHRASES
            if row % PHRASES not in phrases:
                continue
            for image in (
                group * EACH,
                group * EACH + 1 + row % 5,
                (group * EACH + 8) % len(images),
            ):
                record = {
                    "time": f"{day.isoformat()}T00:00:{row % 60:02}+00:00",
                    "model": MANIFEST.name,
                    "image_space": MANIFEST.image_space,
                    "query": "text",
                    "query_embedding": [round(float(x), 6) for x in queries[row]],
                    "image": str(image),
                    "image_embedding": [round(float(x), 6) for x in images[image]],
                    "relevant": image // EACH == group,
                    "user": pseudonym(user),
                }
                key = feedback_key(day, f"{user}-{row}-{image}")
                s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(record).encode())
        return words

    return give


@pytest.fixture(autouse=True)
def samples(monkeypatch) -> None:
    """Random vectors instead of those of the sample photos, which take a minute to embed."""
    draw = np.random.default_rng(6)
    photos = unit(draw.normal(size=(40, MANIFEST.dimension)))
    near = [unit(photos + 0.02 * draw.normal(size=photos.shape)) for _ in range(2)]
    vectors = CalibrationVectors(
        captions=near[0],
        photos=photos,
        edits={PARTNER_EDIT: Edited.every(near[1])},
        unanswerable={},
        labels=photos,
        kinds=np.array([f"kind {number % 20}" for number in range(40)]),
    )
    monkeypatch.setattr(bootstrap, "_sample_vectors", lambda _, __: vectors)


def test_a_scheduled_run_is_taken_up_by_search_and_forgotten_with_its_opinions(
    environ, give, s3, tmp_path, monkeypatch, capsys
):
    assert bootstrap.ADAPTER_SECONDS <= 60
    monkeypatch.setattr(bootstrap, "ADAPTER_SECONDS", 0)
    settings = Settings.from_environment(environ)
    search = build_search_handler(settings, None)

    def adapter_of_a_search() -> str | None:
        answer = parse_response(search(http("GET", "/v1/search", q="an owl"), CONTEXT))
        assert answer.status == 200, answer.body
        return answer.json["adapter"]

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

    lines = list(forget_feedback(None, ANNA, *place).lines())
    assert lines[0] == "72 opinions deleted"
    assert lines[1].endswith("cannot be used any more: 1")
    assert "adopted as adapter 2" in lines[2]
    states = [(row["forgotten_opinions"], row["in_use"]) for row in adapter_rows(*place)]
    assert states == [(True, False), (False, True)]
    assert adapter_of_a_search() == "adapter-2"
    left = [
        each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET, Prefix="feedback/")["Contents"]
    ]
    assert not any(ANNA in key for key in left)

    lines = list(forget_feedback(datetime(2026, 12, 1, tzinfo=UTC), None, *place).lines())
    assert lines[-1] == "no opinions on queries of the model starter: not adopted."
    assert adapter_of_a_search() is None
    assert tune_place(place[0], None, *place[1:]).lines[0].startswith("no opinions")
