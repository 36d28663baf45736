"""Query adapters of a model: their store, the one in use, and their tuning."""

from functools import partial
from typing import TYPE_CHECKING

from imagesearch.bootstrap.models import manifest_of, model_folder, relevance_of
from imagesearch.bootstrap.stores import derived_store
from imagesearch.domain.errors import ConfigurationError
from imagesearch.domain.ports import DerivedStore
from imagesearch.embedding.calibration_file import model_digest
from imagesearch.learning.adapters import AdapterStore, Space
from imagesearch.learning.live import LiveAdapter
from imagesearch.object_cache import Cached
from imagesearch.search.relevance import Modality
from imagesearch.settings import Settings

if TYPE_CHECKING:
    from imagesearch.calibration.evidence import CalibrationVectors
    from imagesearch.calibration.relevance_fit import Backgrounds
    from imagesearch.learning.tuner import Tuner

# The search function reads the pointer to the adapter at most this often.
ADAPTER_SECONDS = 60.0


@Cached
def query_adapter(settings: Settings) -> LiveAdapter | None:
    """The query adapter in use; None without a derived store.

    A change is taken up within a minute, in a folder of this machine at the next search.
    """
    store = derived_store(settings)
    if store is None:
        return None
    seconds = 0 if (settings.derived_uri or "").startswith("file://") else ADAPTER_SECONDS
    return LiveAdapter(adapter_store(settings.model_uri, store), seconds)


def tuner(model_uri: str, store: DerivedStore) -> "Tuner":
    """The use case that tunes the query adapter of a model; loads the model when it runs."""
    from imagesearch.learning.tuner import Tuner

    return Tuner(
        store,
        adapter_store(model_uri, store),
        partial(_sample_vectors, model_uri),
        partial(_backgrounds, model_uri),
    )


def _sample_vectors(model_uri: str, image_queries: bool) -> "CalibrationVectors":
    from imagesearch.calibration.calibration_set import shipped_set
    from imagesearch.embedding.self_test.edits import PillowEditor
    from imagesearch.embedding.self_test.onnx_model import OnnxModel
    from imagesearch.learning.sample_vectors import sample_vectors

    manifest = manifest_of(model_uri)
    text = manifest.text
    names = [manifest.image.graph, text.graph, text.tokenizer, text.projection]
    model = OnnxModel(model_folder(model_uri, [name for name in names if name]), manifest)
    try:
        return sample_vectors(model, shipped_set(), PillowEditor(), image_queries=image_queries)
    finally:
        model.close()


def _backgrounds(model_uri: str) -> "Backgrounds":
    from imagesearch.calibration.relevance_fit import Backgrounds

    found = relevance_of(model_uri)
    if found is None:
        raise ConfigurationError(
            f"{model_uri} is not calibrated", "run `imagesearch models calibrate` first"
        )
    return Backgrounds(
        found.background(Modality.TEXT).vectors, found.background(Modality.IMAGE).vectors
    )


def adapter_store(model_uri: str, store: DerivedStore) -> AdapterStore:
    """The adapters of a model in a derived store."""
    manifest = manifest_of(model_uri)
    space = Space(manifest.name, manifest.image_space, model_digest(manifest), manifest.dimension)
    return AdapterStore(store, space)
