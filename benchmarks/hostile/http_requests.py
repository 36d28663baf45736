"""Strategies (hypothesis) of requests that are costly to parse.

They are numbers and nesting of JSON, headers and their parameters, forms, queries, paths and
chunks: kinds on which servers spent more than linear time or memory.
"""

import json
from urllib.parse import quote

from hypothesis import strategies as st

from benchmarks.hostile.costly_request import JSON, MAX_BYTES, CostlyRequest, Targets, request
from benchmarks.hostile.json_values import texts

# The server takes 16 kB of headers, and refuses longer ones.
MAX_HEADERS = 20_000
# Raw JSON: numbers whose digits or exponents are costly to convert.
NUMBERS = (
    *("1", "0.5", "-0", "NaN", "1e999999999", "-1e-999999999", "1" + "0" * 4_299, "9" * 5_000),
    *("9" * 60_000, "0." + "9" * 60_000, "1e" + "9" * 50_000, "-" + "0" * 40_000, "true", "null"),
)


@st.composite
def raw_json(draw: st.DrawFn, targets: Targets) -> CostlyRequest:
    """JSON that is deep, has repeated keys, or long numbers and names."""
    path = draw(
        st.sampled_from(
            (
                "search",
                "search/batch",
                "classify",
                "facets",
                "feedback",
                "duplicates/check",
                "images",
            )
        )
    )
    opening, closing = draw(st.sampled_from((("[", "]"), ('{"and":[', "]}"), ('{"not":', "}"))))
    deep = draw(st.sampled_from((9, 200, 2_000, 9_000)))
    number, name = draw(st.sampled_from(NUMBERS)), json.dumps(draw(texts(60_000)))
    id = json.dumps(draw(st.sampled_from(targets.ids)))
    body = draw(
        st.sampled_from(
            (
                opening * deep + closing * deep,
                opening * deep,
                f'{{"query":{{"text":"a"}},"filter":{opening * deep}{{}}{closing * deep}}}',
                f'{{"query":{{"text":"a"}},"limit":{number}}}',
                f'{{"query":{{"text":"a"}},"filter":{{"width":{number}}}}}',
                f'{{"query":{{"text":"a"}},"filter":{{"width":{{"gte":{number}}}}}}}',
                f'{{"query":{{"text":"a"}},"filter":{{"metadata.{"a" * deep}":"b"}}}}',
                f'{{"query":{{"terms":[{{"text":"a","weight":{number}}}]}}}}',
                f'{{"query":{{"text":"a"}},{name}:{number}}}',
                "{" + ",".join(['"query":{"text":"a"}'] * (deep // 3)) + "}",
                "{" + ",".join([f'"{n}":{{}}' for n in range(deep)]) + "}",
                f'{{"query":{{"text":{name}}}}}',
                f'{{"search_id":{name},"id":{id},"relevant":true}}',
                f'{{"id":{id},"labels":[{",".join(["[]"] * deep)}]}}',
                f'{{"id":{id},"threshold":{number}}}',
                f'{{"name":{name},"content_type":"image/png"}}',
                f'{{"name":"a.png","content_type":"image/png","metadata":{{{name}:{name}}}}}',
                " " * 90_000 + "{}",
                "",
            )
        )
    )
    data = body.encode("utf-8", "replace")[: MAX_BYTES - 500]
    return request("JSON", "POST", f"/v1/{path}", {"Content-Type": JSON}, data)


@st.composite
def headers(draw: st.DrawFn, _: Targets) -> CostlyRequest:
    """Long, many and repeated headers whose values are lists or have parameters."""
    size = draw(st.sampled_from((100, 4_000, 15_000, MAX_HEADERS, 90_000)))
    unit = draw(
        st.sampled_from(('\\"', "\\", ";", ",", '"a",', "a=b;", "1-2,", " ", "\t", ";;;a="))
    )
    name, begin = draw(
        st.sampled_from(
            (
                ("Cookie", 'imagesearch-files="'),
                ("Cookie", ""),
                ("Content-Type", 'multipart/form-data; a="'),
                ("Content-Type", "multipart/form-data; boundary="),
                ("Content-Type", "application/json;"),
                ("Accept-Encoding", "gzip;q=1,"),
                ("If-None-Match", 'W/"a",'),
                ("If-Modified-Since", "Sat, 28 Nov 2026 "),
                ("Range", "bytes="),
                ("X-Forwarded-Prefix", "/a"),
                ("X-Forwarded-Host", "a,"),
                ("X-Forwarded-For", "1.1.1.1,"),
                ("Forwarded", "for="),
                ("Host", "localhost"),
                ("Origin", "http://"),
                ("X-Api-Key", "a"),
                ("Expect", "100-continue"),
                ("Transfer-Encoding", "chunked,"),
                ("Content-Length", "1"),
            )
        )
    )
    path = draw(st.sampled_from(("/v1/search?q=a", "/v1/images", "/", "/openapi.json", "/upload")))
    method = draw(st.sampled_from(("GET", "POST", "OPTIONS", "HEAD")))
    if draw(st.booleans()):
        lines = {name: begin + unit * (size // len(unit))}
    else:
        lines = {f"{name}-{n}": unit for n in range(size // (len(name) + len(unit) + 8))}
    body = b"a" if name == "Content-Type" else b""
    return request(f"header {name}", method, path, lines, body)


@st.composite
def forms(draw: st.DrawFn, _: Targets) -> CostlyRequest:
    """Forms of many parts, long headers of parts and broken boundaries."""
    boundary = draw(st.sampled_from(("x", "-" * 70, "--", "a" * 70, "\\")))
    header = draw(st.sampled_from(("", 'Content-Disposition: form-data; name="file"', "A: b")))
    padding = draw(st.sampled_from(("", ";" * 8_000, '; a="' + "\\" * 8_000, " " * 8_000)))
    content = draw(st.sampled_from((b"", b"-" * 90_000, b"\r\n" * 9_000, b"\r\n--" * 9_000)))
    part = f"--{boundary}\r\n{header}{padding}\r\n\r\n".encode() + content + b"\r\n"
    repeated = part * draw(st.sampled_from((1, 2, 200, 5_000)))
    end = draw(st.sampled_from((f"--{boundary}--\r\n", "", "\r\n", f"--{boundary}")))
    body = repeated[: MAX_BYTES - 700] + end.encode()
    path = draw(
        st.sampled_from(("/v1/search", "/v1/classify?labels=a", "/v1/duplicates/check", "/upload"))
    )
    type = f"multipart/form-data; boundary={draw(st.sampled_from((boundary, '')))}"
    return request("form", "POST", path, {"Content-Type": type}, body)


@st.composite
def queries(draw: st.DrawFn, _: Targets) -> CostlyRequest:
    """Queries of thousands of parameters, also as the body of a form."""
    pair = draw(st.sampled_from(("a=b&", "&", "q=a&", "%&", "filter={}&", "=", ";", "q=%F0%9F&")))
    query = pair * (draw(st.sampled_from((10, 101, 3_000, 90_000))) // len(pair))
    path = draw(st.sampled_from(("/v1/search", "/v1/images", "/v1/facets", "/", "/files/a")))
    if draw(st.booleans()):
        return request("query", "GET", f"{path}?q=a&{query}")
    type = "application/x-www-form-urlencoded"
    return request("query", "POST", path, {"Content-Type": type}, query.encode())


@st.composite
def paths(draw: st.DrawFn, targets: Targets) -> CostlyRequest:
    """Long and deep paths of the API, of files and of thumbnails."""
    begin = draw(st.sampled_from(("/v1/images/", "/files/", "/thumbnails/", "/v1/labelsets/", "/")))
    unit = draw(
        st.sampled_from(("a", "/", "../", "%2e%2e%2f", "%", "%00", "%F0%9F%A6%89", ".", "//"))
    )
    key = quote(draw(st.sampled_from(targets.keys)))
    rest = draw(st.sampled_from(("", key))) + unit * (
        draw(st.sampled_from((1, 1_000, 15_000))) // len(unit)
    )
    method = draw(st.sampled_from(("GET", "PUT", "POST", "OPTIONS", "a" * 5_000)))
    return request("path", method, begin + rest, {"Range": "bytes=0-0,1-1"})


@st.composite
def chunks(draw: st.DrawFn, _: Targets) -> CostlyRequest:
    """Bodies in many small chunks, with extensions and trailers."""
    chunk = draw(
        st.sampled_from((b"1\r\na\r\n", b"1;" + b"a" * 90 + b"\r\n{\r\n", b"1\r\n\r\n\r\n"))
    )
    number = draw(st.sampled_from((1, 100, 14_000)))
    end = draw(st.sampled_from((b"0\r\n\r\n", b"0\r\n" + b"A: b\r\n" * 2_000 + b"\r\n", b"")))
    body = (chunk * number)[: MAX_BYTES - 20_000] + end
    lines = {"Transfer-Encoding": "chunked", "Content-Type": JSON}
    return request("chunks", "POST", "/v1/search", lines, body)
