"""The PN532 contactless reader on its high speed UART (NXP UM0701-02): `frames` the bytes, `link` the commands, `reader` the cards.

    link = Link(uart)                       # contract `Uart`; one chip, one antenna
    payment = Pn532Reader(link, rate=106)   # any number of readers share the antenna, one session at a time
    licence = Pn532Reader(link, rate=424)

ISO/IEC 14443-4 (blocks, chaining on air, waiting time extensions) is done by the chip's firmware; what it has no notion of is left to
the host here: two cards at once, why an answer did not come, and APDUs longer than its buffer of 262 bytes.
"""
