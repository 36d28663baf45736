"""Patterns in gitignore syntax, compiled by pathspec and matched as git matches them.

pathspec is not in the Lambda layer: it is imported when the first pattern is compiled.
"""

import re
import threading
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

# Linux has no longer paths. The time to find the brackets grows with the square of the length.
MAX_CHARACTERS = 4_096
# https://git-scm.com/docs/gitignore: fnmatch(3) with its character classes.
_CHARACTER_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \t",
    "digit": "0-9",
    "lower": "a-z",
    "space": " \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
_CLASS_NAME = re.compile(r"\[:([a-z]+):\]")
_BRACKETS = re.compile(r"\\.|(\[[!^]?\]?[^\]]*\])")
_SETS = re.compile(r"\\.|(\[\^?\]?[^\]]*\])")
_TRAILING_BLANK = re.compile(r"(?<!\\)((?:\\\\)*)\\?(\s)$")
_ANYWHERE = re.compile(r"^(?:/?\*\*/)+(?=[^/]+$)")
_ANY_FOLDERS = "**"
# Parts of the regular expressions of pathspec: their ends, and an asterisk.
_START, _END, _ASTERISK = "^", "(?:(?P<ps_d>/)|$)", "[^/]*"
# catch_warnings changes the filters of all threads.
_warnings_lock = threading.Lock()


# The expression of a name in a path; None for any number of folders.
Segment: TypeAlias = re.Pattern[str] | None


class InvalidPattern(Exception):
    """An invalid pattern, which git ignores silently; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern from the line `text`; a `negated` one includes the paths that it matches."""

    text: str
    negated: bool
    by_name: bool
    folders_only: bool
    segments: tuple[Segment, ...]

    def matches(self, path: str, is_dir: bool) -> bool:
        """True if it matches this path itself, rather than a folder above it."""
        if self.folders_only and not is_dir:
            return False
        names = path.split("/")
        return _match(self.segments, names[-1:] if self.by_name else names)


class Patterns:
    """The patterns of one source, such as one file; paths are relative to the source's folder."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._last_first = tuple(patterns)[::-1]

    def last_match(self, path: str, is_dir: bool) -> Pattern | None:
        """The last pattern that matches; it takes precedence over earlier ones."""
        matching = (each for each in self._last_first if each.matches(path, is_dir))
        return next(matching, None)

    def __bool__(self) -> bool:
        return bool(self._last_first)


def compile_pattern(line: str) -> Pattern | None:
    """The pattern of a line; None for a comment or a blank line. Raises InvalidPattern."""
    text = _strip_trailing_spaces(line)
    if not text or text.startswith("#") or text == "/":
        return None
    if len(text) > MAX_CHARACTERS:
        raise InvalidPattern(f"it has more than {MAX_CHARACTERS:,} characters")
    negated = text.startswith("!")
    pattern = _CLASS_NAME.sub(_class_members, text[negated:])
    _check(pattern)
    folders_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    if pattern.endswith("/**"):
        pattern += "/*"
    # A pattern with a slash at its start or in the middle matches paths, any other one names.
    pattern = _ANYWHERE.sub("", pattern)
    by_name = "/" not in pattern
    names = ["*"] if pattern == _ANY_FOLDERS else pattern.removeprefix("/").split("/")
    return Pattern(text, negated, by_name, folders_only, tuple(map(_segment, names)))


def _check(pattern: str) -> None:
    if not pattern.strip("/"):
        raise InvalidPattern("it matches nothing")
    if "//" in pattern:
        raise InvalidPattern("it has an empty path segment")
    if any("\\" in (found[1] or "") for found in _BRACKETS.finditer(pattern)):
        raise InvalidPattern(
            "brackets may not contain a backslash; to match ], put it first in the brackets"
        )


def _segment(pattern: str) -> Segment:
    if pattern == _ANY_FOLDERS:
        return None
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    pattern = _TRAILING_BLANK.sub(r"\1[\2]", pattern)
    try:
        with _warnings_lock, warnings.catch_warnings():
            # A future version of `re` may interpret a bracket within brackets as a nested set.
            warnings.simplefilter("ignore", FutureWarning)
            # Without the slash, a `#` would begin a comment, and a `!` a negation.
            compiled = GitIgnoreSpecPattern(f"/{pattern}")
            if compiled.regex is None:
                raise InvalidPattern("a bracket is not closed")
            name = compiled.regex.pattern.removeprefix(_START).removesuffix(_END)
            # A bracket expression never matches the slash between two names.
            return re.compile(_without_backtracking(_SETS.sub(_without_slash, name)), re.DOTALL)
    except re.error as error:
        raise InvalidPattern(f"its brackets are invalid: {error.msg}") from error
    except ValueError as error:
        raise InvalidPattern("a path segment ends with a backslash") from error


def _without_backtracking(name: str) -> str:
    """An equal expression of which every asterisk but the last matches as little as possible.

    What follows an asterisk may match at its first occurrence, because the next asterisk matches
    all that remains. With backtracking, the time of `*a*a*a*b` is exponential.
    """
    first, *others = name.split(_ASTERISK)
    if not others:
        return name
    *inner, last = others
    return f"{first}{''.join(f'(?>.*?{each})' for each in inner if each)}.*{last}"


def _match(segments: Sequence[Segment], names: Sequence[str]) -> bool:
    """True if the segments match all names of a path.

    As in `_without_backtracking`, only the last of several `**` is extended after a mismatch.
    """
    segment = name = 0
    after_folders: tuple[int, int] | None = None
    while name < len(names):
        expected = segments[segment : segment + 1]
        if expected and expected[0] is None:
            segment += 1
            after_folders = segment, name
        elif expected and expected[0] and expected[0].fullmatch(names[name]):
            segment, name = segment + 1, name + 1
        elif after_folders:
            segment, name = after_folders[0], after_folders[1] + 1
            after_folders = segment, name
        else:
            return False
    return not any(segments[segment:])


def _without_slash(found: re.Match[str]) -> str:
    return f"(?:(?!/){found[0]})" if found[1] and found[0] != "[^/]" else found[0]


def _class_members(found: re.Match[str]) -> str:
    if found[1] not in _CHARACTER_CLASSES:
        raise InvalidPattern(f"the character class {found[0]} is unknown")
    return _CHARACTER_CLASSES[found[1]]


def _strip_trailing_spaces(line: str) -> str:
    """The line without trailing spaces, except for one that a backslash escapes."""
    line = line.rstrip("\r\n")
    stripped = line.rstrip(" ")
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    return stripped + " " if backslashes % 2 and len(stripped) < len(line) else stripped
