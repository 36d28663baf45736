"""A place to measure in: photos in a folder, an empty index, and the functions' environment."""

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
    """Temporary folders that go when the measurement ends."""

    folder: Path
    data: Path
    model: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the functions read; everything else as it is."""
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
    """The samples, `copies` times over under different names."""
    with TemporaryDirectory(prefix="imagesearch-bench-") as temporary:
        root = Path(temporary)
        for copy in range(copies):
            shutil.copytree(
                SAMPLES, root / "photos" / str(copy), ignore=shutil.ignore_patterns("*.tsv")
            )
        (root / "data").mkdir()
        yield Workbench(root / "photos", root / "data", model)
