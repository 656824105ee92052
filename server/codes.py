"""Codes of what the server refuses or sets aside, and the two classes that carry them.

A *refusal* answers the whole message (REFUSED, nothing stored). A *rejection* names one record of an accepted batch:
the record is kept raw, the chain goes on, but nothing is posted from it until a person has looked (`ACK.REJECTED`). An
*alarm* is a line of the audit log at the highest level.
"""

from protocol.errors import ServerError

TOO_LARGE = "SRV-010"  # body over 64 KiB, or more before or behind it than a request may take
MALFORMED = "SRV-011"  # not the message it says it is
UNKNOWN_DEVICE = "SRV-012"
BAD_SIGNATURE = "SRV-013"
WRONG_NONCE = "SRV-014"  # not bound to the last HELLO
WRONG_DEVICE = "SRV-015"  # payload and key id name different devices
WRONG_EPOCH = "SRV-016"
WRONG_TYPE = "SRV-017"
NONCE_REUSED = "SRV-018"
WRONG_TOTALS = "SRV-019"  # running totals of the batch do not continue those on record
BAD_RECORD = "SRV-020"  # record breaks the schema of its kind
BAD_OUTCOME_SIGNATURE = "SRV-021"
NO_INTENT = "SRV-022"  # outcome without the intent that it names
SECOND_OUTCOME = "SRV-023"
AMOUNT_DIFFERS = "SRV-024"
UNKNOWN_KIND = "SRV-025"  # schema version or kind newer than this server
SEALED_DIFFERS = "SRV-026"  # sealed data absent or not those that the record names
PERSONAL_LOST = "SRV-057"  # personal data of a report absent or not those that the record names
SEALED_TOO_LARGE = "SRV-046"  # blob beside a record longer than the acquirer or the authority takes
RESULT_UNEXPECTED = "SRV-027"  # authorisation result for a payment that is not provisional
RESULT_DIFFERS = (
    "SRV-028"  # authorisation result other than the acquirer's, or written down before the acquirer said anything
)
SECOND_NOTICE = "SRV-029"  # a case has one notice
FORK = "SRV-030"  # same sequence, different record
ROLLED_BACK = "SRV-031"  # the device's head is behind what it has sent before
CLOCK_BACK = "SRV-032"  # a record's time is before its predecessor's
COUNTER_BACK = "SRV-033"  # secure element's counter did not advance
ONLINE_UNKNOWN = "SRV-034"  # outcome says approved online, but the issuer's approval did not come through here
PAYMENT_OVER = "SRV-035"  # asked to authorise a payment whose outcome is on record
ASKED_OTHERWISE = "SRV-036"  # the same payment put to the issuer with another amount or other card data
VOID_UNEXPECTED = "SRV-037"  # void of a payment that is not approved, or was voided before, or an end of no void
VOID_ANOTHER_CARD = "SRV-038"  # the void's card is not the payment's
VOID_ONE_OFFICER = "SRV-039"  # a void needs the badges of two officers
BUSY = "SRV-040"
OTHER_SITE = "SRV-048"  # a request for the console that is addressed to another name than the loopback's
NOT_WRITTEN = "SRV-041"  # the database refused: nothing was stored, later
DAMAGED = "SRV-042"  # the database says that it is damaged: nothing is taken or acknowledged any more until a backup is put back
UNEXPECTED = "SRV-047"  # the server failed over a message, which is its own fault: nothing was stored, an alarm says so
GAP_OTHERWISE = "SRV-043"  # a gap record that says something else than the records around the gap
GAP_CLOSED = "SRV-044"  # a record of a range that was declared lost
EPOCH_STALE = "SRV-045"  # the chain went on after the new epoch was approved, or the approval is no longer valid
BESIDE_FULL = "SRV-049"  # too many records lie beside the chain of a device: no more are kept
ACQUIRER_UNREACHABLE = "SRV-050"
ACQUIRER_NONSENSE = "SRV-051"
UNSENDABLE = "SRV-053"  # a request that ISO 8583 cannot express, or whose record cannot be read: a person must look
REVERSED = "SRV-054"  # approved at last, but its reversal had been asked for: declined, and reversed once more
OTHER_AMOUNT = "SRV-052"  # the acquirer's answer is about another amount than was asked, as a partial approval is
UNBALANCED = "SRV-060"  # a posting whose legs do not add up to zero
NO_SUCH_PAYMENT = "SRV-061"
OUTCOME_LOST = "SRV-063"  # approved result of a payment whose outcome is among lost records: its money is in suspense
PAID_TWICE = "SRV-062"  # two payments of one case stand: one of them is to be given back
PAID_UNASKED = (
    "SRV-065"  # a payment without a notice, though none of its terminal's records is lost: posted, since it was taken
)
PAID_OTHERWISE = "SRV-064"  # a payment is not of its notice's amount: posted, since it was taken, and its case does not count as paid
LEDGER_DIFFERS = "SRV-074"  # the whole recomputation has found what does not agree with the posted ledger
NOT_RECOMPUTED = "SRV-075"  # the whole recomputation could not be made
WORKER_FAILED = "SRV-076"  # the settling worker met what it does not know: it goes on, later each time
OPEN_QUESTIONS = "SRV-066"  # too many questions to issuers whose outcomes are not on record: no more are put, the terminal goes on offline
BLOCKED = "SRV-067"  # two officers have blocked this terminal: nothing is taken from it until they unblock it


class RefusedError(ServerError):
    """The message is answered with REFUSED; nothing of it was stored. `noted`: whoever raises it has told the audit log, or has before."""

    def __init__(self, code: str, message: str, noted: bool = False) -> None:
        super().__init__(message, code)
        self.noted = noted


class AcquirerError(ServerError):
    """The acquirer's host cannot be reached, is silent, or answers nonsense: the request stays doubtful.

    `unsent`: not a byte of the request has left.
    """

    code = ACQUIRER_UNREACHABLE
    unsent = False
