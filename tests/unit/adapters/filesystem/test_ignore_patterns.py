"""Patterns exclude the files that git ignores; invalid patterns are reported."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from imagesearch.adapters.filesystem.excludes import IGNORE_FILE, Excludes
from imagesearch.adapters.filesystem.ignore_patterns import InvalidPattern, compile_pattern

pytestmark = pytest.mark.slow

FOLDERS = ("", "a", "a/b", "ab")
NAMES = ("a", "b", "ab", "#a", "!b", " a", "a ", "-", "*", "]", "\\a")
PIECES = ("a", "b", "*", "?", "!", "[ab]", "[!a]", "[^b]", "[]a]", "[a-b]", "[[:alpha:]]")
PIECES += ("\\*", "\\\\", "#", " ", "-", "]", "ab")

segments = st.one_of(
    st.just("**"), st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join)
)
patterns = st.tuples(
    st.sampled_from(("", "", "!")),
    st.sampled_from(("", "", "/")),
    st.lists(segments, min_size=1, max_size=3).map("/".join),
    st.sampled_from(("", "", "/")),
).map("".join)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", made], check=True)
    for folder in (*FOLDERS, "#a/a ", "b/*", "-/]"):
        for name in NAMES:
            path = made / folder / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                if f"{folder}/{name}".strip("/") not in {*FOLDERS, "b", "#a", "-"}:
                    path.touch()
    return made


@given(files=st.lists(st.lists(patterns, max_size=4), min_size=4, max_size=4))
@settings(
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
def test_patterns_exclude_what_git_ignores(repository: Path, files: list[list[str]]) -> None:
    for folder, lines in zip(FOLDERS, files, strict=True):
        for line in lines:
            try:
                compile_pattern(line)
            except InvalidPattern:
                assume(False)
        for name in (".gitignore", IGNORE_FILE):
            (repository / folder / name).write_text("".join(f"{line}\n" for line in lines))
    paths = [path.relative_to(repository).as_posix() for path in _files(repository)]
    requested = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin", "-z"],
        cwd=repository,
        input="\0".join(paths),
        capture_output=True,
        text=True,
        check=False,
    )
    ignored = set(filter(None, requested.stdout.split("\0")))
    excludes = Excludes(repository, defaults=False)
    assert {path for path in paths if excludes.excluded(path)} == ignored


def _files(repository: Path) -> list[Path]:
    hidden = (".git", ".gitignore", IGNORE_FILE)
    found = (path for path in repository.rglob("*") if path.is_file())
    return [path for path in found if not set(path.relative_to(repository).parts) & set(hidden)]


@pytest.mark.parametrize("line", ["", "  ", "# a comment", "/", "\r"])
def test_blank_lines_and_comments_are_not_patterns(line: str) -> None:
    assert compile_pattern(line) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[a", "not closed"),
        ("[z-a]", "brackets"),
        ("a\\", "backslash"),
        ("[\\]]", "backslash"),
        ("[[:vowel:]]", "[:vowel:]"),
        ("a//b", "empty"),
        ("!", "nothing"),
        ("[" * 990_000, "characters"),
    ],
    ids=lambda value: value[:10],
)
def test_an_invalid_pattern_is_reported_with_the_reason(line: str, message: str) -> None:
    with pytest.raises(InvalidPattern) as broken:
        compile_pattern(line)
    assert message in str(broken.value)


@given(st.text(max_size=12))
@settings(derandomize=True, max_examples=300, deadline=None)
def test_any_text_is_a_valid_or_an_invalid_pattern(line: str) -> None:
    try:
        pattern = compile_pattern(line)
    except InvalidPattern:
        return
    assert pattern is None or pattern.text in line


@pytest.mark.parametrize(
    ("line", "matching", "other"),
    [
        ("*a" * 60 + "b", "a" * 250 + "b", "a" * 250 + "c"),
        ("?*" * 60 + "b", "a" * 250 + "b", "a" * 250 + "c"),
        ("*" * 1_000 + "b", "a" * 250 + "b", "a" * 250 + "c"),
        ("**/a/" * 60 + "b", "a/" * 250 + "b", "a/" * 250 + "c"),
        ("**/*a*a/" * 60 + "b", "aaa/" * 250 + "b", "aaa/" * 250 + "c"),
    ],
)
def test_any_number_of_asterisks_is_matched_without_backtracking(
    line: str, matching: str, other: str
) -> None:
    """With backtracking, none of the comparisons with the other path ends."""
    pattern = compile_pattern(line)
    assert pattern is not None
    assert pattern.matches(matching, is_dir=False)
    assert not pattern.matches(other, is_dir=False)


def test_a_line_break_in_a_name_is_a_character_of_it() -> None:
    [one, any_one] = [compile_pattern("x.jpg"), compile_pattern("a/*.jpg")]
    assert one is not None
    assert any_one is not None
    assert not one.matches("x.jpg\n", is_dir=False)
    assert any_one.matches("a/x\n.jpg", is_dir=False)
