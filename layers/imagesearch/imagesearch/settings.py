"""The one reader of the environment; a wrong value stops the function with a sentence naming it."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imagesearch.errors import ConfigurationError


class Settings(BaseModel):
    """What a deployment decides; each field is read from the variable of the same name, upper case.

    `bucket` is a bucket's name or `file:///folder`, `index_url` an OpenSearch endpoint or
    `sqlite:///path`, `model_uri` a folder with a manifest, here or `s3://bucket/prefix`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    bucket: Annotated[str, Field(min_length=1)]
    index_url: Annotated[str, Field(pattern=r"^(https?://[^/]|sqlite:///.)")]
    index_prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")] = "images"
    model_uri: Annotated[str, Field(min_length=1)]
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

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
