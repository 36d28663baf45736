"""`imagesearch reindex --status` and `--drop-old`: how far a switch is, and its end."""

from imagesearch import bootstrap
from imagesearch.indexing.consistency import Agreement, Disagreement, agreement
from imagesearch.settings import Settings
from local.errors import WrongUsage
from local.model_switch import ModelSwitch
from local.output import printable


def print_status(switch: ModelSwitch) -> bool:
    """One line for each index; whether all of them agree with the bucket."""
    agreed = True
    for role, settings in (("in use", switch.in_use), ("to come", switch.to_come)):
        if settings:
            found = _agreement(settings)
            agreed = agreed and found.holds
            name, done = bootstrap.index_name(settings), f"{found.done:,} of {found.images:,}"
            print(f"{role:7}  {name}  {done}: {told(found)}")  # noqa: T201
    return agreed


def drop_others(switch: ModelSwitch) -> None:
    """Drop every index but that in use, and the one to come where there is one.

    Raises WrongUsage unless the index in use agrees with the bucket: an older one may be needed.
    """
    kept = {bootstrap.index_name(each) for each in (switch.in_use, switch.to_come) if each}
    found = _agreement(switch.in_use)
    if not found.holds:
        name = bootstrap.index_name(switch.in_use)
        raise WrongUsage(f"nothing is dropped: {name}, which is in use, has {told(found)}")
    for name, index in bootstrap.vector_indexes(switch.in_use).items():
        if name not in kept:
            index.drop()
            print(f"dropped {name}")  # noqa: T201


def told(found: Agreement) -> str:
    """Such as `2 waiting (a.jpg, b.jpg)`, or that all agrees."""
    parts = [_part(found.waiting, "waiting"), _part(found.stale, "no longer in the bucket")]
    disagreeing = ", ".join(filter(None, parts))
    rejected = f", {found.rejected:,} of them rejected" if found.rejected else ""
    return disagreeing or f"agrees with the bucket{rejected}"


def _part(found: Disagreement, words: str) -> str:
    if not found.count:
        return ""
    more = ", …" if found.count > len(found.keys) else ""
    return f"{found.count:,} {words} ({', '.join(map(printable, found.keys))}{more})"


def _agreement(settings: Settings) -> Agreement:
    return agreement(bootstrap.image_store(settings), bootstrap.vector_index(settings))
