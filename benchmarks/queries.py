"""What one query costs, from the API Gateway event to the answer, through the real handler."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.report import Row, percentiles
from benchmarks.workbench import REPOSITORY, SAMPLES, Workbench, workbench

WARM_UP = 10
QUERIES = 200

_ASK = """
import json, os, sys, time
from imagesearch import bootstrap
from imagesearch.settings import Settings
from functions.search.app import handler
from local.lambda_context import LambdaContext
settings = Settings.from_environment(os.environ)
store = bootstrap.image_store(settings)
bootstrap.indexer(settings).look_at(ref for ref, _ in store.list_images())
for line in sys.stdin:
    event, seconds = json.loads(line), []
    for _ in range({repeat}):
        started = time.perf_counter()
        answer = handler(event, LambdaContext("search"))
        seconds.append(time.perf_counter() - started)
        assert answer["statusCode"] == 200, answer
    print(json.dumps(seconds[{warm_up}:]), flush=True)
""".replace("{repeat}", str(WARM_UP + QUERIES)).replace("{warm_up}", str(WARM_UP))


def measure() -> Iterator[Row]:
    """Text and image queries on the samples, warm."""
    text = event("api-search-get.json")
    photo = event("api-search-post-image.json")
    photo["body"] = base64.b64encode((SAMPLES / "animals/cow.webp").read_bytes()).decode()
    photo["isBase64Encoded"] = True
    with workbench() as bench:
        answers = _ask(bench, [text, photo])
    how = f"{QUERIES} through the handler, 85 photos, warm"
    for name, seconds in zip(("text query", "image query"), answers, strict=True):
        yield Row(name, percentiles(seconds), how)


def event(name: str) -> dict[str, object]:
    """An API Gateway event as the function receives it."""
    loaded: dict[str, object] = json.loads((REPOSITORY / "events" / name).read_text())
    return loaded


def _ask(bench: Workbench, events: list[dict[str, object]]) -> list[list[float]]:
    asked = subprocess.run(
        [sys.executable, "-c", _ASK],
        env=bench.environment,
        input="\n".join(json.dumps(one) for one in events),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in asked.stdout.splitlines() if line.startswith("[")]
