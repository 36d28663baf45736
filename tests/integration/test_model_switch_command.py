"""Claims about `imagesearch reindex` on a deployed system with bucket and OpenSearch."""

import os
import subprocess
import uuid

import pytest

from imagesearch import bootstrap
from imagesearch.indexing.indexer import Indexer
from imagesearch.settings import Settings
from tests.integration.conftest import MODEL
from tests.support.aws.cloud import BUCKET, REGION, eventually


@pytest.fixture
def prefix() -> str:
    return f"deployed-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def reindex(commands, aws, opensearch_url, prefix, tmp_path):
    """Runs the command with credentials in the environment."""
    account = {
        "AWS_ENDPOINT_URL": aws,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": REGION,
    }

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        system = (f"s3://{BUCKET}", "--index-url", opensearch_url, "--index-prefix", prefix)
        line = ["reindex", *system, *map(str, arguments)]
        return commands.run(line, tmp_path, os.environ | account)

    return run


@pytest.fixture
def index_of(opensearch_url, prefix):
    """The index that a deployed function with this model writes."""
    made = []

    def open_index(model):
        settings = Settings(
            bucket=BUCKET, index_url=opensearch_url, index_prefix=prefix, model_uri=str(model)
        )
        made.append(bootstrap.vector_index(settings))
        return made[-1]

    yield open_index
    for index in made:
        index.drop()
        index.close()


def test_a_deployed_switch_is_monitored_and_cleaned_up(
    cloud, reindex, index_of, stretched_model, sample, store, onnx_images
):
    def fill(model):
        Indexer(store, index_of(model), onnx_images).process(
            [ref for ref, _ in store.list_images()]
        )

    for name in ("animals/owl", "animals/cow"):
        cloud.put(f"{name}.webp", sample(name))
    fill(MODEL)
    both = ("--model", MODEL, "--next-model", stretched_model)

    alone = reindex("--model", MODEL, "--status")
    assert (alone.returncode, alone.stderr) == (0, "")
    assert "2 of 2: consistent with the bucket" in alone.stdout
    outdated = reindex(*both, "--status")
    assert outdated.returncode == 1
    assert "0 of 2: 2 pending (animals/cow.webp, animals/owl.webp)" in outdated.stdout

    fill(stretched_model)
    assert reindex(*both, "--status").stdout.count("2 of 2: consistent") == 2
    assert eventually(lambda: index_of(stretched_model).health().images == 2)
    assert reindex(*both, "--drop-old").stdout == ""
    dropped = reindex("--model", stretched_model, "--drop-old")
    assert (dropped.returncode, dropped.stdout.count("dropped")) == (0, 1)
    assert index_of(MODEL).health().images == 0
    assert index_of(stretched_model).health().images == 2


def test_a_missing_bucket_is_reported(cloud, reindex):
    cloud.s3.delete_bucket(Bucket=BUCKET)
    done = reindex("--model", MODEL, "--status")
    assert done.returncode == 2
    assert "cannot list the bucket" in done.stderr
    assert "Traceback" not in done.stderr
