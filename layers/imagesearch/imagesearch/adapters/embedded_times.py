"""When images were taken, in the embedded index: an SQL expression to sort by, and places in it."""

from imagesearch.adapters.index_records import epoch_milliseconds
from imagesearch.adapters.sqlite.filters import Condition
from imagesearch.domain.images import TakenPlace

_TEXT = "json_extract(record, '$.taken_at')"
_FINE = f"substr({_TEXT}, 20, 1) = '.'"
_ZONE = f"iif({_FINE}, substr({_TEXT}, 27), substr({_TEXT}, 20))"
_FRACTION = f"iif({_FINE}, substr({_TEXT}, 21, 3), 0)"
# Milliseconds, null where there is none: seconds by SQLite, which takes a time without zone for
# UTC, and the first three digits of what Python writes behind them. An index has no function of
# ours, or other programs could not check the file.
TAKEN = f"(strftime('%s', substr({_TEXT}, 1, 19) || {_ZONE}) * 1000 + {_FRACTION})"


def dated(place: TakenPlace | None, newest_first: bool) -> Condition:
    """Those that a camera dated, behind a place among them."""
    if place is None or place.taken_at is None:
        return Condition(f"{TAKEN} NOT NULL")
    then = epoch_milliseconds(place.taken_at)
    sign = "<" if newest_first else ">"
    # The bound alone lets SQLite begin at the place: it makes no use of the other for that.
    behind = f"{TAKEN} {sign}= ? AND ({TAKEN} {sign} ? OR key {sign} ?)"
    return Condition(behind, (then, then, place.key))


def undated(place: TakenPlace | None, newest_first: bool) -> Condition:
    """Those that no camera dated, behind a place among them; they come after all others."""
    if place is None or place.taken_at is not None:
        return Condition(f"{TAKEN} IS NULL")
    return Condition(f"{TAKEN} IS NULL AND key {'<' if newest_first else '>'} ?", (place.key,))
