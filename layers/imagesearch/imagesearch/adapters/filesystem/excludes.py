"""Excluded files and folders of a library, the same for every reader of the folder.

In order of precedence: the program's own data (always excluded), `--exclude`, the nearest
`.imagesearchignore` with a matching pattern, those above it, and default patterns for files of
other software, which ignore case.
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
    InvalidPattern,
    Pattern,
    Patterns,
    compile_pattern,
)
from imagesearch.adapters.filesystem.own_data import MARKER, is_own_directory
from imagesearch.domain.errors import Unavailable

HIDDEN = "hidden"
# For files and folders; hidden ones (`.Trash-1000`, `.stversions`, `._x.jpg`) need no pattern.
PATTERNS = (
    # NAS and file systems: Synology, QNAP, ext4, Windows, macOS
    *("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", "@__thumb"),
    *("*@SynoEAStream", "*@SynoResource", "lost+found", "$RECYCLE.BIN", "RECYCLER"),
    *("System Volume Information", "Thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),
    *("__MACOSX", "Network Trash Folder", "Temporary Items"),
    # synchronization, downloads and editors: partial and backup files
    *("~syncthing~*", "*.!sync", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.download"),
    *("*.tmp", "*.temp", "*~", "~$*", "*.bak", "*_exiftool_tmp", "*.*_original"),
    # thumbnails and catalogs of photo software and clouds
    *("*.lrdata", "*.lrcat-data", "appdata_*", "files_trashbin", "files_versions", "node_modules"),
)
# Libraries of Apple's programs: the user's images are in ORIGINALS, the rest is derived.
LIBRARIES = ("*.photoslibrary", "*.photolibrary", "*.migratedphotolibrary", "*.aplibrary")
ORIGINALS = frozenset(("originals", "masters"))
_NAMES, _LIBRARIES = (
    re.compile("|".join(f"({translate(each.casefold())})" for each in patterns))
    for patterns in (PATTERNS, LIBRARIES)
)
IGNORE_FILE = ".imagesearchignore"
# The temporary name of an upload.
UPLOAD_PREFIX = ".upload-"
OWN_DATA = "data of imagesearch"
MAX_BYTES = 1_000_000
# FAT has a time resolution of two seconds.
TICK_NS = 5_000_000_000
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Source:
    """Patterns of one source; paths are relative to `base`, "" or `folder/`."""

    name: str
    base: str
    patterns: Patterns

    def last_match(self, path: str, is_dir: bool) -> Pattern | None:
        return self.patterns.last_match(path.removeprefix(self.base), is_dir)


@dataclass(frozen=True, slots=True)
class FolderProperties:
    """The properties of a folder that affect exclusion."""

    own: bool = False
    ignore_file: bool = False


NO_FOLDER = FolderProperties()


@dataclass(frozen=True, slots=True)
class FolderRules:
    """The rules for the entries of one folder; an excluded folder has a `reason`."""

    excludes: "Excludes"
    folder: str
    sources: tuple[Source, ...] = ()
    reason: str = ""

    def exclusion_reason(self, name: str, is_dir: bool | None) -> str:
        """The reason why an entry is excluded, or ""; `is_dir` None: look it up."""
        if self.reason:
            return self.reason
        own = is_dir and self.excludes._folder(self.folder + name).own
        return self.excludes._exclusion_reason(self, name, is_dir, bool(own))


class Excludes:
    """Paths are relative to the root, with `/`. Ignore files are read again when they change.

    A folder whose ignore file cannot be read may contain images that a user wants excluded: queries
    about its content raise Unavailable, so that nothing in it is added or removed.
    """

    def __init__(
        self,
        root: Path,
        patterns: Sequence[str] = (),
        defaults: bool = True,
        own: Sequence[Path] = (),
    ) -> None:
        """`own` are directories of the program that cannot be recognized by their content.

        Raises InvalidPattern for `patterns`, which are relative to the root.
        """
        self._root = os.path.realpath(root)
        self._defaults = defaults
        self._own = frozenset(os.path.realpath(each) for each in own)
        self._options = Source(
            "--exclude", "", Patterns(filter(None, map(compile_pattern, patterns)))
        )
        self._folders: dict[str, tuple[tuple[int, ...], FolderProperties]] = {}
        self._read: dict[str, tuple[tuple[int, ...], Patterns | str]] = {}

    def clear_caches(self) -> None:
        """Read everything again: not all filesystems update the time of a changed folder."""
        self._folders.clear()
        self._read.clear()

    def ignore_files(self) -> dict[Path, str]:
        """The state of every ignore file in use, by its path."""
        return {
            Path(self._at(folder + IGNORE_FILE)): repr(state)
            for folder, (state, _) in dict(self._read).items()
        }

    def excluded(self, path: str, is_dir: bool | None = None) -> bool:
        """True if a path is excluded. Raises Unavailable."""
        return bool(self.exclusion_reason(path, is_dir))

    def leads_to_own_data(self, path: Path, real: Path) -> bool:
        """True if a path, which resolves to `real`, is a link to the program's own data."""
        if real == path:
            return False
        folders = [str(each) for each in (real, *real.parents)]
        above = folders.index(self._root) if self._root in folders else len(folders)
        return any(map(self._is_own, folders[:above]))

    def exclusion_reason(self, path: str, is_dir: bool | None = None) -> str:
        """The reason why a path is excluded, or "". Raises Unavailable."""
        folder, _, name = path.rpartition("/")
        return self.rules_in(folder).exclusion_reason(name, is_dir)

    def rules_in(self, folder: str) -> FolderRules:
        """The rules within a folder, "" is the root. Raises Unavailable."""
        known = self._folder("")
        rules = FolderRules(self, "", self._source("", known))
        for name in filter(None, folder.split("/")):
            path = f"{rules.folder}{name}"
            # A missing folder has no subfolders.
            known = self._folder(path) if known is not NO_FOLDER else NO_FOLDER
            if reason := self._exclusion_reason(rules, name, True, known.own):
                return FolderRules(self, folder, reason=reason)
            sources = self._source(f"{path}/", known)
            rules = FolderRules(self, f"{path}/", (*sources, *rules.sources))
        return rules

    def ignore_file_error(self, folder: str) -> str:
        """The error of a folder's own ignore file, or ""."""
        found = self._ignore_file(f"{folder}/" if folder else "")
        return found if isinstance(found, str) else ""

    def _exclusion_reason(
        self, rules: FolderRules, name: str, is_dir: bool | None, own: bool
    ) -> str:
        path = rules.folder + name
        if own or name in (IGNORE_FILE, MARKER) or name.startswith(UPLOAD_PREFIX):
            return OWN_DATA
        sources = (self._options, *rules.sources) if self._options.patterns else rules.sources
        if sources and is_dir is None:
            is_dir = os.path.isdir(self._at(path)) and not os.path.islink(self._at(path))  # noqa: PTH112, PTH114
        for source in sources:
            if pattern := source.last_match(path, bool(is_dir)):
                return "" if pattern.negated else f"excluded by {source.name}: {pattern.text}"
        if not self._defaults:
            return ""
        parent = rules.folder.rstrip("/").rpartition("/")[2]
        default = default_exclude(name, parent)
        return f"excluded by default: {default}" if default else ""

    def _is_own(self, path: str) -> bool:
        return path.rstrip("/") in self._own or is_own_directory(path)

    def _folder(self, folder: str) -> FolderProperties:
        """The properties of a folder, cached until it changes."""
        path = self._at(folder)
        try:
            found = os.stat(path)  # noqa: PTH116 - called for every file
        except OSError:
            return NO_FOLDER
        state = (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)
        known = self._folders.get(folder)
        if known and known[0] == state:
            return known[1]
        properties = FolderProperties(
            own=bool(folder) and self._is_own(path),
            ignore_file=os.access(f"{path}/{IGNORE_FILE}", os.F_OK),
        )
        # A change within one tick of the filesystem's clock would not be visible in its times.
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > TICK_NS:
            self._folders[folder] = (state, properties)
        return properties

    def _source(self, folder: str, known: FolderProperties) -> tuple[Source, ...]:
        if not known.ignore_file:
            self._read.pop(folder, None)
        found = self._ignore_file(folder) if known.ignore_file else None
        if isinstance(found, str):
            raise Unavailable(
                f"cannot determine what is excluded in {folder or 'the folder'}:"
                f" {folder}{IGNORE_FILE}: {found}",
                f"repair or remove {IGNORE_FILE}",
            )
        return (Source(folder + IGNORE_FILE, folder, found),) if found else ()

    def _ignore_file(self, folder: str) -> Patterns | str | None:
        """Its patterns, its error, or None if it does not exist."""
        path = self._at(folder + IGNORE_FILE)
        try:
            found = os.stat(path)  # noqa: PTH116 - called for every file
            state = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
            known = self._read.get(folder)
            if known and known[0] == state:
                return known[1]
            if not S_ISREG(found.st_mode):
                return "it is not a regular file"
            if found.st_size > MAX_BYTES:
                return f"it has {found.st_size:,} bytes, over {MAX_BYTES:,}"
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
            patterns.append(compile_pattern(line.decode()))
        except UnicodeDecodeError:
            return f"line {number} is not UTF-8"
        except InvalidPattern as error:
            return f"line {number}, {line.decode().strip()!r:.80}: {error}"
    return Patterns(filter(None, patterns))


def default_exclude(name: str, parent: str) -> str:
    """The default pattern that excludes this name in a folder `parent`; "" if none."""
    if name.startswith("."):
        return HIDDEN
    name = name.casefold()
    if found := _NAMES.match(name):
        return _matching(found, PATTERNS)
    if name not in ORIGINALS and (found := _LIBRARIES.match(parent.casefold())):
        return f"{_matching(found, LIBRARIES)} except its originals"
    return ""


def _matching(found: re.Match[str], patterns: tuple[str, ...]) -> str:
    return patterns[(found.lastindex or 1) - 1]
