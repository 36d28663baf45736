"""ICC profiles for tests, built byte by byte: RGB primaries, gray, and CMYK."""

from __future__ import annotations

import struct

import numpy as np

# XYZ of red, green and blue, adapted to D50, and the gamma.
SRGB = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]
ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
P3 = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]
PROPHOTO = [(0.79767, 0.28804, 0), (0.13519, 0.71188, 0), (0.03134, 0.00009, 0.82491)]
ROTATED = [SRGB[1], SRGB[2], SRGB[0]]
WHITE = (0.9642, 1, 0.8249)


def rgb(colorants=P3, gamma=2.2, version=0x02100000):
    """An RGB profile; `gamma` is a number, or samples of a curve in [0, 1]."""
    tags = [(b"wtpt", xyz(WHITE))]
    for name, values in zip((b"r", b"g", b"b"), colorants, strict=True):
        tags += [(name + b"XYZ", xyz(values)), (name + b"TRC", curve(gamma))]
    return file(b"RGB ", tags, version=version)


def gray(gamma=1.8):
    return file(b"GRAY", [(b"wtpt", xyz(WHITE)), (b"kTRC", curve(gamma))])


def table(space=b"RGB ", channels=3, grid=9, change=None):
    """A profile with a lookup table (`mft2`) from device values to Lab as A2B0.

    `change` maps [n, channels] in [0, 1] to Lab as [n, 3] in [0, 1].
    """
    axes = np.meshgrid(*[np.linspace(0, 1, grid)] * channels, indexing="ij")
    values = change(np.stack(axes, axis=-1).reshape(-1, channels))
    line = struct.pack(">2H", 0, 65_535)
    body = b"mft2" + bytes(4) + struct.pack(">4B", channels, 3, grid, 0)
    body += struct.pack(">9i", *(np.eye(3, dtype=int).ravel() * 65_536))
    body += struct.pack(">2H", 2, 2) + line * channels
    # 16-bit Lab of version 2 ends at 0xFF00.
    body += np.rint(np.clip(values, 0, 1) * 0xFF00).astype(">u2").tobytes() + line * 3
    return file(space, [(b"wtpt", xyz(WHITE)), (b"A2B0", body)], kind=b"prtr", pcs=b"Lab ")


def press():
    """A synthetic CMYK profile in Lab: white paper, and inks weaker than pure ones."""

    def lab(inks):
        c, m, y, k = inks.T
        light = (1 - 0.45 * c) * (1 - 0.5 * m) * (1 - 0.1 * y) * (1 - 0.9 * k)
        a = (0.7 * m - 0.4 * c) * (1 - k)
        b = (0.8 * y - 0.4 * c - 0.1 * m) * (1 - k)
        return np.stack([light, 0.5 + 0.4 * a, 0.5 + 0.4 * b], axis=-1)

    return table(b"CMYK", 4, 7, lab)


def xyz(values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65_536) for value in values))


def curve(gamma):
    if isinstance(gamma, int | float):
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    samples = np.rint(np.asarray(gamma) * 65_535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(samples)) + samples.tobytes()


def file(space, tags, kind=b"mntr", pcs=b"XYZ ", version=0x02100000):
    offset, listed, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags:
        listed += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", offset + len(body), b"lcms", version, kind, space, pcs)
    head += struct.pack(">6H4s28x", 2024, 1, 1, 0, 0, 0, b"acsp") + xyz(WHITE)[8:]
    return head.ljust(128, b"\0") + listed + body
