"""Procedural photographs: one textured object before a natural background, under uneven light, seen by a camera."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.datasets.texture_noise import Field, grain, octaves
from qsearch.datasets.texture_patterns import Pattern, between, log_between, mix, step

SIDE = 128
"""Pixels, height and width."""

_GRID = (np.arange(SIDE, dtype=np.float32) + 0.5) / (SIDE / 2) - 1
_X, _Y = np.meshgrid(_GRID, _GRID)  # -1..1 across the image


@dataclass(frozen=True)
class Difficulty:
    """How hard the photographs are to read: what makes compression matter. Grey levels are of 0..255.

    hue_share: of the textures, how many show in hue alone.
    """

    period_px: tuple[float, float] = (8, 18)
    contrast_levels: tuple[float, float] = (8.5, 190)
    blur_px: tuple[float, float] = (0.3, 0.75)
    noise_levels: tuple[float, float] = (1.2, 3.8)
    hue_share: float = 0.22


TRAINING = Difficulty(period_px=(7.5, 15), contrast_levels=(13, 115), noise_levels=(1.0, 3.5), hue_share=0.45)
"""Of the images a network learns from: more that show in hue alone, so that it learns to read hue at all."""


def photograph(pattern: Pattern, random: np.random.RandomState, difficulty: Difficulty) -> npt.NDArray[np.uint8]:
    """One image uint8 [SIDE, SIDE, 3] RGB of an object that bears ``pattern``."""
    image = _background(random)
    image = mix(image, _surface(pattern, random, difficulty), _object(random)[..., None])
    for _ in range(random.randint(3)):
        image = mix(image, _plain(random), _occluder(random)[..., None])
    image = image * _light(random)[..., None]
    return _camera(image, random, difficulty)


def _rotation(random: np.random.RandomState) -> tuple[float, float]:
    angle = between(random, 0, 2 * math.pi)
    # Rounded, because the last bit of a cosine depends on the C library.
    return round(math.cos(angle), 6), round(math.sin(angle), 6)


def _colour(random: np.random.RandomState) -> Field:
    """RGB float32 [3] in grey levels, of moderate saturation."""
    grey = between(random, 75, 180)
    colour: Field = (grey + 60 * (random.random_sample(3) - 0.5)).astype(np.float32)
    return colour


def _background(random: np.random.RandomState) -> Field:
    depth = between(random, 12, 32)
    noise = octaves(random, SIDE, 128) + 0.35 * octaves(random, SIDE, 16, channels=3)
    return _colour(random) + depth * noise


def _plain(random: np.random.RandomState) -> Field:
    return _colour(random) + between(random, 3, 12) * octaves(random, SIDE, 32)


def _surface(pattern: Pattern, random: np.random.RandomState, difficulty: Difficulty) -> Field:
    """The textured material float32 [SIDE, SIDE, 3], before light and camera."""
    u, v, edge = _pattern_coordinates(random, difficulty)
    texture = pattern(u, v, edge, random) - 0.5
    ground = _colour(random) + between(random, 2, 7) * octaves(random, SIDE, 32)
    contrast = log_between(random, *difficulty.contrast_levels) * (1 if random.randint(2) else -1)
    surface: Field = ground + contrast * texture[..., None] * _tint(random, difficulty)
    return surface


def _tint(random: np.random.RandomState, difficulty: Difficulty) -> Field:
    """The direction [3] in RGB in which the two tones of a texture differ: in light and some hue, or in hue alone.

    What differs in hue alone is what eyes see least and the standard tables drop first; a network may need it.
    """
    hue: Field = (random.random_sample(3) - 0.5).astype(np.float32)
    hue = hue - (hue[0] + hue[1] + hue[2]) / 3
    hue = hue / np.sqrt(hue[0] * hue[0] + hue[1] * hue[1] + hue[2] * hue[2] + np.float32(1e-6))
    if random.random_sample() < difficulty.hue_share:
        return between(random, 0, 0.1) + 1.5 * hue
    return 1 + between(random, 0, 0.7) * hue


def _pattern_coordinates(random: np.random.RandomState, difficulty: Difficulty) -> tuple[Field, Field, float]:
    """Pattern coordinates [SIDE, SIDE] after scale, rotation, perspective and warping, and a pixel's size in them."""
    periods = SIDE / log_between(random, *difficulty.period_px)
    cosine, sine = _rotation(random)
    depth = 1 + between(random, -0.25, 0.25) * _X + between(random, -0.25, 0.25) * _Y
    x, y = _X / depth, _Y / depth
    aspect = between(random, 0.88, 1.14)
    warp = between(random, 0.05, 0.3) * octaves(random, SIDE, 4, channels=2)
    u = (cosine * x - sine * y) * (periods / 2 * aspect) + between(random, 0, 8) + warp[..., 0]
    v = (sine * x + cosine * y) * (periods / 2 / aspect) + between(random, 0, 8) + warp[..., 1]
    return u, v, periods / SIDE


def _object(random: np.random.RandomState) -> Field:
    """Where the object is, float32 [SIDE, SIDE] in 0..1: a large ellipse or polygon, sometimes all of the image."""
    radius = between(random, 0.72, 1.3)
    return _shape(random, between(random, -0.2, 0.2), between(random, -0.2, 0.2), radius)


def _occluder(random: np.random.RandomState) -> Field:
    return _shape(random, between(random, -0.9, 0.9), between(random, -0.9, 0.9), between(random, 0.08, 0.3))


def _shape(random: np.random.RandomState, x: float, y: float, radius: float) -> Field:
    cosine, sine = _rotation(random)
    across = cosine * (_X - x) - sine * (_Y - y)
    along = (sine * (_X - x) + cosine * (_Y - y)) * between(random, 0.75, 1.3)
    if random.randint(2):
        distance = radius - np.sqrt(across * across + along * along)
    else:
        sides = [0.8 * radius - np.abs(across), 0.8 * radius - np.abs(along)]
        for _ in range(random.randint(3)):
            cosine, sine = _rotation(random)
            sides.append(0.9 * radius - (cosine * across + sine * along))
        distance = np.minimum.reduce(sides)
    return step(distance, 3 / SIDE)


def _light(random: np.random.RandomState) -> Field:
    """Light float32 [SIDE, SIDE] around 1: a slope, a soft unevenness, darker corners."""
    slope = between(random, -0.25, 0.25) * _X + between(random, -0.25, 0.25) * _Y
    uneven = between(random, 0, 0.12) * octaves(random, SIDE, 4)[..., 0]
    corners = between(random, 0, 0.12) * (_X * _X + _Y * _Y)
    light: Field = 1 + slope + uneven - corners
    return light


def _camera(image: Field, random: np.random.RandomState, difficulty: Difficulty) -> npt.NDArray[np.uint8]:
    """Lens blur, sensor noise (which grows with the light, and is mostly grey as cameras leave it) and rounding."""
    image = _blurred(image, between(random, *difficulty.blur_px))
    level = between(random, *difficulty.noise_levels)
    noise = (0.9 * grain(random, (SIDE, SIDE, 1)) + 0.35 * grain(random, image.shape)) * np.sqrt(
        np.clip(image, 0, 255) / 128 + 0.3
    )
    return np.floor(np.clip(image + level * noise, 0, 255) + 0.5).astype(np.uint8)


def _blurred(image: Field, sigma_px: float) -> Field:
    """Three taps twice along each axis: together a standard deviation of ``sigma_px`` pixels, up to 1."""
    side = sigma_px * sigma_px / 4
    for axis in (0, 1, 0, 1):
        padded = np.pad(image, [(1, 1) if axis == other else (0, 0) for other in range(3)], mode="edge")
        before, after = (np.take(padded, range(start, start + SIDE), axis) for start in (0, 2))
        image = image * (1 - 2 * side) + (before + after) * side
    return image
