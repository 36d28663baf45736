"""One machine with OpenSearch in place of the embedded index: same commands, same answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_folder_is_indexed_and_searched_on_the_server_that_index_url_names(
    few: Path, serve: Callable[[Path], Any], opensearch_url: str
) -> None:
    serving = serve(few).start(INDEX_URL=opensearch_url).ready()
    health = serving.get("/v1/health")
    assert health["images"] == 4
    assert health["index"].startswith("images-")
    assert not list(serving.data_dir.glob("*/index.db"))
    assert serving.keys("an owl")[0] == "animals/owl.webp"
