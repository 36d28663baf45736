"""How an OpenSearch index is laid out; it matters when the index is made, not after."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class IndexLayout:
    """Without `replicas` there is one as soon as there are two nodes.

    `compression` above 1x keeps full vectors on disk, and the nearest ones are ranked by them.
    `exact` makes the engine compare all vectors and build no graph.
    """

    engine: str = "lucene"
    compression: str = "1x"
    shards: int = 1
    replicas: int | None = None
    refresh_interval: str = "1s"
    exact: bool = False

    @property
    def refresh_seconds(self) -> float:
        """After how long what is written is found by searches."""
        number, thousandths = self.refresh_interval.rstrip("ms"), self.refresh_interval[-2:] == "ms"
        return float(number) / (1000 if thousandths else 1)

    def settings(self) -> dict[str, Any]:
        settings = {
            "index.knn": True,
            "index.number_of_shards": self.shards,
            "index.refresh_interval": self.refresh_interval,
        }
        if self.replicas is None:
            settings["index.auto_expand_replicas"] = "0-1"
        else:
            settings["index.number_of_replicas"] = self.replicas
        return settings | ({"index.knn.advanced.approximate_threshold": -1} if self.exact else {})

    def vector_field(self, dimension: int) -> dict[str, Any]:
        """The engine is named, as the server's default has changed between versions."""
        compressed = {"mode": "on_disk", "compression_level": self.compression}
        return {
            "type": "knn_vector",
            "dimension": dimension,
            "space_type": "cosinesimil",
            "method": {"name": "hnsw", "engine": self.engine},
            **({} if self.compression == "1x" else compressed),
        }
