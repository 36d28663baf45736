"""The environment of a measurement: sample photos, an empty index, and the functions' settings."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

REPOSITORY = Path(__file__).parents[1]
SAMPLES = REPOSITORY / "samples"
STARTER_MODEL = REPOSITORY / "layers/starter_model/starter_model"


@dataclass(frozen=True, slots=True)
class Workbench:
    """Temporary folders of a measurement."""

    folder: Path
    data: Path
    model: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of this process with the functions' settings."""
        return os.environ | {
            "BUCKET": self.folder.as_uri(),
            "INDEX_URL": f"sqlite://{self.data / 'index.db'}",
            "DERIVED_URI": (self.data / "derived").as_uri(),
            "MODEL_URI": str(self.model),
            "LOG_LEVEL": "ERROR",
            "POWERTOOLS_METRICS_DISABLED": "true",
        }


@contextmanager
def workbench(copies: int = 1, model: Path = STARTER_MODEL) -> Iterator[Workbench]:
    """A workbench with `copies` copies of the samples, under different keys."""
    with TemporaryDirectory(prefix="imagesearch-bench-") as temporary:
        root = Path(temporary)
        for copy in range(copies):
            shutil.copytree(
                SAMPLES, root / "photos" / str(copy), ignore=shutil.ignore_patterns("*.tsv")
            )
        (root / "data").mkdir()
        yield Workbench(root / "photos", root / "data", model)
