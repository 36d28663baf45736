"""Claims: the options of a search become the query and the filter that the API takes."""

import re
from pathlib import Path

import pytest

from functions.search.routes.search_requests import PostedSearch
from imagesearch.domain.images import ImageRef
from imagesearch.domain.queries import ImageQuery, MixedQuery, Term, TextQuery
from local import searches
from local.commands.search import count_of, search_filter
from local.contact_sheet import contact_sheet, page_url
from local.errors import UsageError
from local.running_server import announced
from local.searches import (
    AVOIDED,
    MIN_RELEVANCE,
    Found,
    Part,
    SearchOptions,
    domain_filter,
    stored_id,
)
from local.workspace import Workspace, workspace_and_prefix, workspace_of
from tests.support.paths import REPOSITORY


def test_a_mixture_is_the_same_for_this_process_and_for_the_api(tmp_path: Path) -> None:
    (tmp_path / "given.png").write_bytes(b"bytes")
    parts = (Part(text="a dog"), Part(image=tmp_path / "given.png"), Part(text="x", weight=AVOIDED))
    conditions = search_filter("2024/", "2024-07", "X100", 1000)
    options = SearchOptions(parts, 5, "cats", 0.5, conditions)
    search = options.as_search()
    assert PostedSearch.model_validate(options.as_request()).search() == search
    assert search.query == MixedQuery(
        (Term(TextQuery("a dog")), Term(ImageQuery(b"bytes")), Term(TextQuery("x"), AVOIDED))
    )
    assert conditions == {
        "prefix": "2024/",
        "taken_at": {"gte": "2024-07-01"},
        "metadata.camera": {"contains": "X100"},
        "width": {"gte": 1000},
    }


def test_a_single_text_is_no_mixture() -> None:
    options = SearchOptions((Part(text="a dog"),))
    assert options.as_search().query == TextQuery("a dog")
    assert PostedSearch.model_validate(options.as_request()).search() == options.as_search()


@pytest.mark.parametrize("since", ["yesterday", "24", "2024-1-1", "2024-07-01T10:00"])
def test_another_form_of_date_is_rejected_with_examples(since: str) -> None:
    with pytest.raises(UsageError, match="give a date such as 2024"):
        search_filter(since=since)


def test_a_date_that_does_not_exist_is_rejected() -> None:
    with pytest.raises(UsageError, match="should be a time, date, month or year"):
        domain_filter(search_filter(since="2024-02-30"))


def test_a_folder_inside_the_indexed_folder_is_a_prefix(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "2024" / "beach").mkdir(parents=True)
    data_dir = tmp_path / "data"
    workspace_of(folder, data_dir).remember("starter")
    monkeypatch.chdir(tmp_path)
    inside = [Path("2024/beach"), folder / "2024/beach", Path("pictures/2024/beach/")]
    for given in inside:
        workspace, prefix = workspace_and_prefix(None, given, data_dir)
        assert (workspace.folder, prefix) == (folder, "2024/beach/")
    assert workspace_and_prefix(None, folder, data_dir)[1] == ""
    with pytest.raises(UsageError, match="no such folder"):
        workspace_and_prefix(folder, tmp_path, data_dir)


def test_an_image_is_named_by_its_path_or_key(tmp_path: Path, folder: Path) -> None:
    (folder / "a b.png").touch()
    (tmp_path / "other.png").touch()
    workspace = Workspace(folder, tmp_path / "data")
    id = ImageRef(folder.as_uri(), "a b.png").id
    assert stored_id(workspace, "a b.png") == stored_id(workspace, str(folder / "a b.png")) == id
    assert stored_id(workspace, str(tmp_path / "other.png")) is None
    assert stored_id(workspace, "x" * 5000) is None


def test_the_page_of_the_running_server_gets_the_query_in_its_url(
    tmp_path: Path, folder: Path
) -> None:
    workspace = Workspace(folder, tmp_path)
    plain = SearchOptions((Part(text="a dog & cat"),), collection="cats")
    filtered = SearchOptions((Part(text="a dog"),), filter={"prefix": "x/"})
    assert page_url(plain, workspace) is None
    with announced(tmp_path, "http://localhost:1"):
        found = page_url(plain, workspace)
        assert found == "http://localhost:1/?q=a+dog+%26+cat&collection=cats"
        assert (
            page_url(SearchOptions((Part(id="x1"),)), workspace) == "http://localhost:1/?similar=x1"
        )
        assert page_url(filtered, workspace) is None
        assert page_url(SearchOptions((Part(text="a dog"),), weak=True), workspace) is None


def test_hits_of_the_running_server_have_paths_in_place_of_all_urls(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, server = Workspace(folder, tmp_path), "http://localhost:1"
    urls = {
        "url": f"{server}/files/a.jpg",
        "thumbnail_url": f"{server}/thumbnails/id/0-1.jpg",
        "large_thumbnail_url": f"{server}/thumbnails/id/0-1-640.jpg",
    }
    found = Found([{"key": "a.jpg", "relevance": 0.9, **urls}], server)
    monkeypatch.setattr(searches, "search_endpoint", lambda *_: found)
    with announced(tmp_path, server):
        of_folder = searches.search_running_server(workspace, SearchOptions((Part(text="a"),)))
    assert of_folder is not None
    assert of_folder.hits == [
        {
            "key": "a.jpg",
            "relevance": 0.9,
            "path": str(folder / "a.jpg"),
            "thumbnail_path": str(workspace.derived / "thumbnails/id/0-1.jpg"),
        }
    ]


@pytest.mark.parametrize(
    ("relevances", "kept", "count"),
    [
        ([0.9, 0.5, 0.49], 2, "2 hits in /p; 1 weaker: --all"),
        ([0.49, 0.1], 0, "no good match in /p; 2 weaker: --all"),
        ([0.9], 1, "1 hit in /p"),
        ([None, None], 2, "2 hits in /p"),
        ([], 0, "no hits in /p"),
    ],
)
def test_weak_hits_are_excluded_and_counted(
    relevances: list[float | None], kept: int, count: str
) -> None:
    hits = [{"relevance": each} for each in relevances]
    found = Found(hits, "/p").without_weak()
    assert (found.hits, count_of(found)) == (hits[:kept], count)


def test_the_command_and_the_page_have_the_same_limit_of_weak_hits() -> None:
    query = (REPOSITORY / "functions/search/page/query.js").read_text("utf-8")
    [limit] = re.findall(r"\bMIN_RELEVANCE = ([\d.]+)", query)
    assert float(limit) == MIN_RELEVANCE


def test_a_contact_sheet_links_to_the_files_and_escapes_names() -> None:
    name = 'a "b" <i>#%.jpg'
    page = contact_sheet("<hits>", [{"key": name, "path": f"/p/{name}", "relevance": 0.5}])
    assert 'href="file:///p/a%20%22b%22%20%3Ci%3E%23%25.jpg"' in page
    assert "&lt;hits&gt;" in page
    assert "<i>" not in page
