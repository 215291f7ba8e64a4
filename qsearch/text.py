"""Text from elsewhere made fit to be shown and kept: one bounded line without control characters, in UTF-8."""

from qsearch.errors import InputError, QSearchError

LONGEST_REASON = 1000
"""Characters of a reason; what tells one failure from another stands in fewer."""


def one_line(text: str, longest: int = LONGEST_REASON) -> str:
    """``text`` as one line of at most ``longest`` characters that any terminal, file and database takes.

    White space becomes a space; control characters and bytes that were no UTF-8 are shown escaped (``\\x1b``).
    """
    words = " ".join(text[: 4 * longest].split())
    line = "".join(character if character.isprintable() else _escaped(character) for character in words)
    return line if len(line) <= longest and len(text) <= 4 * longest else f"{line[: longest - 4]} ..."


def reason_of(error: BaseException) -> str:
    """Why something failed, as :func:`one_line`: the sentence of an error of this package, else type and message."""
    try:
        message = str(error)
    except Exception as broken:  # an error of a plug-in may not even say what it is
        message = f"its message cannot be had, {type(broken).__name__}"
    return one_line(message if isinstance(error, QSearchError) else f"{type(error).__name__}: {message}")


def check_utf8(text: str, what: str) -> None:
    """InputError where ``text``, called ``what`` in the sentence, cannot be kept as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{what} '{one_line(text)}' is not UTF-8: rename it, for it is kept by its name.") from error


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that os.fsdecode could not decode
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
