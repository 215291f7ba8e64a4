"""The twelve texture classes: functions from pattern coordinates to reflectance.

A pattern takes ``u`` and ``v``, float32 [H, W], in which its unit is one period, the width ``edge`` over which its
edges are smoothed (about a pixel, in periods) and a random stream for what varies within the class. It returns float32
[H, W] in 0..1. Three classes at a time share their coarse structure (lines, a lattice of marks, a tiling, offset
rows), so that telling them apart takes fine detail, which is what coarse quantization removes first.

Only operations that IEEE 754 rounds exactly are used on arrays (no sine, no exponential), so that every machine renders
the same pixels.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from qsearch.datasets.texture_noise import Field, octaves


def between(random: np.random.RandomState, low: float, high: float) -> float:
    """A number drawn uniformly from low..high."""
    return low + (high - low) * float(random.random_sample())


def log_between(random: np.random.RandomState, low: float, high: float) -> float:
    """A number drawn from low..high, uniformly on the logarithmic scale."""
    # Rounded, because the last bit of a power depends on the C library.
    return float(round(low * (high / low) ** float(random.random_sample()), 6))


def step(distance: Field, width: float) -> Field:
    """0 where ``distance`` is below -width/2, 1 where it is above, smooth between."""
    ramp = np.clip(distance / width + 0.5, 0, 1)
    smooth: Field = ramp * ramp * (3 - 2 * ramp)
    return smooth


def triangle(phase: Field) -> Field:
    """The triangle wave of period 1: 1 at whole numbers, 0 halfway between."""
    wave: Field = np.abs(2 * (phase - np.floor(phase)) - 1)
    return wave


def mix(low: Field | float, high: Field, weight: Field | float) -> Field:
    """``low`` where the weight is 0, ``high`` where it is 1."""
    return low + (high - low) * weight


class Cell(NamedTuple):
    """Where a point lies in a tiling by unit squares: offsets -0.5..0.5 from the centre, and the square's indices."""

    x: Field
    y: Field
    column: Field
    row: Field


def cells(u: Field, v: Field, shift: float) -> Cell:
    """Unit squares; every other row is moved by ``shift``."""
    row = np.floor(v)
    moved = u + shift * (row - 2 * np.floor(row / 2))
    column = np.floor(moved)
    return Cell(moved - column - 0.5, v - row - 0.5, column, row)


def shade(cell: Cell, random: np.random.RandomState) -> Field:
    """One value in 0..1 per cell, at random."""
    table: Field = random.random_sample((16, 16)).astype(np.float32)
    shades: Field = table[cell.row.astype(np.int64) % 16, cell.column.astype(np.int64) % 16]
    return shades


def stripes(u: Field, v: Field, edge: float, random: np.random.RandomState) -> Field:
    """Straight bands."""
    return step(triangle(u) - between(random, 0.4, 0.6), 2 * edge)


def zigzag(u: Field, v: Field, edge: float, random: np.random.RandomState) -> Field:
    """Bands that turn left and right."""
    bend = between(random, 0.35, 0.6)
    return step(triangle(u + bend * triangle(v / 1.6)) - between(random, 0.4, 0.6), 2 * edge)


def wood(u: Field, v: Field, edge: float, random: np.random.RandomState) -> Field:
    """Grown lines: sharp on one side, fading on the other, now dense and now wide."""
    phase = u + 0.6 * triangle(u / 4.3 + v / 17) * triangle(v / 11 + between(random, 0, 1))
    ramp = phase - np.floor(phase)
    return ramp * step(1 - ramp - edge, 2 * edge)


def dots(u: Field, v: Field, edge: float, random: np.random.RandomState) -> Field:
    """Discs on a lattice."""
    cell = cells(u, v, _lattice_shift(random))
    return step(between(random, 0.26, 0.32) - np.sqrt(cell.x * cell.x + cell.y * cell.y), edge)


def rings(u: Field, v: Field, edge: float, random: np.random.RandomState) -> Field:
    """Discs with a hole on a lattice."""
    cell = cells(u, v, _lattice_shift(random))
    radius = np.sqrt(cell.x * cell.x + cell.y * cell.y)
    return step(between(random, 0.09, 0.12) - np.abs(radius - between(random, 0.26, 0.3)), edge)


def crosses(u: Field, v: Field, edge: float, random: np.random.RandomState) -> Field:
    """Plus signs on a lattice."""
    cell = cells(u, v, _lattice_shift(random))
    x, y = np.abs(cell.x), np.abs(cell.y)
    arms = np.minimum(between(random, 0.08, 0.11) - np.minimum(x, y), between(random, 0.34, 0.4) - np.maximum(x, y))
    return step(arms, edge)


def _lattice_shift(random: np.random.RandomState) -> float:
    return 0.5 * float(random.randint(2))


def checks(u: Field, v: Field, edge: float, random: np.random.RandomState) -> Field:
    """A board of squares of two tones."""
    return step((2 * triangle(u / 1.4) - 1) * (2 * triangle(v / 1.4) - 1), 3 * edge)


def triangles(u: Field, v: Field, edge: float, random: np.random.RandomState) -> Field:
    """A tiling by triangles of two tones."""
    height = v / 1.2
    row = np.floor(height)
    y = height - row
    x = triangle(u / 1.2 + 0.5 * (row - 2 * np.floor(row / 2)))
    return step(x - y, 2 * edge)


def weave(u: Field, v: Field, edge: float, random: np.random.RandomState) -> Field:
    """Strands that pass over and under each other."""
    cell = cells(u, v, 0)
    over = (cell.column + cell.row) - 2 * np.floor((cell.column + cell.row) / 2)
    across = np.where(over > 0.5, np.abs(cell.x), np.abs(cell.y))
    along = np.where(over > 0.5, np.abs(cell.y), np.abs(cell.x))
    strand = step(between(random, 0.36, 0.42) - across, edge)
    return strand * (1 - 2.2 * along * along)


def bricks(u: Field, v: Field, edge: float, random: np.random.RandomState) -> Field:
    """Blocks in offset rows with mortar between."""
    cell = cells(u / 1.8, v, 0.5)
    mortar = between(random, 0.08, 0.13)
    face = np.minimum(1.8 * (0.5 - np.abs(cell.x)), 0.5 - np.abs(cell.y)) - mortar
    return step(face, edge) * (0.7 + 0.3 * shade(cell, random))


def scales(u: Field, v: Field, edge: float, random: np.random.RandomState) -> Field:
    """Rounded plates in offset rows, each over the next."""
    row = np.floor(v)
    y = v - row
    # A point lies on the plate of its own row where that reaches it, and else on the plate of the row above.
    own = _plate(u, y, row)
    above = _plate(u, y + 1, row - 1)
    reached = step(0.7 - own, edge)
    depth = mix(above, own, reached)
    relief: Field = np.clip(1.25 - 1.1 * depth, 0, 1)
    return relief


def _plate(u: Field, y: Field, row: Field) -> Field:
    x = u + 0.5 * (row - 2 * np.floor(row / 2))
    x = x - np.floor(x) - 0.5
    distance: Field = np.sqrt(x * x + y * y * 0.5)
    return distance


def marble(u: Field, v: Field, edge: float, random: np.random.RandomState) -> Field:
    """Thin veins that wander over a plain ground."""
    wander = octaves(random, u.shape[0], 8, channels=2)
    phase = u * 0.8 + 1.1 * wander[..., 0]
    vein = 1 - triangle(phase) * (1 + 0.5 * wander[..., 1])
    veins: Field = np.clip(vein * vein * 1.1, 0, 1)
    return veins


Pattern = Callable[[Field, Field, float, np.random.RandomState], Field]

PATTERNS: dict[str, Pattern] = {
    pattern.__name__: pattern
    for pattern in (
        stripes,
        zigzag,
        wood,
        dots,
        rings,
        crosses,
        checks,
        triangles,
        weave,
        bricks,
        scales,
        marble,
    )
}
"""The classes by name, in the order of their labels."""
