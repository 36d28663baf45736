"""Facets and the tree of collections."""

import sqlite3
from collections.abc import Callable, Iterator
from itertools import islice

from imagesearch.adapters.sqlite.filters import (
    MONTH,
    ORIENTATION,
    PIXELS,
    after_folder,
    field_of_record,
    selected,
)
from imagesearch.adapters.sqlite.selection import selected_rows
from imagesearch.domain.facets import FacetCounter, FacetName, Facets, pixel_bucket
from imagesearch.domain.folders import (
    FOLDER_LEVELS,
    CollectionCount,
    collection_below,
    collections_of,
    folder_of,
)
from imagesearch.domain.queries import Selection

_COLUMNS = {
    FacetName.MONTH: MONTH,
    FacetName.CAMERA: field_of_record("metadata.camera"),
    FacetName.PIXELS: PIXELS,
    FacetName.ORIENTATION: ORIENTATION,
    FacetName.CONTENT_TYPE: field_of_record("content_type"),
    FacetName.COLLECTION: "key",
}


def facets(
    connection: sqlite3.Connection, sql: Callable[[str], str], selection: Selection
) -> Facets:
    """The facets of a selection, in one pass."""
    counter = FacetCounter()
    columns = list(_COLUMNS.values())
    for _, row in selected_rows(connection, sql, selection, columns, order=""):
        values = dict(zip(_COLUMNS, row, strict=True))
        values[FacetName.PIXELS] = pixel_bucket(values[FacetName.PIXELS])
        month, key = values[FacetName.MONTH], values[FacetName.COLLECTION]
        values[FacetName.YEAR] = month and month[:4]
        values[FacetName.COLLECTION] = collection_below(key, selection.collection)
        counter.add(values)
    return counter.facets()


def collections(
    connection: sqlite3.Connection,
    sql: Callable[[str], str],
    selection: Selection,
    *,
    depth: int,
    after: str | None,
    limit: int,
) -> list[CollectionCount]:
    """The collections of a selection. A filter is evaluated once, for all of them."""
    if selection.filter is None:
        return CollectionTree(connection, sql, selection).page(depth, after, limit)
    rows = selected_rows(connection, sql, selection, order="")
    keys = (entry.key for entry, _ in rows if entry.key is not None)
    return collections_of(keys, selection.collection, depth=depth, after=after, limit=limit)


class CollectionTree:
    """Lists the collections of all images of a status, without reading their records: one statement
    for each parent, in one read transaction."""

    def __init__(
        self, connection: sqlite3.Connection, sql: Callable[[str], str], selection: Selection
    ) -> None:
        self._connection = connection
        self._sql = sql
        self._condition = selected(selection)
        self._root = "" if selection.collection is None else folder_of(selection.collection)

    def page(self, depth: int, after: str | None, limit: int) -> list[CollectionCount]:
        """The first `limit` collections after `after`."""
        position = "" if after is None else folder_of(after)
        return list(islice(self._walk(self._root, depth, position, limit), limit))

    def _walk(self, parent: str, depth: int, after: str, limit: int) -> Iterator[CollectionCount]:
        """Folders below `parent`, outermost first; those before `after` are skipped."""
        for folder, images, nested in self._children(parent, after, limit + 1):
            if folder > after:
                yield CollectionCount(folder[:-1], images, nested)
            if nested and depth > 1:
                yield from self._walk(folder, depth - 1, after, limit)

    def _children(self, parent: str, after: str, limit: int) -> list[tuple[str, int, bool]]:
        """The folders one level below `parent`, from the one that holds `after` on."""
        level = parent.count("/") + 1
        if level > FOLDER_LEVELS:
            return []
        if after.startswith(parent) and after != parent:
            rest = after.removeprefix(parent)
            first = parent + rest[: rest.index("/") + 1]
        elif after > parent:
            return []
        else:
            first = parent
        tail = f"substr(key, {len(parent) + 1})"
        folder = f"substr(key, 1, {len(parent)} + instr({tail}, '/'))"
        deeper = f"instr(substr(key, {len(parent)} + instr({tail}, '/') + 1), '/') > 0"
        bounds, values = f"key >= ? AND instr({tail}, '/') > 0", [first]
        if parent:
            bounds, values = f"{bounds} AND key < ?", [*values, after_folder(parent)]
        statement = (
            f"SELECT {folder}, count(*), max({deeper}) FROM entries"  # noqa: S608 - values are bound
            f" WHERE ({self._condition.sql}) AND {bounds} GROUP BY 1 ORDER BY 1 LIMIT ?"
        )
        rows = self._connection.execute(
            self._sql(statement), (*self._condition.values, *values, limit)
        )
        return [
            (name, images, bool(nested) and level < FOLDER_LEVELS) for name, images, nested in rows
        ]
