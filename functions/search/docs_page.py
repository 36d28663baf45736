"""The page to try the API: Swagger UI, as powertools carries it, in one file without a CDN."""

from functools import cache
from importlib.resources import files
from typing import Any

from aws_lambda_powertools.event_handler import Response

from .docs import headers_of, html_response

HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>imagesearch API</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<div id="swagger-ui"></div>
<script>{script}</script>
<script>
SwaggerUIBundle({{dom_id: "#swagger-ui", spec: {document}, deepLinking: true, validatorUrl: null}});
</script>
</body>
</html>
"""


def docs_page(document: str) -> Response[Any]:
    """`document` is the OpenAPI document in JSON."""
    html = _html(document)
    return html_response(html, headers_of(html))


@cache
def _html(document: str) -> str:
    ui = files("aws_lambda_powertools.event_handler.openapi.swagger_ui")
    return HTML.format(
        style=(ui / "swagger-ui.min.css").read_text("utf-8"),
        script=(ui / "swagger-ui-bundle.min.js").read_text("utf-8"),
        document=document.replace("</", "<\\/"),
    )
