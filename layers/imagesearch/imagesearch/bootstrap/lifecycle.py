"""The load of models before the first request, and the release of models and indexes."""

from imagesearch.bootstrap.indexes import label_index, vector_index
from imagesearch.bootstrap.models import (
    image_encoder,
    manifest_of,
    on_lambda,
    relevance_of,
    text_encoder,
)
from imagesearch.bootstrap.query_adapters import query_adapter
from imagesearch.bootstrap.stores import image_store
from imagesearch.settings import Settings
from imagesearch.snapshots import after_restore, renew_credentials, renew_random_state


def warm_up(settings: Settings, *, texts: bool) -> None:
    """Load the image encoder, and the text encoder where texts are embedded, and use them once.

    On Lambda only: elsewhere, each is loaded when it is first needed. A snapshot then holds the
    models and a decoder process; random state and credentials are renewed after its restore. Raises
    ConfigurationError.
    """
    if not on_lambda():
        return
    from imagesearch.embedding.warm_up import warm_up

    model = settings.model_uri
    warm_up(image_encoder(model), text_encoder(model) if texts else None)
    after_restore(renew_random_state)
    after_restore(renew_credentials)


def release(settings: Settings) -> None:
    """Close the indexes of these settings and the encoders of their model, and free their memory.

    Use cases that were created with them must not be used any more.
    """
    encoder = image_encoder.remove(settings.model_uri)
    if encoder:
        encoder.close()
    text_encoder.remove(settings.model_uri)
    manifest_of.remove(settings.model_uri)
    relevance_of.remove(settings.model_uri)
    query_adapter.remove(settings)
    image_store.remove(settings)
    for index in (vector_index.remove(settings), label_index.remove(settings)):
        close = getattr(index, "close", None)
        if close:
            close()
