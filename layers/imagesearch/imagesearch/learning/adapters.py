"""Stored adapters: one file for each version, and a pointer that names the version in use.

The files are in the derived store, below `adapters/` and the space of the model, so that adapters
of different models never meet. A file changes only if its opinions are forgotten: what it has
learned is then removed. The pointer is the only other state.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from imagesearch.domain.errors import ConfigurationError, NotFound
from imagesearch.domain.images import Embedding
from imagesearch.domain.ports import DerivedStore
from imagesearch.domain.storage_keys import ADAPTERS
from imagesearch.json_objects import json_object
from imagesearch.search.query_adapter import QueryAdapter, QueryMap
from imagesearch.search.relevance import Curve, Modality

SCHEMA_VERSION = 1
MAX_RANK = 256
_POINTER = "current.json"
_JSON = "application/json"
# What reading the JSON of a damaged file raises: an infinite number is an OverflowError.
_DAMAGE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Space:
    """The model whose queries an adapter maps.

    model: the name. digest: of everything that determines the vectors of texts and images.
    """

    model: str
    image_space: str
    digest: str
    dimension: int


@dataclass(frozen=True)
class Adapter:
    """A version of the query adapter of a model; `parent` was in use when it was fitted.

    opinions: the number, the time of the first and of the last, and the users' pseudonyms.
    figures: what `imagesearch tune` found, by modality.
    forgotten: true if opinions that it was fitted on have been deleted; it has no maps any more.
    """

    number: int
    space: Space
    parent: int | None
    created: str
    opinions: Mapping[str, Any]
    figures: Mapping[str, Mapping[str, float]]
    maps: Mapping[Modality, QueryMap]
    curves: Mapping[Modality, Curve]
    forgotten: bool = False

    @property
    def name(self) -> str:
        return f"adapter-{self.number}"

    @property
    def query_adapter(self) -> QueryAdapter:
        return QueryAdapter(self.name, self.maps, self.curves)

    def to_bytes(self) -> bytes:
        """The file: JSON, with the SHA-256 of the rest."""
        content = {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "number": self.number,
            "model": self.space.model,
            "image_space": self.space.image_space,
            "space": self.space.digest,
            "parent": self.parent,
            "created": self.created,
            "opinions": dict(self.opinions),
            "figures": {name: dict(figures) for name, figures in self.figures.items()},
            "maps": {name.value: _map_fields(map) for name, map in self.maps.items()},
            "relevance": {
                name.value: [curve.slope, curve.base, curve.nearness]
                for name, curve in self.curves.items()
            },
        }
        return _file(content | ({"forgotten": True} if self.forgotten else {}))


def adapter_of(data: bytes, space: Space) -> Adapter:
    """The adapter in a file. Raises ConfigurationError for a damaged one, or of another model."""
    try:
        content = json.loads(data)
        recorded = content.pop("sha256", None)
        if recorded != _digest(content):
            raise ValueError("its SHA-256 is not that of its content")
        if content["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"its format is version {content['schema_version']}")
        if (content["space"], content["image_space"]) != (space.digest, space.image_space):
            raise ValueError(f"it belongs to the model {content['model']}, not to {space.model}")
        return Adapter(
            int(content["number"]),
            space,
            content["parent"],
            str(content["created"]),
            dict(content["opinions"]),
            dict(content["figures"]),
            {Modality(name): _map(map, space) for name, map in content["maps"].items()},
            {Modality(name): _curve(*curve) for name, curve in content["relevance"].items()},
            bool(content.get("forgotten")),
        )
    except (*_DAMAGE, AttributeError) as error:
        raise ConfigurationError(
            f"the adapter cannot be used: {error}",
            "use another version with `imagesearch adapters use`, or tune again",
            "invalid_adapter",
        ) from error


@dataclass(frozen=True)
class Pointer:
    """The version in use, the newest version, and the versions with forgotten opinions.

    deletions: of opinions so far. A run that began before the last one may have used deleted ones.
    """

    number: int | None = None
    newest: int = 0
    forgotten: frozenset[int] = field(default_factory=frozenset)
    deletions: int = 0


class AdapterStore:
    """The adapters of one model in a derived store; methods raise Unavailable."""

    def __init__(self, store: DerivedStore, space: Space) -> None:
        self._store = store
        self.space = space

    def pointer(self) -> Pointer:
        """Raises ConfigurationError if it is damaged."""
        data = self._store.get(self._key(_POINTER))
        if data is None:
            return Pointer()
        try:
            content = json.loads(data)
            number = content["number"]
            return Pointer(
                None if number is None else int(number),
                int(content["newest"]),
                frozenset(map(int, content["forgotten"])),
                int(content.get("deletions", 0)),
            )
        except (*_DAMAGE, AttributeError) as error:
            raise ConfigurationError(
                f"{self._key(_POINTER)} is damaged: {error}",
                "write it again with `imagesearch adapters use N` or `off`",
                "invalid_adapter",
            ) from error

    def get(self, number: int) -> Adapter:
        """Raises NotFound, and ConfigurationError for a file that cannot be used."""
        data = self._store.get(self._key(f"{number}.json"))
        if data is None:
            raise NotFound(f"there is no adapter {number}", "see `imagesearch adapters list`")
        adapter = adapter_of(data, self.space)
        if adapter.number != number:
            raise ConfigurationError(
                f"the file of adapter {number} contains {adapter.name}",
                "use another version, or tune again",
                "invalid_adapter",
            )
        return adapter

    def add(self, adapter: Adapter) -> None:
        """Store a new version, and use it."""
        self._store.put(self._key(f"{adapter.number}.json"), adapter.to_bytes(), _JSON)
        self._point(replace(self.pointer(), number=adapter.number, newest=adapter.number))

    def use(self, number: int | None) -> None:
        """Use another version, or none. Raises NotFound, ConfigurationError."""
        pointer = self._pointer_or_new_one()
        if number is not None and (self.get(number).forgotten or number in pointer.forgotten):
            raise ConfigurationError(
                f"adapter {number} was fitted on opinions that have been forgotten",
                "fit a new one with `imagesearch tune`",
                "invalid_adapter",
            )
        self._point(replace(pointer, number=number))

    def mark_forgotten(self, before: str, user: str | None) -> list[int]:
        """Empty and mark the versions that were fitted on opinions before a time, or of a user.

        Returns those of this model. Versions of other models are marked too, as one of them may be
        served again. A version in use is switched off if it is marked. A run of `tune` that has
        begun adopts nothing.
        """
        found = (key.split("/") for key, _ in self._store.list_keys(ADAPTERS))
        digests = {path[1] for path in found if len(path) > 2} | {self.space.digest}
        marked = {
            digest: AdapterStore(self._store, replace(self.space, digest=digest))._mark(
                before, user
            )
            for digest in sorted(digests)
        }
        return marked[self.space.digest]

    def _mark(self, before: str, user: str | None) -> list[int]:
        pointer, marked = self._pointer_or_new_one(), []
        pointer = replace(pointer, deletions=pointer.deletions + 1)
        # First, so that a run of `tune` that ends meanwhile adopts nothing.
        self._point(pointer)
        for number in self._numbers():
            content = self._content(number)
            if number not in pointer.forgotten and _is_fitted_on(content, before, user):
                self._store.put(self._key(f"{number}.json"), _emptied(content), _JSON)
                marked.append(number)
        in_use = None if pointer.number in marked else pointer.number
        self._point(replace(pointer, number=in_use, forgotten=pointer.forgotten | {*marked}))
        return marked

    def _pointer_or_new_one(self) -> Pointer:
        """The pointer; if it is damaged, one to the same versions of which none is in use."""
        try:
            return self.pointer()
        except ConfigurationError:
            numbers = self._numbers()
            forgotten = (each for each in numbers if self._content(each).get("forgotten"))
            return Pointer(None, max(numbers, default=0), frozenset(forgotten))

    def _numbers(self) -> list[int]:
        """The numbers of the stored versions."""
        keys = (key for key, _ in self._store.list_keys(self._key("")))
        names = (key.rpartition("/")[2].removesuffix(".json") for key in keys)
        return sorted(int(name) for name in names if name.isdecimal())

    def _content(self, number: int) -> dict[str, Any]:
        """Of the file of a version; empty if it is damaged: no search uses it."""
        try:
            return json_object(self._store.get(self._key(f"{number}.json")) or b"")
        except ValueError:
            return {}

    def _point(self, pointer: Pointer) -> None:
        content = {
            "number": pointer.number,
            "newest": pointer.newest,
            "forgotten": sorted(pointer.forgotten),
            "deletions": pointer.deletions,
        }
        self._store.put(self._key(_POINTER), json.dumps(content).encode(), _JSON)

    def _key(self, name: str) -> str:
        return f"{ADAPTERS}{self.space.digest}/{name}"


def _is_fitted_on(content: Mapping[str, Any], before: str, user: str | None) -> bool:
    try:
        opinions = content["opinions"]
        return user in opinions["users"] if user is not None else str(opinions["first"]) < before
    except (KeyError, TypeError):
        return False


def _emptied(content: Mapping[str, Any]) -> bytes:
    """The file without maps, curves and users, which all come from opinions."""
    opinions = {**content["opinions"], "users": []}
    kept = {name: value for name, value in content.items() if name != "sha256"}
    return _file(kept | {"opinions": opinions, "maps": {}, "relevance": {}, "forgotten": True})


def _file(content: Mapping[str, Any]) -> bytes:
    return json.dumps({**content, "sha256": _digest(content)}, indent=1).encode()


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _map_fields(map: QueryMap) -> dict[str, Any]:
    return {"rank": len(map.left), "left": _text(map.left), "right": _text(map.right)}


def _text(rows: Embedding) -> str:
    return base64.b64encode(rows.astype("<f2").tobytes()).decode()


def _map(fields: Mapping[str, Any], space: Space) -> QueryMap:
    rank = int(fields["rank"])
    if not 1 <= rank <= MAX_RANK:
        raise ValueError(f"its rank is {rank}")
    left, right = (_rows(str(fields[name]), rank, space.dimension) for name in ("left", "right"))
    return QueryMap(left, right)


def _rows(text: str, rank: int, dimension: int) -> Embedding:
    flat = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
    rows = flat.reshape(rank, dimension)
    if not np.isfinite(rows).all():
        raise ValueError("it contains numbers that are not finite")
    return rows


def _curve(slope: float, base: float, nearness: float) -> Curve:
    curve = Curve(float(slope), float(base), float(nearness))
    if not (curve.slope > 0 and np.isfinite([curve.slope, curve.base, curve.nearness]).all()):
        raise ValueError("its relevance does not increase with the score")
    return curve
