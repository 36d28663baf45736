"""Claims about the pages: they are self-contained, and only their own scripts can run."""

import base64
import hashlib
import re

import pytest

from functions.search.docs import headers_of
from imagesearch.domain.media_types import EXTENSIONS_OF, RAW_EXTENSIONS_OF


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_is_html_with_headers_that_bound_it(ask, path):
    answer = ask("GET", path)
    assert answer.status == 200
    assert answer.body.lstrip().lower().startswith("<!doctype html>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-cache"
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not any("unsafe-eval" in rule for rule in policy)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_nothing_from_elsewhere(ask, path):
    html = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", ask("GET", path).body, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", html)


def test_the_page_uploads_each_format_as_the_type_that_the_api_takes(ask):
    """Browsers name camera RAW by other types, or by none."""
    [block] = re.findall(r"const TYPES = \{(.*?)\};", ask("GET", "/").body, flags=re.DOTALL)
    told = dict(re.findall(r'"?(\w+)"?: "(image/[\w.+-]+)"', block))
    rare = {*RAW_EXTENSIONS_OF, "image/jxl"}
    taken = {end[1:]: type for type in rare for end in EXTENSIONS_OF[type]}
    assert taken.items() <= told.items()
    assert all(f".{end}" in EXTENSIONS_OF[type] for end, type in told.items())


def test_scripts_are_allowed_by_their_own_digest_alone():
    html = "<script>one()</script><SCRIPT type=module>\ntwo()\n</SCRIPT>"
    [rule] = [
        rule
        for rule in headers_of(html)["Content-Security-Policy"].split("; ")
        if rule.startswith("script-src")
    ]
    digests = [
        base64.b64encode(hashlib.sha256(script).digest()).decode()
        for script in (b"one()", b"\ntwo()\n")
    ]
    assert rule == f"script-src 'sha256-{digests[0]}' 'sha256-{digests[1]}'"


def test_a_page_passes_over_parameters_that_others_hang_on(ask):
    assert ask("GET", "/", utm_source="elsewhere").status == 200
