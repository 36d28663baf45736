"""A model by its URI: the manifest, the encoders, the calibration and the languages."""

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from imagesearch.duplicates.similarity import Weights
from imagesearch.embedding.calibration import relevance
from imagesearch.embedding.calibration_file import CALIBRATION, calibrated
from imagesearch.embedding.decoding.workers.pool import DecoderPool
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import ENGLISH, MANIFEST, MULTILINGUAL, Manifest, load_manifest
from imagesearch.embedding.model_catalog import catalog_entries
from imagesearch.embedding.on_demand import OnDemandImageEncoder, OnDemandTextEncoder
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from imagesearch.object_cache import Cached
from imagesearch.search.query_language import Alternative, LanguageNotices
from imagesearch.search.relevance import Relevance

if TYPE_CHECKING:
    from imagesearch.adapters.s3.model_folder import S3ModelFolder

# Named in notices where no multilingual model uses the same index.
_BEST_MULTILINGUAL = "siglip2-b-16"
# Seconds to decode one image. On Lambda, the limit leaves time for the rest of an invocation.
_DECODING_SECONDS = 30.0
DECODING_SECONDS_ON_LAMBDA = 8.0


@Cached
def manifest_of(model_uri: str) -> Manifest:
    """The manifest of a model, with its calibration; raises ConfigurationError."""
    folder = model_folder(model_uri, [MANIFEST])
    if model_uri.startswith("s3://"):
        _s3_model(model_uri)[0].download_if_present(CALIBRATION, folder)
    return calibrated(folder, load_manifest(folder))


def duplicate_weights(model_uri: str) -> Weights:
    """The weights of the evidence for duplicates."""
    return manifest_of(model_uri).duplicates.weights


def language_notices(model_uri: str) -> LanguageNotices | None:
    """The notices for queries in other languages; None if the model understands more than English.

    Earlier manifests do not name the languages of a model of the catalog.
    """
    manifest = manifest_of(model_uri)
    if _languages(manifest) != ENGLISH:
        return None
    return LanguageNotices(manifest.name, Cached(lambda: _multilingual(manifest)))


def _languages(manifest: Manifest) -> tuple[str, ...]:
    if manifest.languages:
        return manifest.languages
    return next((entry.languages for entry in catalog_entries() if entry.name == manifest.name), ())


def _multilingual(manifest: Manifest) -> Alternative | None:
    """The multilingual model of the catalog; one for the same index is preferred."""
    found = [
        Alternative(entry.name, entry.manifest["text"].get("image_space") == manifest.image_space)
        for entry in catalog_entries()
        if MULTILINGUAL in entry.languages
    ]
    return max(
        found,
        key=lambda each: (each.same_index, each.model == _BEST_MULTILINGUAL),
        default=None,
    )


@Cached
def image_encoder(model_uri: str) -> OnDemandImageEncoder:
    """The model's image encoder, loaded when it is first needed; raises ConfigurationError."""
    manifest = manifest_of(model_uri)

    seconds = DECODING_SECONDS_ON_LAMBDA if on_lambda() else _DECODING_SECONDS
    decoders = DecoderPool(seconds=seconds)

    def load() -> OnnxImageEncoder:
        with ThreadPoolExecutor(1, thread_name_prefix="loading") as thread:
            # A decoder starts while the graph is loaded. The first image raises its error.
            thread.submit(getattr, decoders, "decoder")
            folder = model_folder(model_uri, [manifest.image.graph])
            return OnnxImageEncoder(folder, manifest, decoders=decoders)

    return OnDemandImageEncoder(manifest.name, load, decoders)


@Cached
def text_encoder(model_uri: str) -> OnDemandTextEncoder:
    """The model's text encoder, loaded when it is first needed; raises ConfigurationError."""
    manifest = manifest_of(model_uri)
    text = manifest.text
    names = [name for name in (text.graph, text.tokenizer, text.projection) if name]

    # A server runs several queries at once: with a thread each they take less CPU time in total.
    threads = None if on_lambda() else 1

    def load() -> OnnxTextEncoder:
        return OnnxTextEncoder(model_folder(model_uri, names), manifest, threads=threads)

    return OnDemandTextEncoder(manifest.name, load)


def on_lambda() -> bool:
    """True in a function of AWS Lambda."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


@Cached
def relevance_of(model_uri: str) -> Relevance | None:
    """The model's calibration; None if it is not calibrated. Raises ConfigurationError."""
    manifest = manifest_of(model_uri)
    names = manifest.relevance.backgrounds if manifest.relevance else []
    return relevance(model_folder(model_uri, names), manifest)


def model_folder(model_uri: str, names: Sequence[str]) -> Path:
    """A local folder with these files of the model; downloads them from S3 if necessary."""
    if not model_uri.startswith("s3://"):
        return Path(model_uri)
    model, folder = _s3_model(model_uri)
    model.download(names, folder)
    return folder


@Cached
def _s3_model(model_uri: str) -> "tuple[S3ModelFolder, Path]":
    """The model folder in S3, and the local folder of its downloaded files."""
    from imagesearch.adapters.s3.model_folder import S3ModelFolder

    return S3ModelFolder(model_uri), Path(tempfile.mkdtemp(prefix="model-"))
