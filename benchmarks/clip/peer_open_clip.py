"""open_clip in torch, float32, used as its README shows; the same random weights."""

# mypy: disable-error-code="import-not-found,import-untyped,no-any-return,untyped-decorator"
from pathlib import Path

import open_clip
import torch
from PIL import Image

from benchmarks.clip.inputs import SEED
from models.clip.weights import VIT_B_32, random_weights, to_open_clip
from models.quantization.methods import Floats

NAME = "ViT-B-32-quickgelu"


class OpenClip:
    def __init__(self, _: Path) -> None:
        self._model, _, self._preprocess = open_clip.create_model_and_transforms(NAME)
        self._model.eval()
        weights = to_open_clip(random_weights(VIT_B_32, SEED), self._model.state_dict())
        tensors = {name: torch.tensor(value) for name, value in weights.items()}
        self._model.load_state_dict(tensors, strict=False)
        self._tokenize = open_clip.get_tokenizer(NAME)

    @torch.inference_mode()
    def images(self, paths: list[Path]) -> Floats:
        pixels = torch.stack([self._preprocess(Image.open(path)) for path in paths])
        return self._model.encode_image(pixels, normalize=True).numpy()

    @torch.inference_mode()
    def texts(self, texts: list[str]) -> Floats:
        return self._model.encode_text(self._tokenize(texts), normalize=True).numpy()


load = OpenClip
