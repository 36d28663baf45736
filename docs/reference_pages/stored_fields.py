"""The page of stored fields, from the OpenSearch mapping and the SQLite schema."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from docs.reference_pages.markdown import table
from imagesearch.adapters.opensearch.mapping import EMBEDDING, FIELDS
from imagesearch.adapters.sqlite.filters import TAKEN_AT_MS
from imagesearch.adapters.sqlite.schema import SCHEMA

STORED: Mapping[str, str] = {
    "id": "Document id: URL-safe digest of bucket and key, 24 characters.",
    "bucket": "Name of the bucket, or `file:///folder`.",
    "key": "Key of the object, or path relative to the folder.",
    "collection": "First segment of the key; null for a key without a slash.",
    "camera": "`metadata.camera`, for facets.",
    "orientation": "`landscape`, `portrait` or `square`, as displayed, for filters and facets.",
    "pixels": "Number of pixels, for filters and facets.",
    "folders": "All folders of the key (`2024/`, `2024/beach/`; the outermost 16), for prefix"
    " filters.",
    "status": "`indexed`, `rejected`, or `deleted` (a tombstone, kept for seven days).",
    "etag": "ETag of the object; for a file, its size, mtime, ctime and inode number.",
    "size": "Size of the object in bytes.",
    "last_modified": "Modification time of the object.",
    "indexed_at": "Time at which the document was written.",
    "deleted_at": "Time of the deletion; only in tombstones.",
    "model": "Name of the model that embedded the image.",
    "decoder": "Name and version of the decoder that read or rejected the bytes; `none` where the"
    " bucket did not return them.",
    "reason": "Reason of a rejection.",
    "sha256": "SHA-256 of the bytes; images with equal bytes share their embedding.",
    "content_type": "Media type, detected from the content.",
    "width": "Width in pixels, as displayed.",
    "height": "Height in pixels, as displayed.",
    "taken_at": "Time at which the picture was taken (EXIF); UTC where the camera wrote no zone.",
    "taken_offset": "UTC offset of the camera's clock, such as `+02:00`; null where the file has"
    " none.",
    "latitude": "Degrees, north positive; only with `EXIF_GPS`.",
    "longitude": "Degrees, east positive; only with `EXIF_GPS`.",
    "place_read": "True if the place was read from the file, also where it has none.",
    "metadata": "Filterable metadata: camera and lens from the file, overridden by the object's"
    " `x-amz-meta-` headers, and its tags with `READ_TAGS`.",
    "exif": "Camera and lens as the file has them, without the object's own metadata.",
    "phash": "Perceptual hash, 16 hexadecimal digits (64 bits).",
    "miniature": "24 x 24 grays, 576 characters, for the comparison of duplicates.",
    "contrasts": "Contrast map of a page, screen or chart; it begins with `?` where the image may"
    " be a photo, and is empty for other images.",
    "thumbnail": "Key of the thumbnail in the derived store.",
    "large_thumbnail": "True if there is also a thumbnail of up to 640 pixels, whose key ends in"
    " `-640.jpg`.",
    "neighbours": "Near-duplicates found when the image was linked: id, SHA-256, cosine and"
    " confidence, separated by blanks. Null until the image is linked.",
    "truncated": "True if the file ends before its last row.",
    EMBEDDING: "Embedding of the image, D float32, L2-normalized. It is indexed for k-NN and not"
    " part of the stored record.",
}

COLUMNS: Mapping[str, str] = {
    "seq": "Version of the row; grows with every write.",
    "id": "Document id, as above.",
    "status": "`indexed`, `rejected` or `deleted`.",
    "key": "Key of the image; null in a deleted row.",
    "collection": "First segment of the key.",
    "record": "The document as JSON: the fields above except the embedding, `folders`,"
    " `camera`, `orientation`, `pixels` and `deleted_at`. Null in a deleted row.",
    "vector": "Embedding, D float32, L2-normalized. Null in a rejected or deleted row.",
    "name": "Name of an index in this file; it is also the name of its table.",
    "dimension": "Dimension D of its vectors.",
    "record_crc": "CRC-32 of the columns above; -1 in a row that was damaged when it got one.",
    "vector_crc": "CRC-32 of the id and the vector.",
}


def stored_fields() -> Iterator[str]:
    yield "# Stored fields"
    yield ""
    yield "## OpenSearch mapping"
    yield ""
    yield "One index per image space, `<INDEX_PREFIX>-<image space>`; `dynamic` is `strict`."
    yield "A record that was written before a field existed has no value in it."
    yield ""
    mapped = [(f"`{name}`", _mapped(each), STORED[name]) for name, each in FIELDS.items()]
    vector = "`knn_vector`, HNSW, cosine similarity"
    yield from table(
        ("field", "type", "contents"), [*mapped, (f"`{EMBEDDING}`", vector, STORED[EMBEDDING])]
    )
    yield "## SQLite tables"
    yield ""
    yield "One file per folder. `entries` is named after the index in the file; `spaces` lists the"
    yield "indexes."
    yield ""
    for sql_table, columns in re.findall(
        r"CREATE TABLE IF NOT EXISTS (\w+) \((.*?)\);", SCHEMA, re.DOTALL
    ):
        yield from (f"### {sql_table}", "")
        yield from table(
            ("column", "type", "contents"),
            [
                (f"`{name}`", kind, COLUMNS[name])
                for name, kind in re.findall(r"(\w+) ([A-Z][A-Z ]+)", columns)
            ],
        )
    yield "### SQL indexes"
    yield ""
    # Reading a date from JSON takes an expression of 400 characters.
    indexes = re.findall(r"CREATE INDEX IF NOT EXISTS (\w+) ON (.*?);", SCHEMA)
    rows = [(f"`{name}`", f"`{on.replace(TAKEN_AT_MS, 'taken_at')}`") for name, on in indexes]
    yield from table(("index", "on"), rows)


def _mapped(field: Mapping[str, Any]) -> str:
    traits = []
    if field.get("enabled") is False or field.get("doc_values") is False:
        traits.append("stored only")
    elif field.get("index") is False:
        traits.append("doc values only")
    return ", ".join([f"`{field['type']}`", *traits])
