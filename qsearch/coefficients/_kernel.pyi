import numpy as np
import numpy.typing as npt

FORMAT: int

def blocks(height: int, width: int, factor: int, /) -> int: ...
def forward(
    images: int,
    height: int,
    width: int,
    factor: int,
    pixels: npt.NDArray[np.uint8],
    coefficients: npt.NDArray[np.int16],
    /,
) -> None: ...
def sizes(
    images: int,
    height: int,
    width: int,
    factor: int,
    coefficients: npt.NDArray[np.int16],
    tables: npt.NDArray[np.uint8],
    size_bytes: npt.NDArray[np.int64],
    /,
) -> None: ...
def encode(
    images: int,
    height: int,
    width: int,
    factor: int,
    coefficients: npt.NDArray[np.int16],
    tables: npt.NDArray[np.uint8],
    size_bytes: npt.NDArray[np.int64],
    pixels: npt.NDArray[np.uint8],
    /,
) -> None: ...
def paths() -> list[str]: ...
def use(path: str, /) -> None: ...
