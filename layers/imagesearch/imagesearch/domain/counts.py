"""Counts in messages."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """Such as `1 image` or `1,425 images`; `plural` is for other plurals than with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
