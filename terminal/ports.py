"""What a board hands to the application: one object for each contract of `drivers.contracts`, and the read-only data of the image."""


class Ports:
    """All that the application touches of the outside world. A board fills every field; `scanner` and `diagnostic` may be None;
    `pictures` (drivers.contracts.picture) is None where portraits are neither read nor shown; `answer_room` is what one extended answer of a
    licence may hold (0: extended length is not used); `file_room` is the largest file of it that is kept (0: what a
    microcontroller keeps); `contactless_reader` is the antenna for payment cards, `indicator` its lights and sounder, None where there is
    none; `batch_bytes` is about what one message to the server may hold; `curves_in_element`: the licence's elliptic-curve work goes to the
    secure element, because this processor is slower."""

    def __init__(
        self,
        *,
        storage,
        se,
        crypto,
        clock,
        display,
        keypad,
        scanner,
        printer,
        licence_reader,
        payment_reader,
        network,
        diagnostic,
        atlas,
        strings,
        pictures=None,
        answer_room=0,
        file_room=0,
        contactless_reader=None,
        indicator=None,
        curves_in_element=False,
        batch_bytes=6144,
    ) -> None:  # noqa: ANN001, E501 - contracts; duck-typed on MicroPython
        self.storage = storage
        self.se = se
        self.crypto = crypto
        self.clock = clock
        self.display = display
        self.keypad = keypad
        self.scanner = scanner
        self.printer = printer
        self.licence_reader = licence_reader
        self.payment_reader = payment_reader
        self.network = network
        self.diagnostic = diagnostic
        self.atlas = atlas
        self.strings = strings
        self.pictures = pictures
        self.answer_room = answer_room
        self.file_room = file_room
        self.contactless_reader = contactless_reader
        self.indicator = indicator
        self.curves_in_element = curves_in_element
        self.batch_bytes = batch_bytes

    def release(self) -> None:
        """Let go of drivers that are only loaded while they are used (`drivers.late_reader`); no card session may be on."""
        for reader in (self.licence_reader, self.contactless_reader):
            release = getattr(reader, "release", None)
            if release is not None:
                release()
