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
def statistics(
    images: int,
    height: int,
    width: int,
    factor: int,
    coefficients: npt.NDArray[np.int16],
    tables: npt.NDArray[np.uint8],
    lower: npt.NDArray[np.uint8],
    upper: npt.NDArray[np.uint8],
    bits: npt.NDArray[np.int64],
    squared_error: npt.NDArray[np.int64],
    bits_change: npt.NDArray[np.int64],
    error_change: npt.NDArray[np.int64],
    /,
) -> None: ...
def columns(
    images: int,
    height: int,
    width: int,
    factor: int,
    component: int,
    coefficients: npt.NDArray[np.int16],
    magnitudes: npt.NDArray[np.uint16],
    squared_error: npt.NDArray[np.float64],
    dc_bits: npt.NDArray[np.int64],
    /,
) -> None: ...
def set_step(
    position: int,
    step: int,
    blocks: int,
    magnitudes: npt.NDArray[np.uint16],
    sizes: npt.NDArray[np.uint8],
    present: npt.NDArray[np.uint64],
    /,
) -> None: ...
def entry_bits(
    position: int,
    component: int,
    lowest: int,
    highest: int,
    blocks: int,
    magnitudes: npt.NDArray[np.uint16],
    sizes: npt.NDArray[np.uint8],
    present: npt.NDArray[np.uint64],
    bits: npt.NDArray[np.int64],
    /,
) -> None: ...
