"""The model of a deployment, each part loaded once and when it is first needed."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from imagesearch.duplicates.similarity import Weights
from imagesearch.embedding.calibration import relevance
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import MANIFEST, Manifest, load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from imagesearch.search.relevance import Relevance

if TYPE_CHECKING:
    from imagesearch.adapters.s3_model import S3Model


@cache
def manifest_of(model_uri: str) -> Manifest:
    return load_manifest(_model_folder(model_uri, [MANIFEST]))


def duplicate_weights(model_uri: str) -> Weights:
    return manifest_of(model_uri).duplicates.weights


@cache
def image_encoder(model_uri: str) -> OnnxImageEncoder:
    manifest = manifest_of(model_uri)
    return OnnxImageEncoder(_model_folder(model_uri, [manifest.image.graph]), manifest)


@cache
def text_encoder(model_uri: str) -> OnnxTextEncoder:
    manifest = manifest_of(model_uri)
    text = manifest.text
    names = [name for name in (text.graph, text.tokenizer, text.projection) if name]
    return OnnxTextEncoder(_model_folder(model_uri, names), manifest)


@cache
def relevance_of(model_uri: str) -> Relevance | None:
    manifest = manifest_of(model_uri)
    names = manifest.relevance.backgrounds if manifest.relevance else []
    return relevance(_model_folder(model_uri, names), manifest)


def _model_folder(model_uri: str, names: Sequence[str]) -> Path:
    """Where these files of the model lie on this machine."""
    return _s3_model(model_uri).folder(names) if model_uri.startswith("s3://") else Path(model_uri)


@cache
def _s3_model(model_uri: str) -> "S3Model":
    from imagesearch.adapters.s3_model import S3Model

    return S3Model(model_uri)
