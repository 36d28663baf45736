"""Which files of a folder are no part of the library: decided here for every reader of it.

In order of precedence: the product's own data (always excluded), `--exclude`, the nearest
`.imagesearchignore` that says something of a path, those above it, the defaults.

Leftovers of other software, which no library has in mind: skipped by name, whatever the case.
"""

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path
from stat import S_ISREG

from imagesearch.adapters.filesystem.ignore_patterns import (
    BrokenPattern,
    Pattern,
    Patterns,
    compiled,
)
from imagesearch.adapters.filesystem.own_data import MARKER, is_own_directory
from imagesearch.domain.errors import Unavailable

HIDDEN = "hidden"
# Of files and of folders; hidden ones (`.Trash-1000`, `.stversions`, `._x.jpg`) need no pattern.
PATTERNS = (
    # NAS and file systems: Synology, QNAP, ext4, Windows, macOS
    *("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", "@__thumb"),
    *("*@SynoEAStream", "*@SynoResource", "lost+found", "$RECYCLE.BIN", "RECYCLER"),
    *("System Volume Information", "Thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),
    *("__MACOSX", "Network Trash Folder", "Temporary Items"),
    # synchronization, downloads and editors: what is not whole yet, and what was before
    *("~syncthing~*", "*.!sync", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.download"),
    *("*.tmp", "*.temp", "*~", "~$*", "*.bak", "*_exiftool_tmp", "*.*_original"),
    # small copies and catalogs of photo software and clouds
    *("*.lrdata", "*.lrcat-data", "appdata_*", "files_trashbin", "files_versions", "node_modules"),
)
# Libraries of Apple's programs: what a user put in is in these folders, the rest is made of it.
LIBRARIES = ("*.photoslibrary", "*.photolibrary", "*.migratedphotolibrary", "*.aplibrary")
ORIGINALS = frozenset(("originals", "masters"))


def default_exclude(name: str, parent: str) -> str:
    """The default that excludes a file or folder of this name in a folder of that; "": none."""
    if name.startswith("."):
        return HIDDEN
    name = name.casefold()
    if found := _NAMES.match(name):
        return _matching(found, PATTERNS)
    if name not in ORIGINALS and (found := _LIBRARIES.match(parent.casefold())):
        return f"{_matching(found, LIBRARIES)} except its originals"
    return ""


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"({translate(each.casefold())})" for each in patterns))


def _matching(found: re.Match[str], patterns: tuple[str, ...]) -> str:
    return patterns[(found.lastindex or 1) - 1]


_NAMES, _LIBRARIES = _any_of(PATTERNS), _any_of(LIBRARIES)


IGNORE_FILE = ".imagesearchignore"
# What an upload is written to before it gets its name.
UPLOAD_PREFIX = ".upload-"
OWN = "data of imagesearch"
MOST_BYTES = 1_000_000
# FAT tells times in steps of two seconds.
TICK_NS = 5_000_000_000
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Source:
    """Patterns and where they are from; paths are relative to `base`, "" or `folder/`."""

    name: str
    base: str
    patterns: Patterns

    def decisive(self, path: str, is_dir: bool) -> Pattern | None:
        return self.patterns.decisive(path.removeprefix(self.base), is_dir)


@dataclass(frozen=True, slots=True)
class KnownFolder:
    """What a folder holds that decides: the product's own data, an ignore file."""

    own: bool = False
    ignore_file: bool = False


@dataclass(frozen=True, slots=True)
class FolderRules:
    """What holds for the entries of one folder; all of an excluded one is excluded for `reason`."""

    excludes: "Excludes"
    folder: str
    sources: tuple[Source, ...] = ()
    reason: str = ""

    def why(self, name: str, is_dir: bool | None) -> str:
        """Why the entry of this name is excluded; "" where it is not. None: whatever it is now."""
        if self.reason:
            return self.reason
        own = is_dir and self.excludes._folder(self.folder + name).own
        return self.excludes._why(self, name, is_dir, bool(own))


NOT_THERE = KnownFolder()


class Excludes:
    """Paths are relative to the root, with `/`. Ignore files are read again when they change.

    A folder whose ignore file cannot be read may hold what a user wants excluded: a question about
    anything in it raises Unavailable, so that nothing in it comes in or goes.
    """

    def __init__(
        self,
        root: Path,
        patterns: Sequence[str] = (),
        defaults: bool = True,
        own: Sequence[Path] = (),
    ) -> None:
        """`own` are directories of the product that cannot be recognized by what they hold.

        Raises BrokenPattern for `patterns`, which are relative to the root.
        """
        self._root = os.path.realpath(root)
        self._defaults = defaults
        self._own = frozenset(os.path.realpath(each) for each in own)
        self._given = Source("--exclude", "", Patterns(filter(None, map(compiled, patterns))))
        self._folders: dict[str, tuple[tuple[int, ...], KnownFolder]] = {}
        self._read: dict[str, tuple[tuple[int, ...], Patterns | str]] = {}

    def forget(self) -> None:
        """Look at every folder again: not all file systems tell when one has changed."""
        self._folders.clear()
        self._read.clear()

    def ignore_files(self) -> dict[Path, str]:
        """The state of every ignore file that decided so far, by its path."""
        return {
            Path(self._at(folder + IGNORE_FILE)): repr(state)
            for folder, (state, _) in dict(self._read).items()
        }

    def excluded(self, path: str, is_dir: bool | None = None) -> bool:
        """Whether a path is no part of the library. Raises Unavailable."""
        return bool(self.why(path, is_dir))

    def leads_to_own_data(self, path: Path, real: Path) -> bool:
        """Whether a path, which is `real` without links, is another name of the product's data."""
        if real == path:
            return False
        folders = [str(each) for each in (real, *real.parents)]
        above = folders.index(self._root) if self._root in folders else len(folders)
        return any(map(self._is_own, folders[:above]))

    def why(self, path: str, is_dir: bool | None = None) -> str:
        """The reason for which a path is excluded; "" where it is not. Raises Unavailable."""
        folder, _, name = path.rpartition("/")
        return self.of(folder).why(name, is_dir)

    def of(self, folder: str) -> FolderRules:
        """The rules within a folder, "" is the root. Raises Unavailable."""
        known = self._folder("")
        rules = FolderRules(self, "", self._source("", known))
        for name in filter(None, folder.split("/")):
            path = f"{rules.folder}{name}"
            # Below a folder that is not there, there is none.
            known = self._folder(path) if known is not NOT_THERE else NOT_THERE
            if reason := self._why(rules, name, True, known.own):
                return FolderRules(self, folder, reason=reason)
            sources = self._source(f"{path}/", known)
            rules = FolderRules(self, f"{path}/", (*sources, *rules.sources))
        return rules

    def trouble(self, folder: str) -> str:
        """What is wrong with a folder's own ignore file; "" where nothing is."""
        found = self._ignore_file(f"{folder}/" if folder else "")
        return found if isinstance(found, str) else ""

    def _why(self, rules: FolderRules, name: str, is_dir: bool | None, own: bool) -> str:
        path = rules.folder + name
        if own or name in (IGNORE_FILE, MARKER) or name.startswith(UPLOAD_PREFIX):
            return OWN
        sources = (self._given, *rules.sources) if self._given.patterns else rules.sources
        if sources and is_dir is None:
            is_dir = os.path.isdir(self._at(path)) and not os.path.islink(self._at(path))  # noqa: PTH112, PTH114
        for source in sources:
            if found := source.decisive(path, bool(is_dir)):
                return "" if found.negated else f"excluded by {source.name}: {found.text}"
        if not self._defaults:
            return ""
        parent = rules.folder.rstrip("/").rpartition("/")[2]
        default = default_exclude(name, parent)
        return f"excluded by default: {default}" if default else ""

    def _is_own(self, path: str) -> bool:
        return path.rstrip("/") in self._own or is_own_directory(path)

    def _folder(self, folder: str) -> KnownFolder:
        """What is known of a folder as it is now, from one look where it has not changed."""
        path = self._at(folder)
        try:
            found = os.stat(path)  # noqa: PTH116 - asked for every file
        except OSError:
            return NOT_THERE
        state = (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)
        known = self._folders.get(folder)
        if known and known[0] == state:
            return known[1]
        made = KnownFolder(
            own=bool(folder) and self._is_own(path),
            ignore_file=os.access(f"{path}/{IGNORE_FILE}", os.F_OK),
        )
        # What happens within one tick of a file system's clock leaves no other trace.
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > TICK_NS:
            self._folders[folder] = (state, made)
        return made

    def _source(self, folder: str, known: KnownFolder) -> tuple[Source, ...]:
        if not known.ignore_file:
            self._read.pop(folder, None)
        found = self._ignore_file(folder) if known.ignore_file else None
        if isinstance(found, str):
            raise Unavailable(
                f"cannot tell what is excluded in {folder or 'the folder'}:"
                f" {folder}{IGNORE_FILE}: {found}",
                f"mend {IGNORE_FILE}, or remove it",
            )
        return (Source(folder + IGNORE_FILE, folder, found),) if found else ()

    def _ignore_file(self, folder: str) -> Patterns | str | None:
        """Its patterns; what is wrong with it; None where there is none."""
        path = self._at(folder + IGNORE_FILE)
        try:
            found = os.stat(path)  # noqa: PTH116 - asked for every file
            state = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
            known = self._read.get(folder)
            if known and known[0] == state:
                return known[1]
            if not S_ISREG(found.st_mode):
                return "it is no regular file"
            if found.st_size > MOST_BYTES:
                return f"it has {found.st_size:,} bytes, over {MOST_BYTES:,}"
            read = _parsed(Path(path).read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            return str(error.strerror)
        self._read[folder] = (state, read)
        return read

    def _at(self, path: str) -> str:
        return f"{self._root.rstrip(os.sep)}{os.sep}{path}"


def _parsed(data: bytes) -> Patterns | str:
    patterns = []
    for number, line in enumerate(data.removeprefix(_BOM).split(b"\n"), start=1):
        try:
            patterns.append(compiled(line.decode()))
        except UnicodeDecodeError:
            return f"line {number} is not UTF-8"
        except BrokenPattern as error:
            return f"line {number}, {line.decode().strip()!r}: {error}"
    return Patterns(filter(None, patterns))
