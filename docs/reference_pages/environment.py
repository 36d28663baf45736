"""The page of environment variables, from the settings class."""

from collections.abc import Iterator, Mapping, Sequence

from docs.reference_pages.markdown import default_value, table
from imagesearch.settings import Settings

# The settings class has one docstring for all fields; here each variable has its own sentence.
VARIABLES: Mapping[str, str] = {
    "BUCKET": "The image bucket: the name of an S3 bucket, or `file:///folder`.",
    "INDEX_URL": "The index: an OpenSearch endpoint (`https://host`), or `sqlite:///path`.",
    "INDEX_PREFIX": "The prefix of index names. `<prefix>-<image space>` is one index.",
    "MODEL_URI": "The model folder, which holds `manifest.json`: a path, or `s3://bucket/prefix`.",
    "INDEX_ENGINE": "The OpenSearch k-NN engine, applied when an index is created.",
    "INDEX_COMPRESSION": "The vector compression, applied when an index is created: lucene offers"
    " `1x` and `4x`, faiss `1x`, `2x`, `8x`, `16x` and `32x`.",
    "INDEX_SHARDS": "Primary shards, applied when an index is created.",
    "INDEX_REPLICAS": "Replicas of each shard. Unset: one as soon as there are two nodes.",
    "INDEX_REFRESH_SECONDS": "Refresh interval in seconds: the delay until writes are searchable.",
    "QUEUE_URL": "The SQS queue of bucket changes. When set, `GET /v1/health` reports its length.",
    "REVISIT_QUEUE_URL": "The SQS queue through which images are linked to their duplicates after"
    " the refresh interval. Unset: they are linked the next time they are processed.",
    "CORS_ORIGIN": "The site whose pages may call the API from a browser; `*` allows every site.",
    "DERIVED_URI": "The store of thumbnails, pending uploads and feedback: `s3://bucket` or"
    " `file:///folder`. It must not be the image bucket. Unset: no thumbnails, uploads or"
    " deletions.",
    "EXIF_GPS": "Record where pictures were taken (latitude and longitude). The commands set it"
    " unless it is `false`; a stack sets it from `RecordPlaces`.",
    "READ_TAGS": "Record S3 object tags as metadata `tag.KEY`; one more request per object.",
    "ALLOW_UPLOADS": "Allow `POST /v1/images`. `imagesearch serve` sets it from `--allow-uploads`.",
    "ALLOW_DELETE": "Allow `DELETE /v1/images/{id}`. `imagesearch serve` sets it from"
    " `--allow-delete`.",
    "ALLOW_URLS": "Allow fetching images from the web. `imagesearch serve` sets it from"
    " `--allow-urls`.",
    "FEEDBACK_TEXTS": "Store the texts of queries with feedback. `imagesearch serve` sets it from"
    " `--feedback-texts`.",
    "EXCLUDE": "Patterns in gitignore syntax, one a line, that exclude files of a folder. The"
    " commands set it from `--exclude`.",
    "DEFAULT_EXCLUDES": "Exclude hidden files and temporary files of other software. The commands"
    " set it from `--no-default-excludes`.",
    "OWN_FOLDERS": "`file:///folder` URIs, separated by blanks, that are never indexed. The"
    " commands set it.",
    "STACK_NAME": "The dimension `stack` of the metrics, which keeps deployments apart. Set by the"
    " template.",
    "SIGNING_KEY": "The secret that cursors and search ids are signed with, 32 characters or more."
    " Set by the template; on one machine it is a file of the data directory. Unset: they are valid"
    " in one process only.",
    "KEY_COLLECTIONS": "Collections that API keys are bound to, by key id:"
    " `id=cats/dogs,other=birds,admin=*`. A key that is not listed has access to nothing.",
    "REUSE_FROM": "Other SQLite indexes in which images of the same bytes are looked up:"
    " `sqlite:///path,file:///thumbnails`, separated by blanks. The commands set it.",
    "LOG_LEVEL": "The log level. The commands set `ERROR` unless it is set.",
}

LOCAL_VARIABLES: Sequence[tuple[str, str, str]] = (
    ("IMAGESEARCH_API_KEY", "", "For `serve`: the key that `/v1/` requires in the header"
     " `x-api-key`; its id is `default`. For commands with `--endpoint`: the key they send."),
    ("IMAGESEARCH_API_KEYS", "", "For `serve`: more keys with their ids, `shop=key1,office=key2`."),
    ("IMAGESEARCH_TOKEN", "", "For `smoke`: the ID token of an Amazon Cognito user, as `--token`."),
    ("IMAGESEARCH_CACHE", "the platform's cache folder", "The folder below which models"
     " are stored, in `models/`."),
    ("IMAGESEARCH_DATA_DIR", "the platform's data folder", "The directory of the indexes, as"
     " `--data-dir`."),
    ("IMAGESEARCH_MODEL_SOURCE", "the publishers", "A mirror of model files: an `https://` URL (`http://`"
     " on loopback), `s3://bucket/prefix`, or a folder. Files are found under `NAME/FILE`, and the"
     " hashes of the catalog are checked."),
    ("IMAGESEARCH_CATALOG", "the catalog of the package", "A folder with catalog entries"
     " (`NAME.json`) that replaces the catalog."),
    ("XDG_DATA_HOME", "`~/.local/share`", "The data folder on Linux."),
    ("XDG_CACHE_HOME", "`~/.cache`", "The cache folder where `IMAGESEARCH_CACHE` is not set."),
    ("AWS_REGION, AWS_PROFILE, AWS_ACCESS_KEY_ID, ...", "", "Read by boto3 for `push`, `backfill`,"
     " `feedback export --from` and `reindex s3://...`."),
    ("JAVA_HOME", "", "The Java that runs the OpenSearch server for trials and tests."),
    ("OPENSEARCH_URL", "", "For tests: an OpenSearch server to use instead of starting one."),
)  # fmt: skip


def environment() -> Iterator[str]:
    yield "# Environment variables"
    yield ""
    yield "## Lambda functions"
    yield ""
    yield (
        "Read by `imagesearch/settings.py`. `template.yaml` sets them on AWS, the commands set"
        " them on one machine. A wrong value stops the function with a message that names it."
    )
    yield ""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else default_value(field.default)
        values = getattr(field.annotation, "__args__", ())
        literals = [f"`{each}`" for each in values if isinstance(each, str)]
        meaning = field.description or VARIABLES[name.upper()]
        offered = f" One of {', '.join(literals)}." if literals else ""
        rows.append((f"`{name.upper()}`", f"`{name}`", default, meaning + offered))
    yield from table(("variable", "field", "default", "description"), rows)
    yield "## One machine"
    yield ""
    yield "Read by the commands. Paths, URIs and `ALLOW_...` above are set by the commands; these"
    yield "may be set by you: `INDEX_URL` (an OpenSearch endpoint instead of SQLite),"
    yield "`INDEX_ENGINE` to `INDEX_REFRESH_SECONDS`, `CORS_ORIGIN`, `EXIF_GPS`,"
    yield "`KEY_COLLECTIONS`, `LOG_LEVEL`, and:"
    yield ""
    yield from table(
        ("variable", "default", "description"),
        [(f"`{name}`", default, meaning) for name, default, meaning in LOCAL_VARIABLES],
    )
