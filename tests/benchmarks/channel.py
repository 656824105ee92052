"""A contactless channel by arithmetic: how long one APDU takes on air, on the host link and in the card. Nothing is measured.

Radio: ISO/IEC 14443-3 type A, 9 bits a byte (parity) at fc/128, fc/64, fc/32 or fc/16, one start and one end bit time a frame,
1172/fc of silence before each answer (frame delay) and before each next frame. ISO/IEC 14443-4: I-blocks of one PCB byte and two
CRC bytes, at most `frame` bytes in all; longer APDUs are chained, each piece acknowledged by a three-byte R-block.

Host link: PN532 on UART (HSU), 8N1, so ten bits a byte: InDataExchange D4 40 01 … in a normal or extended frame, its six-byte ACK,
the answer D5 41 00 … in its frame.

Card: `COMPUTE_MS` is the time that the simulated card states for itself; it is a model, not a measurement of any product.
"""

FC = 13_560_000
RATES = {106: 128, 212: 64, 424: 32, 848: 16}  # kbit/s → divisor of fc for one bit
HOST_BAUD = 921_600
SILENCE_S = 1172 / FC
FRAME = 256
ACK_BYTES = 6

COMPUTE_MS = {
    0xA4: 6.0,  # SELECT
    0x84: 4.0,  # GET CHALLENGE
    0x82: 18.0,  # EXTERNAL AUTHENTICATE: BAC
    0x22: 8.0,  # MSE; MSE:Set KAT does the work of chip authentication, see SET_KAT
    0x86: 90.0,  # GENERAL AUTHENTICATE: one multiplication on a 256-bit curve
    0x88: 180.0,  # INTERNAL AUTHENTICATE: an RSA or ECDSA signature
    0xB0: 3.0,  # READ BINARY, and
}
SET_KAT, SET_KAT_MS = b"\x22\x41\xa6", 90.0
COMPUTE_MS_PER_BYTE = 0.02  # of the answer: deciphering memory, enciphering, MAC
COMPUTE_MS_OTHER = 3.0


def _frame_s(count: int, bit: float) -> float:
    """One frame of `count` bytes, PCB and CRC included."""
    return (9 * count + 2) * bit + SILENCE_S


def radio_s(count: int, rate: int, frame: int = FRAME) -> float:
    """One APDU one way, chained and acknowledged as needed."""
    bit = RATES[rate] / FC
    room = frame - 3
    blocks = max(1, (count + room - 1) // room)
    acknowledgements = (blocks - 1) * _frame_s(3, bit)
    return (9 * (count + 3 * blocks) + 2 * blocks) * bit + blocks * SILENCE_S + acknowledgements


def _host_frame(count: int) -> int:
    """Bytes on the UART for a frame with `count` bytes of data: preamble, start, length, checksums, postamble."""
    return count + (7 if count <= 255 else 10)


def host_s(command: int, answer: int) -> float:
    """One exchange on the UART: InDataExchange with `command` bytes out, `answer` bytes in."""
    return 10 * (_host_frame(3 + command) + ACK_BYTES + _host_frame(3 + answer)) / HOST_BAUD


def compute_s(command: bytes, answer: int) -> float:
    """What the card states that it computes for this command."""
    base = SET_KAT_MS if command[1:4] == SET_KAT else COMPUTE_MS.get(command[1], COMPUTE_MS_OTHER)
    return (base + COMPUTE_MS_PER_BYTE * answer) / 1000


def exchange_s(command: bytes, answer: int, rate: int) -> float:
    """One exchange: host link, radio both ways, the card's computing. `answer` is the response APDU's length."""
    return (
        host_s(len(command), answer) + radio_s(len(command), rate) + compute_s(command, answer) + radio_s(answer, rate)
    )
