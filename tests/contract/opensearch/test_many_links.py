"""Links are read to the last one, however many pages they take."""

from imagesearch.adapters.opensearch import index as opensearch_lists
from imagesearch.domain.images import Neighbour


def test_more_links_than_fit_one_answer_are_all_read_once(new_opensearch, put, monkeypatch):
    subject = new_opensearch()
    near = (Neighbour("one", "1" * 64, 1.0, 1.0),)
    keys = [f"{number:02d}" for number in range(25)]
    subject.store(*(put(key, sha256="a" * 64, neighbours=near) for key in keys))
    monkeypatch.setattr(opensearch_lists, "LINKS_AT_A_TIME", 10)
    monkeypatch.setattr("imagesearch.adapters.opensearch.queries.LINKS_AT_A_TIME", 10)
    assert [each.key for each in subject.index.linked()] == keys
