"""How the system is: what waits to be indexed, and how the index is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lag:
    """Changes of the bucket that the index has not settled: `in_flight` are being looked at."""

    waiting: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class IndexHealth:
    """`status` is green, yellow or red; `images` counts those that search can find."""

    name: str
    status: str
    images: int
    rejected: int
