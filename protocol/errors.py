"""The tree of errors: every one has a stable code that an officer can read out on the phone.

    TasdidError
    ├── FormatError          FMT  bytes that break a format (CBOR, TLV, APDU, DER, COSE, base45 …)
    ├── CryptoError          CRY  a signature, tag or key that does not hold
    ├── CardError            CRD  the link to a card: absent, removed, silent, protocol
    ├── LicenceError         LIC  the licence chip's access or files, the MRZ
    ├── EmvError             EMV  the payment card breaks EMV, or the kernel cannot go on
    ├── PrinterError         PRN  paper, cover, heat, silence
    ├── NetworkError         NET  server unreachable, time-out, bad reply
    ├── SecureElementError   SEC  secure element absent or refusing
    ├── JournalError         JRN  journal damaged, full, rolled back
    ├── ParameterError       PRM  signed parameter sets: signature, version, date, content
    ├── OfficerError         OFC  log-in, rights, locked
    ├── RiskError            RSK  a limit that stops a sale
    ├── ServerError          SRV  refusals of the central server
    └── ConfigError          CFG  the set-up of a machine or a device

A code is three letters and three digits (`LIC-104`). A message says what happened, the hint what to do; neither ever holds a
PAN, a PIN, a name, a document number or a key. Codes are never reused; `docs/errors.md` lists them all.
"""


class TasdidError(Exception):
    """Root of all coded errors.

    `code`: stable code; `message`: what happened; `hint`: what to do about it; `detail`: a short machine-readable word or
    number (a field's name, a status word, an offset), never personal data.
    """

    code = "GEN-000"
    hint = ""

    def __init__(
        self, message: str, code: "str | None" = None, hint: "str | None" = None, detail: object = None
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if hint is not None:
            self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        return self.code + " " + self.message + (" - " + self.hint if self.hint else "")


class FormatError(TasdidError):
    """Bytes that break their format. `detail` is the offset where known."""

    code = "FMT-001"


class CryptoError(TasdidError):
    """A signature, tag, certificate or key that does not hold."""

    code = "CRY-001"


class CardError(TasdidError):
    """The link to a card."""

    code = "CRD-001"


class NoCardError(CardError):
    """No card in the field or slot."""

    code = "CRD-002"
    hint = "present the card"


class CardRemovedError(CardError):
    """The card left while it was being used."""

    code = "CRD-003"
    hint = "present the same card again"


class CardSilentError(CardError):
    """The card is there but does not answer in time."""

    code = "CRD-004"
    hint = "take the card out and present it again"


class CardStatusError(CardError):
    """The card refused a command; `detail` is the status word (int)."""

    code = "CRD-005"


class CardCollisionError(CardError):
    """More than one card in the field of a contactless reader (EMV Contactless Book D: collision)."""

    code = "CRD-016"
    hint = "present one card only"


class LicenceError(TasdidError):
    """The licence chip cannot be read, or its MRZ is wrong."""

    code = "LIC-001"


class MrzError(LicenceError):
    """A check digit or character of the MRZ is wrong; `detail` names the field."""

    code = "LIC-010"
    hint = "type the field again as printed"


class EmvError(TasdidError):
    """The payment card breaks EMV, or the kernel cannot go on."""

    code = "EMV-001"


class PrinterError(TasdidError):
    """The printer cannot print or does not say that it printed."""

    code = "PRN-001"


class NetworkError(TasdidError):
    """The server cannot be reached or answers nonsense."""

    code = "NET-001"
    hint = "everything is kept; try again when there is a network"


class SecureElementError(TasdidError):
    """The secure element is absent, refuses, or answers nonsense."""

    code = "SEC-001"


class JournalError(TasdidError):
    """The journal is damaged, full or rolled back."""

    code = "JRN-001"


class ParameterError(TasdidError):
    """A signed parameter set is not acceptable."""

    code = "PRM-001"


class OfficerError(TasdidError):
    """Log-in, rights, lock-out. `detail` may be the number of attempts left."""

    code = "OFC-001"


class RiskError(TasdidError):
    """A limit stops a sale; `detail` names the limit."""

    code = "RSK-001"


class ServerError(TasdidError):
    """The central server refuses a message."""

    code = "SRV-001"


class ConfigError(TasdidError):
    """The set-up of a machine or a device is incomplete or contradictory."""

    code = "CFG-001"
