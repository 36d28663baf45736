"""How far two perceptual hashes are from each other, a mirrored picture being the same one."""

BITS = 64
# A bit says whether one of 8 x 8 frequencies is positive, row by row: in a mirror, every second
# column changes its sign.
_MIRRORED = 0x5555_5555_5555_5555


def hash_distance(one: str, other: str) -> int:
    """In how many bits two hashes of 16 hexadecimal digits differ, or one and the other mirrored.

    0 for copies, about 30 for pictures that have nothing to do with each other.
    """
    differing = int(one, 16) ^ int(other, 16)
    return min(differing.bit_count(), (differing ^ _MIRRORED).bit_count())
