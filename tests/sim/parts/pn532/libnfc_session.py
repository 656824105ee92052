"""libnfc (through ctypes) as a client of a PN532: lists the first card of type A and sends it APDUs. Run as a program by the tests.

`python libnfc_session.py DEVICE APDU…` prints UID and ATS, then one answer a line, in hex. Exit code 3: no libnfc, 4: no device, 5: no
card, 6: an APDU failed.
"""

import ctypes
import ctypes.util
import sys

_ISO14443A, _106 = 1, 1
_ROOM = 1024


class Modulation(ctypes.Structure):
    """nfc_modulation."""

    _fields_ = [("nmt", ctypes.c_int), ("nbr", ctypes.c_int)]  # noqa: RUF012 - ctypes' way


def main(words: list[str]) -> int:
    """One session."""
    name = ctypes.util.find_library("nfc")
    if name is None:
        return 3
    nfc = ctypes.CDLL(name)
    nfc.nfc_open.restype = ctypes.c_void_p
    context, target = ctypes.c_void_p(), ctypes.create_string_buffer(_ROOM)
    nfc.nfc_init(ctypes.byref(context))
    device = nfc.nfc_open(context, words[0].encode())
    if not device:
        return 4
    device = ctypes.c_void_p(device)
    nfc.nfc_initiator_init(device)
    nfc.nfc_initiator_select_passive_target.argtypes = [
        ctypes.c_void_p, Modulation, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p,
    ]  # fmt: skip
    if nfc.nfc_initiator_select_passive_target(device, Modulation(_ISO14443A, _106), None, 0, target) < 1:
        return 5
    text = ctypes.c_char_p()
    nfc.str_nfc_target(ctypes.byref(text), target, True)
    print((text.value or b"").decode().replace("\n", "|"))
    answer = ctypes.create_string_buffer(_ROOM)
    for apdu in words[1:]:
        command = bytes.fromhex(apdu)
        count = nfc.nfc_initiator_transceive_bytes(
            device, command, ctypes.c_size_t(len(command)), answer, ctypes.c_size_t(_ROOM), 2000
        )
        if count < 0:
            return 6
        print(answer.raw[:count].hex())
    nfc.nfc_initiator_deselect_target(device)
    nfc.nfc_close(device)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
