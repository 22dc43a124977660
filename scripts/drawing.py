"""Draws the icon of webmail, an envelope, as SVG and as PNG in the sizes that browsers and telephones ask for.

A telephone may cut anything off a maskable icon beyond a circle of 80 % of its width
(https://www.w3.org/TR/appmanifest/#icon-masks): its ground reaches the edges, and the envelope is smaller.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "mpcontinuity/access/webmail/static"
GROUND, PAPER = (0x1A, 0x4F, 0x8B), (0xFF, 0xFF, 0xFF)  # as --accent and --on-accent of base.css
SIDE = 64  # units
SAMPLES = 4  # of each pixel, in each direction
CORNER = 14
LEFT, TOP, WIDTH, HEIGHT, FLAP, LINE = 12.0, 18.0, 40.0, 28.0, 17.0, 4.0  # the envelope

Colour = tuple[int, int, int]


def colour(x: float, y: float, *, maskable: bool) -> tuple[Colour, int]:
    """Returns the colour at a point, and how opaque it is: 0 or 1."""
    if maskable:
        x, y = ((each - SIDE / 2) / 0.75 + SIDE / 2 for each in (x, y))
    elif _beyond_corner(x, y):
        return GROUND, 0
    return (PAPER if _is_envelope(x, y) else GROUND), 1


def _beyond_corner(x: float, y: float) -> bool:
    dx, dy = (max(CORNER - each, each - (SIDE - CORNER), 0.0) for each in (x, y))
    return dx * dx + dy * dy > CORNER * CORNER


def _is_envelope(x: float, y: float) -> bool:
    x, y = x - LEFT, y - TOP
    if not (0 <= x <= WIDTH and 0 <= y <= HEIGHT):
        return False
    fold = FLAP * (1 - abs(x - WIDTH / 2) / (WIDTH / 2))  # of the flap, whose edges are left out
    return not fold <= y <= fold + LINE


def png(size: int, point: Callable[[float, float], tuple[Colour, int]]) -> bytes:
    """Returns a picture of so many pixels in both directions (RGBA, https://www.w3.org/TR/png-3/)."""
    scale = SIDE / size / SAMPLES
    lines = bytearray()
    for row in range(size):
        lines.append(0)  # no filter
        for column in range(size):
            red = green = blue = opaque = 0
            for place in range(SAMPLES * SAMPLES):
                x = (column * SAMPLES + place % SAMPLES + 0.5) * scale
                y = (row * SAMPLES + place // SAMPLES + 0.5) * scale
                (r, g, b), alpha = point(x, y)
                red, green, blue, opaque = red + r * alpha, green + g * alpha, blue + b * alpha, opaque + alpha
            shown = opaque or 1
            lines += bytes((red // shown, green // shown, blue // shown, opaque * 255 // SAMPLES**2))
    head = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(lines), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def svg() -> str:
    """Returns the same as SVG."""
    right, bottom, middle = LEFT + WIDTH, TOP + HEIGHT, LEFT + WIDTH / 2
    ground, paper = ("#" + "".join(f"{part:02x}" for part in each) for each in (GROUND, PAPER))
    flap = f"M{LEFT:g} {TOP:g}H{right:g}L{middle:g} {TOP + FLAP:g}Z"
    body = f"M{LEFT:g} {TOP + LINE:g}L{middle:g} {TOP + FLAP + LINE:g}L{right:g} {TOP + LINE:g}V{bottom:g}H{LEFT:g}Z"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}">'
        f'<rect width="{SIDE}" height="{SIDE}" rx="{CORNER}" fill="{ground}"/>'
        f'<path fill="{paper}" d="{flap}{body}"/></svg>\n'
    )


def main() -> None:
    """Writes all of them."""
    (FOLDER / "icon.svg").write_text(svg())
    for name, size, maskable in (
        ("icon-192.png", 192, False),
        ("icon-512.png", 512, False),
        ("icon-maskable-512.png", 512, True),
        ("icon-180.png", 180, True),  # iPhones cut the corners themselves
    ):
        (FOLDER / name).write_bytes(png(size, lambda x, y, cut=maskable: colour(x, y, maskable=cut)))  # type: ignore[misc]


if __name__ == "__main__":
    main()
