"""Codes of errors by HTTP status, from the code that raises them."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeGuard

from docs.reference_pages.sources import ROOT, read_text
from functions.search.errors import STATUS
from local.web import errors

# Packages whose errors become HTTP responses; downloads and the catalog serve commands alone.
RAISED_IN = (
    "functions/search",
    *(
        f"layers/imagesearch/imagesearch/{name}"
        for name in (
            *("access.py", "uploads.py", "feedback.py", "domain", "search", "duplicates"),
            *("classification", "embedding/decoding"),
            *("embedding/image_encoder.py", "embedding/text_encoder.py"),
            *("adapters/public_addresses.py", "adapters/web_images.py"),
        )
    ),
)

CODE = re.compile(r"[a-z]+(_[a-z]+)*")

# `functions/search/errors.py` maps request fields to codes of invalid requests.
INVALID = re.compile(r"(invalid|unknown)_[a-z_]+")


def error_codes() -> list[tuple[str, str]]:
    """The codes that errors are raised with, by HTTP status."""
    statuses = {kind.__name__: (status, kind.code) for kind, status in STATUS.items()}
    found: dict[int, set[str]] = {500: {"internal_error"}, 405: {"method_not_allowed"}}
    for status, code in statuses.values():
        found.setdefault(status, set()).add(code)
    for tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases = [each.id for each in node.bases if isinstance(each, ast.Name)]
                codes = [each.value for each in node.body if _is_code(each)]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                bases = [node.func.id]
                codes = [each.value for each in node.keywords if each.arg == "code"]
                codes += node.args[2:3]
            else:
                continue
            for base in bases:
                if base in statuses:
                    found[statuses[base][0]] |= set(_codes(codes))
    mapped = {each.group() for each in INVALID.finditer(read_text("functions/search/errors.py"))}
    found[400] |= mapped - {"unknown_route", "unknown_condition"}
    return _by_status(found)


def gateway_codes() -> list[tuple[str, str]]:
    """The codes of responses that never reach the search function, by HTTP status."""
    found: dict[int, set[str]] = {}
    text = read_text("template.yaml")
    for status, code in re.findall(
        r"StatusCode: (\d{3})\n(?:(?!StatusCode).*\n)*?.*\"code\":\"(\w+)\"", text
    ):
        found.setdefault(int(status), set()).add(code)
    for status, code in re.findall(
        r'"(\d{3}) [A-Z][\w ]+",\s+"(\w+)"', read_text("local/web/errors.py")
    ):
        found.setdefault(int(status), set()).add(code)
    for error in vars(errors).values():
        if isinstance(error, errors.ErrorResponse):
            found.setdefault(int(error.status[:3]), set()).add(error.code)
    return _by_status(found)


def _by_status(found: Mapping[int, set[str]]) -> list[tuple[str, str]]:
    return [
        (str(status), ", ".join(f"`{code}`" for code in sorted(codes)))
        for status, codes in sorted(found.items())
    ]


def _is_code(node: ast.stmt) -> TypeGuard[ast.Assign]:
    return isinstance(node, ast.Assign) and any(
        isinstance(each, ast.Name) and each.id == "code" for each in node.targets
    )


def _codes(values: Iterable[ast.expr]) -> Iterator[str]:
    for each in values:
        if isinstance(each, ast.Constant) and CODE.fullmatch(str(each.value)):
            yield str(each.value)


def _sources() -> Iterator[ast.Module]:
    for name in RAISED_IN:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield ast.parse(file.read_text("utf-8"))
