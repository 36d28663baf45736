"""The report counts outcomes, and names the images that are not searchable."""

from imagesearch.adapters.filesystem.image_store import Unavailability
from imagesearch.adapters.filesystem.walk import ExcludedEntry
from imagesearch.domain.images import ImageRef
from imagesearch.indexing.planner import Outcome, OutcomeKind
from local.sync.report import Report


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
    assert report.summary == "2 indexed, 1 unchanged"
    assert report.lines() == ["1 file skipped: 1 without extension"]


def test_images_whose_content_was_known_are_counted() -> None:
    report = Report()
    for key in "abc":
        report.add(Outcome(ImageRef("b", key), OutcomeKind.INDEXED, reused=key != "a"))
    assert report.summary == "3 indexed (2 with known content)"


def skipped(*keys: str, verbose: bool = False) -> Report:
    report = Report(verbose)
    for key in keys:
        report.add(Outcome(ImageRef("bucket", key), OutcomeKind.SKIPPED))
    return report


def test_skipped_files_are_counted_by_kind_the_most_frequent_first() -> None:
    report = skipped("a.psd", "b/c.MOV", "x.mov", "notes", "e.psd", "f.mov", "v1.2 of June")
    assert report.lines() == ["7 files skipped: 3 .mov, 2 .psd, 2 without extension"]
    assert report.summary == "no images"
    assert report.complete


def test_only_the_most_frequent_kinds_of_skipped_files_are_named() -> None:
    report = skipped(*(f"{number}.k{number}" for number in range(10)), "a.mov", "b.mov")
    (line,) = report.lines()
    assert line.startswith("12 files skipped: 2 .mov, 1 .k0, ")
    assert line.endswith(", 3 of 3 other kinds")


def test_each_skipped_file_is_named_on_demand() -> None:
    report = skipped("a.mov", verbose=True)
    report.add_excluded(ExcludedEntry("b.raw", False, "excluded by .imagesearchignore: *.raw"))
    report.add_excluded(ExcludedEntry("x/@eaDir", True, "excluded by default: @eaDir"))
    assert report.lines() == [
        "skipped a.mov: not an image",
        "skipped b.raw: excluded by .imagesearchignore: *.raw",
        "skipped x/@eaDir/: excluded by default: @eaDir",
        "2 files skipped: 1 .mov, 1 .raw",
    ]
    assert report.complete


def test_files_without_a_valid_key_are_named_and_counted() -> None:
    report = reported(("a", OutcomeKind.INDEXED, ""))
    report.add_inaccessible("caf\udce9.jpg", "its name is not UTF-8: rename it")
    assert report.lines() == ["skipped caf\ufffd.jpg: its name is not UTF-8: rename it"]
    assert report.summary == "1 indexed, 1 skipped with errors"
    assert not report.complete


def test_an_empty_folder_is_reported_as_empty() -> None:
    assert reported().summary == "no images"


def test_an_unchanged_rejected_image_is_named() -> None:
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


def test_control_characters_of_a_name_are_escaped() -> None:
    report = reported(("a\n\x1b[31mb.jpg", OutcomeKind.REJECTED, "no image"))
    assert report.lines() == ["rejected a\ufffd\ufffd[31mb.jpg: no image"]


def test_unchanged_rejected_images_are_not_counted_as_searchable() -> None:
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


def test_records_of_unreachable_files_are_counted_by_folder() -> None:
    report = reported(("a", OutcomeKind.INDEXED, ""))
    report.add_kept(
        [Unavailability("trip", "Permission denied")] * 2
        + [Unavailability("", "it is empty", filesystem=True)]
    )
    assert report.summary == "1 indexed, 3 kept"
    assert report.lines() == [
        "kept 2 records below trip: Permission denied; --forget-missing deletes them",
        "kept 1 record: it is empty; --forget-missing deletes it",
    ]
    assert not report.complete


def test_control_characters_of_a_name_in_a_reason_are_escaped() -> None:
    report = reported(("a\n.jpg", OutcomeKind.FAILED, "cannot read a\n.jpg: Permission denied"))
    assert report.lines() == ["failed a\ufffd.jpg: cannot read a\ufffd.jpg: Permission denied"]
