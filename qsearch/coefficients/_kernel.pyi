from typing_extensions import Buffer

FORMAT: int

def blocks(height: int, width: int, factor: int, /) -> int: ...
def forward(
    images: int, height: int, width: int, factor: int, pixels: Buffer, coefficients: Buffer, /
) -> None: ...
def sizes(
    images: int, height: int, width: int, factor: int, coefficients: Buffer, tables: Buffer, size_bytes: Buffer, /
) -> None: ...
def encode(
    images: int,
    height: int,
    width: int,
    factor: int,
    coefficients: Buffer,
    tables: Buffer,
    size_bytes: Buffer,
    pixels: Buffer,
    /,
) -> None: ...
def paths() -> list[str]: ...
def use(path: str, /) -> None: ...
