"""Which of the indexes on an OpenSearch server are ours."""

from contextlib import closing

from imagesearch.adapters.opensearch.client import OpenSearchClient


def index_dimensions(url: str, prefix: str) -> dict[str, int]:
    """The dimension of each index whose name begins so and that imagesearch made, by name."""
    with closing(OpenSearchClient(url)) as server:
        found = server.read(lambda client: client.indices.get_mapping(index=f"{prefix}*"))
    metas = {name: index["mappings"].get("_meta", {}) for name, index in found.items()}
    return {
        name: int(meta["dimension"]) for name, meta in metas.items() if meta.get("space") == name
    }
