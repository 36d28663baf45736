"""The product as a contestant: the encoders that the functions use, batches as the indexer's."""

from pathlib import Path

import numpy as np

from imagesearch.domain.images import EncodedImage
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from imagesearch.indexing.indexer import Limits
from models.quantization.methods import Floats


class Ours:
    def __init__(self, folder: Path) -> None:
        manifest = load_manifest(folder)
        self._images = OnnxImageEncoder(folder, manifest)
        self._texts = OnnxTextEncoder(folder, manifest)

    def images(self, paths: list[Path]) -> Floats:
        vectors = []
        step = Limits().batch_images
        for start in range(0, len(paths), step):
            files = [path.read_bytes() for path in paths[start : start + step]]
            for encoded in self._images.encode_images(files):
                assert isinstance(encoded, EncodedImage)
                vectors.append(encoded.embedding)
        return np.stack(vectors)

    def texts(self, texts: list[str]) -> Floats:
        return self._texts.encode_texts(texts)


load = Ours
