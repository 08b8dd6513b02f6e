"""LZF, the compression inside binary_compressed PCD files."""

from __future__ import annotations


def decompress(data: bytes, size: int) -> bytes:
    """Decompress `data` to exactly `size` bytes.

    Raises:
        ValueError: the data is corrupt, or gives another size.
    """
    out = bytearray()
    at = 0
    try:
        while at < len(data):
            control = data[at]
            at += 1
            if control < 32:  # control + 1 bytes follow as they are
                run = data[at : at + control + 1]
                if len(run) != control + 1:
                    raise IndexError
                out += run
                at += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += data[at]
                at += 1
            length += 2
            start = len(out) - ((control & 31) << 8) - data[at] - 1
            at += 1
            if start < 0:
                raise IndexError
            # A source that runs into what is being written repeats itself.
            period = out[start : start + length]
            out += (period * (length // len(period) + 1))[:length]
            if len(out) > size:
                raise IndexError
    except IndexError:
        raise ValueError("its LZF data is corrupt") from None
    if len(out) != size:
        raise ValueError(f"its LZF data gives {len(out)} bytes instead of {size}")
    return bytes(out)
