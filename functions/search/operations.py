"""Every operation of the API but those that describe them, in the order of the document."""

from .docs import search_page
from .images.routes import Images
from .operation import Operation
from .routes.classify import Classifications
from .routes.duplicates import Duplicates
from .routes.feedback import FeedbackRoute
from .routes.health import HealthRoute
from .routes.label_sets import LabelSetRoutes
from .routing import Note, Parts
from .searches.routes import Searches


def operations(parts: Parts, note: Note) -> list[Operation]:
    """Under /v1/ a key is needed where one is set."""
    resources = (
        Searches(parts, note),
        Images(parts, note),
        Duplicates(parts, note),
        Classifications(parts, note),
        LabelSetRoutes(parts, note),
        FeedbackRoute(parts, note),
        HealthRoute(parts),
    )
    page = Operation("GET", "/", search_page)
    return [page, *(each for resource in resources for each in resource.operations())]
