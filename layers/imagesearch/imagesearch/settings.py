"""Settings from environment variables; the only module that reads the environment."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from imagesearch.access import key_bindings
from imagesearch.domain.errors import ConfigurationError

# The compression levels of each engine for float vectors, tested with OpenSearch 3.3.0 and 3.5.0.
COMPRESSIONS: Mapping[str, tuple[str, ...]] = {
    "lucene": ("1x", "4x"),
    "faiss": ("1x", "2x", "8x", "16x", "32x"),
}
# Settings of a local folder, which no deployment on AWS sets.
FOLDER_SETTINGS = frozenset(("exclude", "default_excludes", "own_folders", "reuse_from"))

_SOURCE = r"sqlite:///[^ ,]+,file:///[^ ,]+"


class Settings(BaseModel):
    """The settings of a deployment; each field is read from the variable of its upper-case name.

    bucket: the name of a bucket, or `file:///folder`.
    index_url: an OpenSearch endpoint, or `sqlite:///path`.
    model_uri: a folder with a manifest, local or `s3://bucket/prefix`.
    index_engine to index_refresh_seconds: the OpenSearch settings of a new index. Without
        `index_replicas`, there is one replica as soon as the cluster has two nodes.
    queue_url: the queue of changes of the bucket, whose length is part of the health.
    revisit_queue_url: the queue through which images are processed again for linking duplicates
        once searches find them; without it, they are linked the next time they are processed.
    cors_origin: the origin whose pages may call the API; `*` for all.
    derived_uri: the store of thumbnails, pending uploads and feedback, `s3://bucket` or
        `file:///folder`, not the bucket of the images. Required for thumbnails and for changes.
    exif_gps: record the coordinates in EXIF.
    read_tags: record the tags of S3 objects.
    allow_uploads, allow_delete: permit changes of the bucket.
    allow_urls: permit downloading images by URL.
    feedback_texts: store the texts of queries with feedback.
    exclude: patterns of excluded files of a folder, one a line in the syntax of gitignore.
    default_excludes: exclude temporary and hidden files of other software.
    own_folders: folders with data of imagesearch, which are always excluded: `file:///folder`,
        separated by spaces.
    stack_name: the dimension `stack` of the metrics, which keeps deployments apart.
    signing_key: the secret that cursors and search ids are signed with. Without it, they are valid
        in one process only.
    key_collections: the collections that API keys are bound to, by key id:
        `id=cats/dogs,other=birds,admin=*`. Keys that are not listed have access to nothing.
    reuse_from: other SQLite indexes in which records of the same bytes are looked up, each with
        its thumbnail folder, percent-encoded: `sqlite:///path,file:///path`, separated by spaces.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    bucket: Annotated[str, Field(min_length=1)]
    index_url: Annotated[str, Field(pattern=r"^(https?://[^/]|sqlite:///.)")]
    index_prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")] = "images"
    model_uri: Annotated[str, Field(min_length=1)]
    index_engine: Literal["lucene", "faiss"] = "lucene"
    index_compression: Literal["1x", "2x", "4x", "8x", "16x", "32x"] = "1x"
    index_shards: Annotated[int, Field(ge=1, le=1024)] = 1
    index_replicas: Annotated[int, Field(ge=0, le=10)] | None = None
    index_refresh_seconds: Annotated[int, Field(ge=1, le=3600)] = 1
    queue_url: Annotated[str, Field(pattern=r"^https?://[^/]+/.")] | None = None
    revisit_queue_url: Annotated[str, Field(pattern=r"^https?://[^/]+/.")] | None = None
    cors_origin: Annotated[str, Field(pattern=r"^([*]|https?://[A-Za-z0-9.:-]+)$")] | None = None
    derived_uri: Annotated[str, Field(pattern=r"^(s3://[a-z0-9]|file:///.)")] | None = None
    exif_gps: bool = False
    read_tags: bool = False
    allow_uploads: bool = False
    allow_delete: bool = False
    allow_urls: bool = False
    feedback_texts: bool = False
    exclude: str = ""
    default_excludes: bool = True
    own_folders: str = ""
    stack_name: Annotated[str, Field(min_length=1)] = "imagesearch"
    signing_key: Annotated[str, Field(min_length=32)] | None = None
    key_collections: str = ""
    reuse_from: Annotated[str, Field(pattern=rf"^({_SOURCE}( {_SOURCE})*)?$")] = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

    @field_validator("key_collections")
    @classmethod
    def _check_key_collections(cls, text: str) -> str:
        key_bindings(text)
        return text

    @field_validator("index_compression")
    @classmethod
    def _check_compression(cls, compression: str, known: ValidationInfo) -> str:
        engine = known.data.get("index_engine", "")
        offered = COMPRESSIONS.get(engine, (compression,))
        if compression not in offered:
            raise ValueError(f"the engine {engine} supports {', '.join(offered)}")
        return compression

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the variables; raises ConfigurationError."""
        values = {
            name: environ[name.upper()] for name in cls.model_fields if environ.get(name.upper())
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]).upper()
            value = environ.get(name)
            problem = f"{name} is not set" if not value else f"{name} is {value!r}: {first['msg']}"
            raise ConfigurationError(
                problem, f"set {name} in the function's environment", code="invalid_setting"
            ) from error
