"""ICC profiles created from primaries and a transfer function, for files that declare these."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# x and y of the white point, of red, of green and of blue: the order of PNG's cHRM.
Primaries: TypeAlias = tuple[float, float, float, float, float, float, float, float]
Values: TypeAlias = NDArray[np.float64]

_D65, _C = (0.3127, 0.3290), (0.310, 0.316)
SRGB: Primaries = (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
# ITU-T H.273 (07/2024), table 2.
_PRIMARIES: dict[int, Primaries] = {
    1: SRGB,
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_D50 = np.array([0.96422, 1.0, 0.82521])
# ICC.1:2022, annex E.
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_SAMPLES = 4_096
# ITU-R BT.2408: HDR reference white and the usual peak luminance of grading, in cd/m².
_REFERENCE_WHITE, _PEAK = 203, 1_000


def gamma_profile(primaries: Primaries, gamma: float | None) -> bytes | None:
    """The profile for primaries and a gamma, or the sRGB curve without one.

    None if the primaries are degenerate.
    """
    return _profile(primaries, _srgb if gamma is None else lambda x: x**gamma)


@lru_cache(maxsize=16)
def coded_profile(primaries: int, transfer: int) -> bytes | None:
    """The profile for code points of ITU-T H.273; None if they are not supported.

    Code point 2, unspecified, is interpreted as sRGB.
    """
    known, curve = _PRIMARIES.get(1 if primaries == 2 else primaries), _CURVES.get(transfer)
    return _profile(known, curve) if known and curve else None


def _srgb(x: Values) -> Values:
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def _smpte_240(x: Values) -> Values:
    return np.where(x < 0.0913, x / 4, ((x + 0.1115) / 1.1115) ** (1 / 0.45))


def _pq(x: Values) -> Values:
    power = x ** (1 / 78.84375)
    light = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return _toned(10_000 * light ** (1 / 0.1593017578125))


def _hlg(x: Values) -> Values:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(x <= 0.5, x**2 / 3, (np.exp((x - c) / a) + b) / 12)
    return _toned(_PEAK * scene**1.2)


def _toned(light: Values) -> Values:
    """Tone mapping from cd/m² to [0, 1] by Reinhard's extended operator (2002, equation 4)."""
    relative, white = light / _REFERENCE_WHITE, _PEAK / _REFERENCE_WHITE
    return np.clip(relative * (1 + relative / white**2) / (1 + relative), 0, 1)


# ITU-T H.273, table 3. Functions similar to that of BT.709 are interpreted as sRGB, as in Chromium
# (`prefer_srgb_trfn` in skia/ext/cicp.h) and other viewers of still images.
_CURVES: dict[int, Callable[[Values], Values]] = {
    **dict.fromkeys((1, 2, 6, 11, 12, 13, 14, 15), _srgb),
    4: lambda x: x**2.2,
    5: lambda x: x**2.8,
    7: _smpte_240,
    8: lambda x: x,
    16: _pq,
    17: lambda x: np.minimum(52.37 / 48 * x**2.6, 1),
    18: _hlg,
}


def _profile(primaries: Primaries, curve: Callable[[Values], Values]) -> bytes | None:
    colorants = _colorants(primaries)
    if colorants is None:
        return None
    samples = np.rint(65_535 * np.clip(curve(np.linspace(0, 1, _SAMPLES)), 0, 1)).astype(">u2")
    table = b"curv" + bytes(4) + struct.pack(">I", _SAMPLES) + samples.tobytes()
    tags = [(b"wtpt", _xyz(_D50))]
    for name, column in zip((b"r", b"g", b"b"), colorants.T, strict=True):
        tags += [(name + b"XYZ", _xyz(column)), (name + b"TRC", table)]
    return _file(tags)


def _colorants(primaries: Primaries) -> Values | None:
    """XYZ of the primaries in columns, adapted to D50 as required in a profile."""
    points = np.array(primaries).reshape(4, 2)
    if not np.isfinite(points).all() or (points[:, 1] <= 0).any():
        return None
    xyz = np.column_stack([points[:, 0], points[:, 1], 1 - points.sum(axis=1)]) / points[:, 1:]
    white, columns = xyz[0], xyz[1:].T
    if abs(np.linalg.det(columns)) < 1e-6:
        return None
    mixed = columns * np.linalg.solve(columns, white)
    cones = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: Values = np.linalg.solve(_BRADFORD, cones[:, None] * (_BRADFORD @ mixed))
    return adapted if np.isfinite(adapted).all() and np.abs(adapted).max() < 30_000 else None


def _xyz(values: Values) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65_536 * float(v)) for v in values))


def _file(tags: Sequence[tuple[bytes, bytes]]) -> bytes:
    """ICC.1:2022, 7.2 and 7.3: the header, the table of tags, and the tags."""
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags:
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s28x", 2000, 1, 1, 0, 0, 0, b"acsp") + _xyz(_D50)[8:]
    return head.ljust(128, b"\0") + table + body
