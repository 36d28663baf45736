"""Any folder: possible images are indexed, or listed with the reason.

No run raises an exception, and a second run changes nothing.
"""

import errno
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from imagesearch.adapters.filesystem.excludes import Excludes
from imagesearch.domain.images import Status
from imagesearch.domain.media_types import named_as_image
from imagesearch.indexing.planner import OutcomeKind
from tests.support.fakes import picture
from tests.unit.local.conftest import FilesystemFaults, Library, opened_library

INDEXED, REJECTED, REPORTED, NOTHING = "indexed", "rejected", "reported", "nothing"

ODD = [
    b"plain",
    b"new\nline",
    b"\x1b[31mred\x07",
    b"tab\tand \xe2\x80\xae turned",
    "e\u0301 \U0001f408".encode(),
    b"a%2Fb?c#d&e",
    b"-rf",
    b"trailing ",
    b"..dots...",
    b"\xff not UTF-8",
    b"caf\xe9",
    b"x" * 200,
]
names = st.sampled_from(ODD) | st.binary(min_size=1, max_size=40).filter(
    lambda name: not {0, 47} & set(name)
)
ENDINGS = ["", ".jpg", ".PNG", ".tiff", ".heic", ".txt", ".jpg~", "."]
seconds = st.sampled_from([-(2**40), -62_135_596_801, -1, 0, 2**31, 253_402_300_800, 2**40])


@dataclass(frozen=True)
class Entry:
    """An entry of a folder: kind, name after a number, extension, and modification time."""

    kind: str
    name: bytes
    ending: str
    modified: int
    folder: int


KINDS = ["picture", "text", "empty", "one byte", "pipe", "itself", "nowhere", "through", "far"]
KINDS += ["out", "inside", "folder", "locked", "dead"]
entries = st.builds(
    Entry, st.sampled_from(KINDS), names, st.sampled_from(ENDINGS), seconds, st.integers(0, 3)
)


class HostileFolder:
    """Creates entries below a folder, and records the expected outcome of each."""

    def __init__(self, root: Path, filesystem_faults: FilesystemFaults) -> None:
        self.root = root
        self.expected: dict[str, str] = {}
        self._faults = filesystem_faults
        self._folders = [(root, True)]
        self._outside = root.parent / "outside.png"
        self._outside.write_bytes(picture("outside"))

    def make(self, number: int, entry: Entry) -> None:
        parent, seen = self._folders[entry.folder % len(self._folders)]
        path = parent / os.fsdecode(b"%d%b%b" % (number, entry.name, entry.ending.encode()))
        key = str(path.relative_to(self.root))
        outcome = getattr(self, f"_{entry.kind.replace(' ', '_')}")(path)
        if not _is_utf8(path.name):
            is_folder = entry.kind in ("folder", "locked", "dead")
            outcome = REPORTED if named_as_image(path.name) or is_folder else NOTHING
        if seen and not Excludes(self.root).excluded(key):
            self.expected[key] = outcome
        if entry.kind in ("picture", "text", "empty", "one byte"):
            try:
                os.utime(path, (0, entry.modified))
            except OverflowError:
                return

    def _picture(self, path: Path) -> str:
        path.write_bytes(picture(ascii(path.name)))
        return INDEXED

    def _text(self, path: Path) -> str:
        path.write_bytes(b"no picture")
        return _as_named(path, REJECTED)

    def _empty(self, path: Path) -> str:
        path.write_bytes(b"")
        return _as_named(path, REJECTED)

    def _one_byte(self, path: Path) -> str:
        path.write_bytes(b"\xff")
        return _as_named(path, REJECTED)

    def _pipe(self, path: Path) -> str:
        os.mkfifo(path)
        return _as_named(path, REPORTED)

    def _itself(self, path: Path) -> str:
        path.symlink_to(path.name)
        return REPORTED

    def _nowhere(self, path: Path) -> str:
        path.symlink_to("nowhere at all")
        return _as_named(path, REPORTED)

    def _through(self, path: Path) -> str:
        path.symlink_to(self._outside / "x")
        return REPORTED

    def _far(self, path: Path) -> str:
        path.symlink_to("x" * 300)
        return REPORTED

    def _out(self, path: Path) -> str:
        path.symlink_to(self._outside)
        return _as_named(path, REPORTED)

    def _inside(self, path: Path) -> str:
        (self.root / "0.png").write_bytes(picture("inside"))
        self.expected["0.png"] = INDEXED
        path.symlink_to(self.root / "0.png")
        return INDEXED

    def _folder(self, path: Path) -> str:
        path.mkdir()
        self._folders.append((path, self._is_seen(path)))
        return NOTHING

    def _locked(self, path: Path) -> str:
        path.mkdir()
        (path / "in.jpg").write_bytes(picture("locked"))
        self._faults.locked(path)
        return REPORTED

    def _dead(self, path: Path) -> str:
        path.mkdir()
        self._faults.broken(path, errno.EHOSTDOWN)
        return REPORTED

    def _is_seen(self, path: Path) -> bool:
        return all(_is_utf8(part) for part in path.relative_to(self.root).parts)


def _as_named(path: Path, outcome: str) -> str:
    return outcome if named_as_image(path.name) else NOTHING


def _is_utf8(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def outcomes(library: Library, reported: set[str]) -> dict[str, str]:
    """The outcome of each key, from the index and the report of the run."""
    found = dict.fromkeys(reported, REPORTED)
    for key, record in library.records.items():
        rejected = record.status is Status.REJECTED and record.reason
        found[key] = REJECTED if rejected else INDEXED
    return found


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # no shrinking: the other test covers folders of one entry
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(entries, max_size=12))
def test_every_entry_of_a_folder_is_indexed_or_reported(
    filesystem_faults: FilesystemFaults, made: list[Entry]
) -> None:
    filesystem_faults.clear()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place).resolve() / "pictures"
        root.mkdir()
        hostile = HostileFolder(root, filesystem_faults)
        for number, entry in enumerate(made, start=1):
            try:
                hostile.make(number, entry)
            except OSError as error:  # filesystems reject some names
                if error.errno not in (errno.EILSEQ, errno.EINVAL, errno.EHOSTDOWN, errno.EACCES):
                    raise
        with opened_library(root, root.parent / "data") as library:
            report = library.run()
            reported = {path for path, _ in report.inaccessible}
            expected = {
                key: outcome for key, outcome in hostile.expected.items() if outcome is not NOTHING
            }
            assert outcomes(library, reported) == expected
            assert all(reason for _, reason in report.inaccessible)
            assert report.failed == []
            assert report.complete == (not {REJECTED, REPORTED} & set(expected.values()))
            again = library.run()
            assert again.lines() == report.lines()
            assert set(again.counts) <= {OutcomeKind.UNCHANGED, OutcomeKind.SKIPPED}
        filesystem_faults.clear()


def test_every_kind_of_entry_has_its_expected_outcome(
    filesystem_faults: FilesystemFaults, tmp_path: Path
) -> None:
    """Each kind has its outcome in a folder of its own, so the property above is not vacuous."""
    for kind in KINDS:
        root = tmp_path / kind / "pictures"
        root.mkdir(parents=True)
        hostile = HostileFolder(root, filesystem_faults)
        hostile.make(1, Entry(kind, b"plain", ".jpg", 0, 0))
        with opened_library(root, root.parent / "data") as library:
            reported = {path for path, _ in library.run().inaccessible}
            expected = {
                key: outcome for key, outcome in hostile.expected.items() if outcome is not NOTHING
            }
            assert outcomes(library, reported) == expected, kind
            assert bool(expected) == (kind != "folder")
        filesystem_faults.clear()
