"""The report counts what became of images, and names those that cannot be found."""

from imagesearch.adapters.folder_store import Hidden
from imagesearch.domain import ImageRef
from imagesearch.planning import Outcome, OutcomeKind
from local.report import Report


def reported(*outcomes: tuple[str, OutcomeKind, str]) -> Report:
    report = Report()
    for key, kind, reason in outcomes:
        report.add(Outcome(ImageRef("bucket", key), kind, reason))
    return report


def test_outcomes_are_counted_in_one_line() -> None:
    report = reported(
        ("a", OutcomeKind.UNCHANGED, ""),
        ("b", OutcomeKind.INDEXED, ""),
        ("c", OutcomeKind.INDEXED, ""),
        ("d", OutcomeKind.SKIPPED, ""),
    )
    assert report.summary == "2 indexed, 1 unchanged, 1 is no image"


def test_several_that_are_no_images_are_counted_in_the_plural() -> None:
    report = reported(("a", OutcomeKind.SKIPPED, ""), ("b", OutcomeKind.SKIPPED, ""))
    assert report.summary == "2 are no images"
    assert report.complete


def test_what_can_have_no_key_is_named_and_counted() -> None:
    report = reported(("a", OutcomeKind.INDEXED, ""))
    report.pass_over("caf\udce9.jpg", "its name is not UTF-8: rename it")
    assert report.lines() == ["passed over caf\ufffd.jpg: its name is not UTF-8: rename it"]
    assert report.summary == "1 indexed, 1 passed over"
    assert not report.complete


def test_an_empty_folder_is_said_to_be_empty() -> None:
    assert reported().summary == "no images"


def test_an_image_that_stays_rejected_is_still_named() -> None:
    report = reported(
        ("new.jpg", OutcomeKind.REJECTED, "it is cut short"),
        ("old.jpg", OutcomeKind.UNCHANGED, "it is empty"),
        ("away.jpg", OutcomeKind.FAILED, "cannot be read"),
    )
    assert report.lines() == [
        "rejected new.jpg: it is cut short",
        "rejected old.jpg: it is empty",
        "failed away.jpg: cannot be read",
    ]


def test_a_name_cannot_speak_to_the_terminal() -> None:
    report = reported(("a\n\x1b[31mb.jpg", OutcomeKind.REJECTED, "no image"))
    assert report.lines() == ["rejected a\ufffd\ufffd[31mb.jpg: no image"]


def test_what_was_rejected_before_is_not_counted_as_searchable() -> None:
    report = Report()
    for kind, reason in (
        (OutcomeKind.INDEXED, ""),
        (OutcomeKind.UNCHANGED, ""),
        (OutcomeKind.UNCHANGED, "no picture"),
        (OutcomeKind.REJECTED, "no picture"),
        (OutcomeKind.DELETED, ""),
    ):
        report.add(Outcome(ImageRef("b", kind.value + reason), kind, reason))
    assert report.searchable == 2


def test_records_of_what_cannot_be_seen_are_counted_by_their_place() -> None:
    report = reported(("a", OutcomeKind.INDEXED, ""))
    report.keep([Hidden("trip", "Permission denied")] * 2 + [Hidden("", "it is empty", away=True)])
    assert report.summary == "1 indexed, 3 kept"
    assert report.lines() == [
        "kept 2 records below trip: Permission denied; --forget-missing deletes them",
        "kept 1 record: it is empty; --forget-missing deletes it",
    ]
    assert not report.complete


def test_a_name_in_a_reason_cannot_speak_to_the_terminal() -> None:
    report = reported(("a\n.jpg", OutcomeKind.FAILED, "cannot read a\n.jpg: Permission denied"))
    assert report.lines() == ["failed a\ufffd.jpg: cannot read a\ufffd.jpg: Permission denied"]
