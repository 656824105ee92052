"""The least conversation with which anybody could read the same files of the same card and prove the same: exchanges by arithmetic.

The reader of the minimum knows the card's largest chunk beforehand, asks for nothing twice, and reads each file in as few pieces as
the card allows. Two kinds: one knows every file's length beforehand, which no real reader does; the other does not, and a card that
answers 6Cxx to an over-long Le then costs one more exchange for each file shorter than a chunk. Access, selection and the
chip's proof are counted as the protocol demands them: EF.CardAccess looked for, BAC or PACE, chip authentication with one command
under its keys, active authentication.
Computed apart from `protocol`: sizes follow ISO/IEC 7816-4 section 10 and ICAO Doc 9303-11 section 9.8.
"""


def secured_command(data: int, le: int, block: int, read_extended: bool = False) -> int:
    """Bytes of a protected command with `data` bytes of data and `le` bytes of Le (0: none)."""
    body = (_object(1 + _padded(data, block)) if data else 0) + (2 + le if le else 0) + 10
    return 4 + (3 if read_extended else 1) + body + (2 if read_extended else 1)


def secured_answer(data: int, block: int) -> int:
    """Bytes of a protected answer with `data` bytes: DO 87, DO 99, DO 8E, status."""
    return (_object(1 + _padded(data, block)) if data else 0) + 4 + 10 + 2


def _padded(count: int, block: int) -> int:
    return (count // block + 1) * block


def _object(count: int) -> int:
    return count + (2 if count < 0x80 else 3 if count < 0x100 else 4)


class Conversation:
    """Exchanges as (header of the command, its bytes, the answer's bytes)."""

    def __init__(self, asks_again: bool) -> None:
        """`asks_again`: the card answers 6Cxx to a Le beyond a file's end, and the reader does not know lengths beforehand."""
        self.exchanges: list[tuple[bytes, int, int]] = []
        self.asks_again = asks_again

    def add(self, header: str, command: int, answer: int) -> None:
        """One exchange; `header` is CLA INS P1 P2 in hex."""
        self.exchanges.append((bytes.fromhex(header), command, answer))

    def read(self, total: int, chunk: int, block: int) -> None:
        """One file. Its length stands in its first bytes: only a file that fits one chunk can surprise."""
        if self.asks_again and total < chunk:
            self.add("0CB00000", secured_command(0, 1, block), secured_answer(0, block))
        while total > 0:
            piece = min(total, chunk)
            wide = chunk > 256
            self.add("0CB00000", secured_command(0, 2 if wide else 1, block, wide), secured_answer(piece, block))
            total -= piece


def bac(files: list[int], chunk: int, asks_again: bool) -> Conversation:
    """EF.CardAccess looked for in vain, BAC, and the files, by their lengths."""
    found = Conversation(asks_again)
    found.add("00B09C00", 5, 2)
    found.add("00A4040C", 12, 2)
    found.add("00840000", 5, 10)
    found.add("00820000", 46, 42)
    for total in files:
        found.read(total, chunk, 8)
    return found


def pace(files: list[int], chunk: int, asks_again: bool, card_access: int, point: int) -> Conversation:
    """PACE with generic mapping over a curve whose points take `point` bytes, then the files, AES throughout."""
    found = Conversation(asks_again)
    if asks_again:
        found.add("00B09C00", 5, 2)
    found.add("00B09C00", 5, card_access + 2)
    found.add("0022C1A4", 5 + 12 + 3, 2)
    found.add("10860000", 8, 2 + 2 + 16 + 2)  # the nonce
    for _ in range(2):  # mapping, key agreement
        found.add("10860000", 6 + 2 + 2 + point, 2 + 2 + point + 2)
    found.add("00860000", 6 + 2 + 2 + 8, 2 + 2 + 8 + 2)  # tokens
    found.add("0CA4040C", secured_command(7, 0, 16), secured_answer(0, 16))
    for total in files:
        found.read(total, chunk, 16)
    return found


def chip_authentication(found: Conversation, point: int, block: int, aes: bool) -> None:
    """With AES: MSE:Set AT and GENERAL AUTHENTICATE; with 3DES: MSE:Set KAT. What proves the new keys is one of the reads."""
    if aes:
        found.add("0C2241A4", secured_command(12, 0, block), secured_answer(0, block))
        found.add("0C860000", secured_command(4 + point, 1, block), secured_answer(2, block))
    else:
        found.add("0C2241A6", secured_command(2 + point, 0, block), secured_answer(0, block))


def active_authentication(found: Conversation, signature: int, block: int) -> None:
    """INTERNAL AUTHENTICATE."""
    found.add("0C880000", secured_command(8, 1, block), secured_answer(signature, block))
