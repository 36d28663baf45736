"""Leftovers of other software, which no library has in mind: skipped by name, whatever the case."""

import re
from fnmatch import translate

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
