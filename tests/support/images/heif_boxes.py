"""Adds item properties to AVIF and HEIF files."""

from __future__ import annotations

import struct


def with_property(file, kind, body):
    """The file with one more property box, associated with its primary item."""
    start, length = _find(file, 0, len(file), b"meta")
    meta = file[start + 12 : start + length]
    boxes = dict(_boxes(meta))
    primary = struct.unpack(">H", boxes[b"pitm"][12:14])[0]
    iprp = dict(_boxes(boxes[b"iprp"][8:]))
    properties = list(_boxes(iprp[b"ipco"][8:]))
    ipco = _box(b"ipco", iprp[b"ipco"][8:] + _box(kind, body))
    ipma = _associated(iprp[b"ipma"], primary, len(properties) + 1)
    new_iprp = _box(b"iprp", ipco + ipma)
    grown = len(new_iprp) - len(boxes[b"iprp"])
    boxes[b"iprp"] = new_iprp
    boxes[b"iloc"] = _moved(boxes[b"iloc"], grown)
    new_meta = file[start + 8 : start + 12] + b"".join(boxes.values())
    return file[:start] + _box(b"meta", new_meta) + file[start + length :]


def _box(kind, body):
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _boxes(data):
    start = 0
    while start < len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        yield kind, data[start : start + length]
        start += length


def _find(data, start, end, wanted):
    while start < end:
        length, kind = struct.unpack_from(">I4s", data, start)
        if kind == wanted:
            return start, length
        start += length
    raise AssertionError(wanted)


def _associated(ipma, primary, index):
    """`ipma` of version 0 with indexes of 7 bits."""
    assert ipma[8:12] == bytes(4)
    (count,) = struct.unpack_from(">I", ipma, 12)
    at, entries = 16, b""
    for _ in range(count):
        item, associations = struct.unpack_from(">HB", ipma, at)
        listed = ipma[at + 3 : at + 3 + associations]
        at += 3 + associations
        if item == primary:
            # Essential: a viewer that does not support the property must not show the item.
            listed += bytes([0x80 | index])
        entries += struct.pack(">HB", item, len(listed)) + listed
    return _box(b"ipma", ipma[8:16] + entries)


def _moved(iloc, by):
    """`iloc` of version 0 or 1 with offsets of 4 bytes, all of which are after `meta`."""
    version = iloc[8]
    sizes = iloc[12:14]
    offset_size, length_size = sizes[0] >> 4, sizes[0] & 15
    base_size, index_size = sizes[1] >> 4, sizes[1] & 15
    (count,) = struct.unpack_from(">H", iloc, 14)
    new, at = bytearray(iloc), 16
    for _ in range(count):
        method = struct.unpack_from(">H", iloc, at + 2)[0] & 15 if version else 0
        at += 4 if version else 2
        at += 2  # data_reference_index
        base_at = at
        at += base_size
        (extents,) = struct.unpack_from(">H", iloc, at)
        at += 2
        for _ in range(extents):
            at += index_size if version else 0
            if method == 0:
                place = base_at if base_size and any(iloc[base_at : base_at + base_size]) else at
                size = base_size if place == base_at else offset_size
                value = int.from_bytes(iloc[place : place + size], "big") + by
                new[place : place + size] = value.to_bytes(size, "big")
            at += offset_size + length_size
    return bytes(new)
