"""Patterns in gitignore syntax, compiled by pathspec and matched as git matches them.

pathspec is no part of the Lambda layer: it is imported when the first pattern is compiled.
"""

import re
import threading
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

# https://git-scm.com/docs/gitignore: fnmatch(3) with its character classes.
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \t",
    "digit": "0-9",
    "lower": "a-z",
    "space": " \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
_CLASS = re.compile(r"\[:([a-z]+):\]")
_BRACKETS = re.compile(r"\\.|(\[[!^]?\]?[^\]]*\])")
_SETS = re.compile(r"\\.|(\[\^?\]?[^\]]*\])")
_BLANK_END = re.compile(r"(?<!\\)((?:\\\\)*)\\?(\s)$")
_ANYWHERE = re.compile(r"^(?:/?\*\*/)+(?=[^/]+$)")
_warnings_are_global = threading.Lock()


class BrokenPattern(Exception):
    """An invalid pattern, which git ignores silently; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line, `text`; matches of a negated pattern are included."""

    text: str
    negated: bool
    by_name: bool
    folders_only: bool
    regex: re.Pattern[str]

    def matches(self, path: str, is_dir: bool) -> bool:
        """True if it matches this path itself, rather than a folder above it."""
        if self.folders_only and not is_dir:
            return False
        found = self.regex.search(path.rpartition("/")[2] if self.by_name else path)
        return bool(found) and not (found and found.groupdict().get("ps_d"))


class Patterns:
    """The patterns of one source, such as one file; paths are relative to the source's folder."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._last_first = tuple(patterns)[::-1]

    def decisive(self, path: str, is_dir: bool) -> Pattern | None:
        """The last pattern that matches, which has precedence."""
        matching = (each for each in self._last_first if each.matches(path, is_dir))
        return next(matching, None)

    def __bool__(self) -> bool:
        return bool(self._last_first)


def compiled(line: str) -> Pattern | None:
    """The pattern of a line; None for a comment or a blank line. Raises BrokenPattern."""
    text = _without_trailing_blanks(line)
    if not text or text.startswith("#") or text == "/":
        return None
    negated = text.startswith("!")
    pattern = _CLASS.sub(_members, text[negated:])
    _check(pattern)
    folders_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    if pattern.endswith("/**"):
        pattern += "/*"
    # With a slash at its beginning or within it a pattern is about paths, without about names.
    pattern = _ANYWHERE.sub("", pattern)
    return Pattern(text, negated, "/" not in pattern, folders_only, _regex(pattern))


def _check(pattern: str) -> None:
    if not pattern.strip("/"):
        raise BrokenPattern("it matches nothing")
    if "//" in pattern:
        raise BrokenPattern("it has an empty path segment")
    if any("\\" in (found[1] or "") for found in _BRACKETS.finditer(pattern)):
        raise BrokenPattern("write what is in brackets without a backslash, and ] as the first")


def _regex(pattern: str) -> re.Pattern[str]:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    # What stood after a `!` is no comment and no second negation; what stood before a `/` at the
    # end may be a blank.
    pattern = f"\\{pattern}" if pattern.startswith(("#", "!")) else pattern
    pattern = _BLANK_END.sub(r"\1[\2]", pattern)
    try:
        with _warnings_are_global, warnings.catch_warnings():
            # A bracket inside of brackets is what a future `re` may take for a nested set.
            warnings.simplefilter("ignore", FutureWarning)
            made = GitIgnoreSpecPattern(pattern)
            if made.regex is None:
                raise BrokenPattern("a bracket is not closed")
            # No character of a set is the slash between two names.
            return re.compile(_SETS.sub(_but_a_slash, made.regex.pattern))
    except re.error as error:
        raise BrokenPattern(f"its brackets cannot be read: {error.msg}") from error
    except ValueError as error:
        raise BrokenPattern("nothing follows the backslash at the end of a part") from error


def _but_a_slash(found: re.Match[str]) -> str:
    return f"(?:(?!/){found[0]})" if found[1] and found[0] != "[^/]" else found[0]


def _members(found: re.Match[str]) -> str:
    if found[1] not in _CLASSES:
        raise BrokenPattern(f"the character class {found[0]} is not known")
    return _CLASSES[found[1]]


def _without_trailing_blanks(line: str) -> str:
    """A blank at the end counts where a backslash stands before it."""
    line = line.rstrip("\r\n")
    kept = line.rstrip(" ")
    escapes = len(kept) - len(kept.rstrip("\\"))
    return kept + " " if escapes % 2 and len(kept) < len(line) else kept
