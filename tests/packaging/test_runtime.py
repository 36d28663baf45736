"""Claims: the artifacts run with the Python of Lambda, from read-only folders, without packages."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pillow_jxl
import pytest
from PIL import Image

from tests.support.aws.cloudformation import CloudFormation
from tests.support.images.raw_files import dng, jpeg

assert pillow_jxl, "Pillow writes JPEG XL once it is imported"


def changed(bucket: str, *keys: str) -> dict[str, Any]:
    """The SQS batch with the EventBridge events of these objects."""
    bodies = [
        {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": bucket}, "object": {"key": key}},
        }
        for key in keys
    ]
    return {
        "Records": [
            {"messageId": f"m{number}", "eventSource": "aws:sqs", "body": json.dumps(body)}
            for number, body in enumerate(bodies)
        ]
    }


def request(method: str, path: str, **more: Any) -> dict[str, Any]:
    """An event of the REST API of API Gateway; `body` is bytes."""
    headers, query, body = more.get("headers", {}), more.get("query"), more.get("body")
    return {
        "resource": "/v1/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": query and {name: [query[name]] for name in query},
        "pathParameters": {"proxy": path.removeprefix("/v1/")},
        "stageVariables": None,
        "requestContext": {
            "stage": "live",
            "path": f"/live{path}",
            "requestId": "r1",
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": body and base64.b64encode(body).decode(),
        "isBase64Encoded": body is not None,
    }


def best_key(answer: dict[str, Any]) -> str:
    assert answer["statusCode"] == 200, answer["body"]
    return json.loads(answer["body"])["hits"][0]["key"]


@pytest.fixture
def keys(photos) -> list[str]:
    return sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.webp"))


@pytest.fixture
def indexed(invoke, photos, keys) -> dict[str, Any]:
    """The response of the indexing function to a batch of all photos."""
    event = changed(photos.resolve().as_uri(), *keys)
    (answer,) = invoke("IndexImages", "index_images.app.handler", [event])
    return answer


def test_an_indexed_photo_is_found_by_text_and_by_image(invoke, indexed, photos):
    assert indexed == {"batchItemFailures": []}
    pixels = (photos / "objects/volleyball.webp").read_bytes()
    by_words, by_pixels, health = invoke(
        "Search",
        "search.app.handler",
        [
            request("GET", "/v1/search", query={"q": "a goldfish"}),
            request("POST", "/v1/search", headers={"Content-Type": "image/webp"}, body=pixels),
            request("GET", "/v1/health"),
        ],
    )
    assert best_key(by_words) == "animals/goldfish.webp"
    assert best_key(by_pixels) == "objects/volleyball.webp"
    assert json.loads(health["body"])["images"] == 4


@pytest.mark.parametrize(
    ("function", "handler"),
    [("Search", "search.app.handler"), ("IndexImages", "index_images.app.handler")],
)
def test_a_snapshot_contains_a_running_decoder(function, handler, invoke, tmp_path):
    invoke(function, handler, [])
    [decoder] = json.loads((tmp_path / "processes.json").read_text())
    assert "imagesearch.embedding.decoding.workers.worker" in decoder


def test_the_artifacts_decode_camera_raw_and_jpeg_xl(invoke, indexed, photos):
    picture = Image.open(photos / "objects/volleyball.webp").convert("RGB").resize((600, 600))
    packed = io.BytesIO()
    picture.save(packed, "JXL")
    developed, shown = dng(picture), dng(picture, previews=[jpeg(picture)])
    headers = {"Content-Type": "image/jxl"}
    answers = invoke(
        "Search",
        "search.app.handler",
        [
            request("POST", "/v1/search", headers=headers, body=body)
            for body in (packed.getvalue(), developed, shown)
        ],
    )
    assert [best_key(answer) for answer in answers] == ["objects/volleyball.webp"] * 3


def test_the_artifacts_contain_the_page_and_the_api_document(invoke):
    answers = invoke(
        "Search", "search.app.handler", [request("GET", "/"), request("GET", "/openapi.json")]
    )
    assert [answer["statusCode"] for answer in answers] == [200, 200]


def test_cloudformation_receives_a_response(invoke):
    """An unknown model avoids the download."""

    def in_its_own_process(event: Any, context: Any) -> None:
        invoke("FetchModel", "fetch_model.app.handler", [event])

    with CloudFormation(in_its_own_process).running() as cloudformation:
        answer = cloudformation.ask("model-create", properties={"ModelName": "clip-vit-z"})
        assert "no model is named 'clip-vit-z'; use one of clip-vit-b-32" in answer["Reason"]
        never_made = answer["PhysicalResourceId"]
        answer = cloudformation.ask("model-delete", PhysicalResourceId=never_made)
        assert answer["Status"] == "SUCCESS"


def test_every_module_of_the_layer_imports(invoke, shipped):
    layer = shipped["ImageSearchLayer"] / "python"
    files = [path.relative_to(layer) for path in (layer / "imagesearch").rglob("*.py")]
    names = sorted(".".join(file.with_suffix("").parts) for file in files)
    assert len(invoke("Search", "importlib.import_module", names)) == len(names) > 20


def test_running_does_not_change_the_artifacts(invoke, indexed, shipped, lambda_roots):
    invoke("Search", "search.app.handler", [request("GET", "/v1/search", query={"q": "an owl"})])
    layers = (shipped["ImageSearchLayer"], shipped["StarterModelLayer"])
    opt = lambda_roots["Search"] / "opt"
    assert files_of(opt.resolve()) == files_of(layers[0]) | files_of(layers[1])
    for function, root in lambda_roots.items():
        assert files_of(root / "var/task") == files_of(shipped[function])


def files_of(folder: Path) -> set[Path]:
    """All files except bytecode, which a run as root can write."""
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {file for file in files if file.suffix != ".pyc"}
