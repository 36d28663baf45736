"""Which vectors an index works with, the same ones in both, and how they are written down."""

import numpy as np

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Embedding


def unit_vector(embedding: Embedding, dimension: int) -> Embedding:
    """The embedding [D] as float32 of length 1; raises ValueError for what has no direction."""
    vector = np.asarray(embedding, np.float64)
    if vector.shape != (dimension,):
        raise ValueError(f"the embedding has the shape {vector.shape}, not ({dimension},)")
    length = np.linalg.norm(vector)
    if not np.isfinite(length) or length == 0:
        raise ValueError("the embedding is zero or not finite")
    return (vector / length).astype(np.float32)


def query_vector(embedding: Embedding, dimension: int) -> Embedding:
    """The same for a query; raises InvalidQuery."""
    try:
        return unit_vector(embedding, dimension)
    except ValueError as error:
        raise InvalidQuery(
            f"the query points nowhere: {error}", "weigh its terms so that they do not cancel out"
        ) from error


def vector_json(vector: Embedding) -> str:
    """Nine digits hold any float32 exactly; json.dumps writes 17 and takes three times as long."""
    return f"[{','.join(['%.9g'] * len(vector)) % tuple(vector.tolist())}]"


def direction_json(vector: Embedding) -> str:
    """Where a unit vector points, in whole numbers: for cosines its length does not matter.

    They have as many bits as a float32, and are written twice as fast as nine digits.
    """
    return str(np.rint(vector * np.float32(2**24)).astype(np.int32).tolist())
