"""fastembed's own pipelines around the float32 graphs, laid out as it expects CLIP's files."""

# mypy: disable-error-code="import-not-found,import-untyped,no-any-return"
import json
import shutil
from pathlib import Path

import numpy as np
from fastembed import ImageEmbedding, TextEmbedding

from models.quantization.methods import Floats

# As in Qdrant/clip-ViT-B-32-vision and -text.
PREPROCESSOR = {
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
END = "<|endoftext|>"
TOKENIZER = {"model_max_length": 77, "pad_token": END}


class Fastembed:
    def __init__(self, fp32: Path) -> None:
        folder = fp32.with_name("fastembed")
        image, text = folder / "image", folder / "text"
        for part in (image, text):
            part.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fp32 / f"{part.name}.onnx", part / "model.onnx")
        (image / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
        (text / "tokenizer_config.json").write_text(json.dumps(TOKENIZER))
        shutil.copyfile(fp32 / "tokenizer.json", text / "tokenizer.json")
        self._images = ImageEmbedding("Qdrant/clip-ViT-B-32-vision", specific_model_path=str(image))
        self._texts = TextEmbedding("Qdrant/clip-ViT-B-32-text", specific_model_path=str(text))

    def images(self, paths: list[Path]) -> Floats:
        return np.stack(list(self._images.embed([str(path) for path in paths])))

    def texts(self, texts: list[str]) -> Floats:
        return np.stack(list(self._texts.embed(texts)))


load = Fastembed
