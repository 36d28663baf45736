"""Every operation of the API but those that describe them, in the order of the document."""

from .classifying.routes import Classifications
from .duplicates.routes import Duplicates
from .feedback.routes import FeedbackRoute
from .health import HealthRoute
from .images.routes import Images
from .labelsets.routes import LabelSetRoutes
from .operation import Operation
from .pages import search_page
from .parts import Note, Parts
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
