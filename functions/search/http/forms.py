"""The image of a form (multipart/form-data, RFC 7578), as `curl -F file=@photo.jpg` sends it."""

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from imagesearch.domain.errors import InvalidQuery

FORM = "multipart/form-data"
FIELD = "file"
# The boundary has up to 70 characters, and browsers and curl send no other option.
MAX_CONTENT_TYPE = 500
# The lines around the image, and the headers of its part.
MAX_OVERHEAD = 8_192
MAX_HEADERS = 8


def file_of_form(body: bytes, content_type: str) -> bytes:
    """The bytes of the form's only field, a file named `file`. Raises InvalidQuery."""
    if len(content_type) > MAX_CONTENT_TYPE:
        raise _invalid(f"content-type has more than {MAX_CONTENT_TYPE} characters")
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    found: bytes | None = None
    try:
        with PushMultipartParser(
            boundary,
            content_length=len(body),
            max_header_size=MAX_OVERHEAD,
            max_header_count=MAX_HEADERS,
            max_segment_count=1,
            strict=True,
        ) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment) and event.name == FIELD:
                    found = b""
                elif isinstance(event, MultipartSegment):
                    raise _invalid(f"there is a field {event.name!r:.100}")
                elif event and found is not None:
                    found += bytes(event)
    except (MultipartError, ValueError) as error:
        # The first argument is the text, a second one another exception.
        raise _invalid(str(error.args[0] if error.args else error)) from error
    if found is None:
        raise _invalid("there is no field")
    return found


def _invalid(reason: str) -> InvalidQuery:
    hint = "send one field, the image file, named `file`: curl -F file=@photo.jpg"
    return InvalidQuery(f"the form: {reason}", hint, "invalid_form")
