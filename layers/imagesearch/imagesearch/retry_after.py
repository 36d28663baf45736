"""The header Retry-After of a response.

https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_seconds(value: str | None) -> float | None:
    """The seconds of a Retry-After header, a number or an HTTP date; None if it is invalid."""
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # A date with the zone -0000 has no time zone.
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
