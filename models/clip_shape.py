"""The sizes that make one CLIP differ from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Activation = Literal["quick_gelu", "gelu"]


@dataclass(frozen=True)
class TowerShape:
    """A transformer: `width` of a token's vector, `inner` of the widest layer within a block."""

    width: int
    layers: int
    heads: int
    inner: int


@dataclass(frozen=True)
class ClipShape:
    """Both towers; sides in pixels, `context` in tokens. OpenAI's models use quick_gelu."""

    dimension: int
    image_size: int
    patch: int
    image: TowerShape
    vocabulary: int
    context: int
    text: TowerShape
    activation: Activation = "quick_gelu"
    epsilon: float = 1e-5

    @property
    def patches_a_side(self) -> int:
        return self.image_size // self.patch


# Radford et al. 2021, table 20.
VIT_B_32 = ClipShape(
    dimension=512,
    image_size=224,
    patch=32,
    image=TowerShape(width=768, layers=12, heads=12, inner=3072),
    vocabulary=49408,
    context=77,
    text=TowerShape(width=512, layers=12, heads=8, inner=2048),
)
# No two sizes are equal, so that an axis mistaken for another cannot go unseen.
TINY = ClipShape(
    dimension=12,
    image_size=24,
    patch=8,
    image=TowerShape(width=20, layers=3, heads=4, inner=44),
    vocabulary=97,
    context=18,
    text=TowerShape(width=16, layers=2, heads=2, inner=36),
)
