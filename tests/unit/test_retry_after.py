"""A number or a date in Retry-After becomes seconds, anything else nothing."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from hypothesis import example, given
from hypothesis import strategies as st

from imagesearch.retry_after import retry_after_seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} (Jan|[A-Z][a-z]{2}) \d+ [\d:]+ .*"))
@example("Sun, 01 Jan 999999999999999999999 10:00:00 GMT")
def test_any_retry_after_header_is_read_or_ignored(value: str) -> None:
    seconds = retry_after_seconds(value)
    assert seconds is None or seconds >= 0


@given(st.integers(1, 10**6), st.booleans())
def test_a_date_is_the_time_until_then(seconds: int, zoned: bool) -> None:
    """Dates have whole seconds, with the zone GMT or, as of unknown origin, -0000."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    text = format_datetime(moment, usegmt=True)
    found = retry_after_seconds(text if zoned else text.replace("GMT", "-0000"))
    assert found is not None
    assert 0 <= found <= seconds
    assert retry_after_seconds(str(seconds)) == seconds
