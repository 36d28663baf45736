"""The one reader of the environment; a wrong value stops the function with a sentence naming it."""

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

# What each engine can do with float vectors, asked of OpenSearch 3.3.0 and 3.5.0.
COMPRESSIONS: Mapping[str, tuple[str, ...]] = {
    "lucene": ("1x", "4x"),
    "faiss": ("1x", "2x", "8x", "16x", "32x"),
}
# What concerns a folder of one machine alone: no deployment sets these.
FOLDER_SETTINGS = frozenset(("exclude", "default_excludes", "own_folders", "reuse_from"))

_SOURCE = r"sqlite:///[^ ,]+,file:///[^ ,]+"


class Settings(BaseModel):
    """What a deployment decides; each field is read from the variable of the same name, upper case.

    `bucket` is a bucket's name or `file:///folder`, `index_url` an OpenSearch endpoint or
    `sqlite:///path`, `model_uri` a folder with a manifest, here or `s3://bucket/prefix`.
    From `index_engine` to `index_refresh_seconds` is how OpenSearch lays an index out when it is
    made; without `index_replicas` there is one as soon as there are two nodes. `queue_url` is where
    changes of the bucket wait: with it, health tells how many. Through `revisit_queue_url` the
    indexing function looks for duplicates of images as soon as searches find them; without it, at
    any later look. Pages of `cors_origin` may call the API from a browser; `*` is any site. What is
    made of images goes to `derived_uri`, `s3://bucket` or `file:///folder`, which is not the
    images' bucket; without it there are no thumbnails and nothing can be changed, which
    `allow_uploads` and `allow_delete` permit. With `allow_urls` images are fetched from the web.
    Where pictures were taken is recorded with `exif_gps` only, and objects' tags with `read_tags`.
    `reuse_from` names other SQLite indexes in which images of the same bytes are looked up, each
    with the folder of its thumbnails, percent-encoded: `sqlite:///path,file:///path sqlite:///…`.
    Of a folder, what the patterns in `exclude` say is left out, one a line in gitignore syntax; so
    are leftovers of other software by `default_excludes`, and always the product's own data, which
    lies in `own_folders`, too: `file:///folder`, with blanks between them.
    `key_collections` binds API keys, by their ids, to collections: `id=cats/dogs,other=birds`.
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
    exclude: str = ""
    default_excludes: bool = True
    own_folders: str = ""
    key_collections: str = ""
    reuse_from: Annotated[str, Field(pattern=rf"^({_SOURCE}( {_SOURCE})*)?$")] = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

    @field_validator("key_collections")
    @classmethod
    def _binds_keys(cls, text: str) -> str:
        key_bindings(text)
        return text

    @field_validator("index_compression")
    @classmethod
    def _known_to_the_engine(cls, compression: str, known: ValidationInfo) -> str:
        engine = known.data.get("index_engine", "")
        offered = COMPRESSIONS.get(engine, (compression,))
        if compression not in offered:
            raise ValueError(f"the engine {engine} offers {', '.join(offered)}")
        return compression

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the variables; raises ConfigurationError."""
        given = {
            name: environ[name.upper()] for name in cls.model_fields if environ.get(name.upper())
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]).upper()
            value = environ.get(name)
            wrong = f"{name} is not set" if not value else f"{name} is {value!r}: {first['msg']}"
            raise ConfigurationError(
                wrong, f"set {name} in the function's environment", code="invalid_setting"
            ) from error
