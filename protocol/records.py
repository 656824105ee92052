"""The journal's records: schema 1, field numbers, kinds, hash, chain and running totals.

A record is a deterministic CBOR map with unsigned keys (`protocol.cbor`). Keys below 20 are common to all kinds, keys from 20 on
mean the same thing in whatever kind they occur. A record's hash is SHA-256 over its CBOR; neither signatures nor sealed blobs are
part of it. Does no I/O and holds no state: the journal (`terminal.journal`) and the server (`server.ingest`) both build on it.
"""

SCHEMA = 1

# common keys
V = 1  # schema version
DEVICE = 2  # text, e.g. "TSD-000001"
EPOCH = 3
SEQ = 4  # 1, 2, 3 … without gaps within an epoch; a new epoch goes on counting
PREV = 5  # SHA-256 of the record before (32 zero bytes before the first)
COUNTER = 6  # secure element's journal counter after this record
CUM_COUNT = (
    7  # approved payments so far, this record included; a void takes nothing back here, it is counted apart (VOIDED)
)
CUM_TOTAL = 8  # approved centimes so far, this record included; never falls
UTC = 9
CLOCK = 10  # quality, drivers.contracts.small.CLOCK_*
KIND = 11
OFFICER = 12  # number (uint); 0 = nobody logged in
UNIT = 13  # text, unit code

# body keys
CASE = 20  # uint, the device's case number: 1, 2, 3 …
PV = 21  # text, report (proces-verbal) number; gapless
OFFENCE = 22  # text, "66/D-24"
TARIFF = 23  # uint, version of the tariff applied
AMOUNT = 24  # uint, centimes of DZD
POINTS = 25
VERDICT = 26  # VERDICT_*
LICENCE_TOKEN = 27  # bytes 8 (`protocol.tokens`), keyed hash of the licence number
FINDINGS = 28  # list of text codes (LIC-2xx)
OUTCOME = 29  # OUTCOME_*
REASON = 30  # text: an error or reason code
INTENT = 31  # uint: seq of the payment intent = the payment's identity (device, epoch, intent seq)
AID = 32  # bytes
LAST4 = 33  # text, last four digits of the PAN
SCHEME = 34  # text, application label
TVR = 35  # bytes 5
CID = 36  # uint
CRYPTOGRAM = 37  # bytes 8
ATC = 38  # uint
AUTH_CODE = 39  # text
SEALED = 40  # bytes 32: SHA-256 of the sealed blob kept beside the journal
TOKEN = 41  # bytes 8, random token of the receipt
DISPOSITION = 42  # DISPOSITION_*
COPY = 43  # COPY_*
WILAYA = 45  # 1..69
FORCE = 46  # FORCE_*
CARD_TOKEN = 47  # bytes 8 (`protocol.tokens`), keyed hash of the PAN
ACQUIRER_REF = 48  # text
SET_KIND = 49  # text: "tariff", "emv", "trust", "officers", "limits"
SET_VERSION = 50
CLOSURE = 52  # CLOSURE_*
PRIVATE = 53  # bytes 32: SHA-256 of the encrypted personal data of the report
PLACE = 54  # text
TOTALS = 55  # map outcome → [count, centimes], shift closed
SHIFT = 56  # uint
HEALTH = 57  # text: what happened ("boot", "power-cut", "printer", …)
FIRST = 58  # uint: first seq of the shift (directly behind the closing before it), or of a gap
ONLINE = 59  # ONLINE_*, in an outcome whose cryptogram went to the issuer while the card waited
INTENTS = 60  # list of uint: payments (seq of their intents)
RECEIPT = 61  # bytes 32: SHA-256 of the signed receipt by which the acquirer has what it needs
GAP_LAST = 64  # uint: last seq of a gap
GAP_HASH = 65  # bytes 32: hash of the gap's last record, where the record after it names it
GAP_COUNT = 66  # uint: approved payments among the lost records
GAP_TOTAL = 67  # uint: approved centimes among the lost records
SECOND_OFFICER = 68  # uint: number of the officer whose badge a void needs
INTERFACE = 69  # INTERFACE_*, of a payment
HOLDER = 71  # HOLDER_*, of an outcome approved or provisional, where the kernel told
GAP_ONCE = 72  # uint: the centre once had everything up to here when the gap was declared; absent in older records
VOID_STATE = 80  # VOID_*, in a void
SCRIPT_RESULTS = (
    81  # bytes 5n: what became of the issuer's scripts (EMV Book 4, annex A5), in an outcome where there were any
)
MOST_SCRIPT_RESULTS = 250  # bytes of them; fifty scripts are more than an answer of 255 bytes can hold commands for

# kinds
PROVISIONED = 1
SHIFT_OPENED = 2
SHIFT_CLOSED = 3
LOGIN = 4
LICENCE_READ = 5
NOTICE = 6
ACKNOWLEDGED = 7
PAYMENT_INTENT = 8
PAYMENT_OUTCOME = 9
AUTHORISATION_RESULT = 10
VOID = 11
LICENCE_DISPOSITION = 12
RECEIPT_PRINTED = 13
OUTAGE_BEGIN = 14
OUTAGE_END = 15
PARAMETERS_APPLIED = 16
FIRMWARE_EVENT = 17
HEALTH_EVENT = 18
NEW_EPOCH = 19
GAP = 20
CASE_CLOSED = 21
CARD_DATA_ERASED = 22  # sealed card data of INTENTS erased on RECEIPT

SIGNED = (PAYMENT_OUTCOME, VOID)  # kinds that move money: each record of them has a signature of its own

VOID_ASKED = 1  # two officers and the card want the payment INTENT back; the acquirer is to be asked
VOID_DONE = 2  # the acquirer has reversed it
VOID_REFUSED = 3  # it has not, and will not: the payment stands

ONLINE_ANSWERED = 1  # the issuer's answer came; an approval needs no sealed data
ONLINE_DOUBTFUL = 2  # no answer: whatever it was, it is to be reversed

INTERFACE_CONTACT = 1  # also where the key is absent
INTERFACE_CONTACTLESS = 2

HOLDER_UNVERIFIED = 1  # no method was needed, or none succeeded
HOLDER_PIN = 2  # offline PIN, checked by the card
HOLDER_ONLINE_PIN = 3  # checked by the issuer
HOLDER_SIGNATURE = 4  # on paper, compared by the officer
HOLDER_PIN_SIGNATURE = 5  # both offline PIN and signature
HOLDER_DEVICE = 6  # by the holder's own device

OUTCOME_APPROVED = 1
OUTCOME_PROVISIONAL = 2
OUTCOME_DECLINED = 3
OUTCOME_INTERRUPTED = 4

VERDICT_GENUINE = 1  # data and chip genuine
VERDICT_DATA_GENUINE = 2  # data genuine, chip not proven
VERDICT_ALTERED = 3
VERDICT_UNKNOWN_ISSUER = 4
VERDICT_CLONE = 5
VERDICT_UNREADABLE = 6
VERDICT_NOT_VERIFIED = 7  # paper or foreign licence

DISPOSITION_RETURNED = 1
DISPOSITION_RETAINED = 2
DISPOSITION_RELEASE_GRANTED = 3  # retained before; the authorisation has arrived

COPY_DRIVER = 1
COPY_OFFICER = 2
COPY_DUPLICATE = 3

CLOSURE_PAID = 1
CLOSURE_PROVISIONAL = 2
CLOSURE_UNPAID = 3  # driver chose to pay later
CLOSURE_DECLINED = 4
CLOSURE_ABANDONED = 5  # REASON says why, ABANDON_REASONS

ABANDON_REASONS = ("no-offence", "entry", "emergency", "left", "fault")  # what an officer may choose
ABANDON_POWER = "power"  # the terminal lost its power between the verdict and the notice
ABANDON_IDLE = "idle"  # nobody pressed a key

FORCE_POLICE = 1
FORCE_GENDARMERIE = 2

ZERO_HASH = b"\0" * 32


def approved_step(record: dict) -> "tuple[int, int]":
    """(count, centimes) that this record adds to the running totals of approved payments.

    An approved outcome adds its amount; so does an authorisation result that approves a provisional one.
    """
    kind = record[KIND]
    if kind in (PAYMENT_OUTCOME, AUTHORISATION_RESULT) and record.get(OUTCOME) == OUTCOME_APPROVED:
        return 1, record[AMOUNT]
    return 0, 0


LATE = 10  # totals key of an authorisation result: LATE + its outcome
VOIDED = 20  # totals key of a void that was done


def totals_step(totals: dict, record: dict) -> None:
    """Count a record into `totals` {key: [count, centimes]}: payment outcomes by outcome, late results by LATE + outcome,
    voids that were done by VOIDED.

    The key is additive: nothing is moved, so a shift's totals do not depend on what happened in another one.
    """
    kind = record[KIND]
    if kind == PAYMENT_OUTCOME:
        key = record[OUTCOME]
    elif kind == AUTHORISATION_RESULT:
        key = LATE + record[OUTCOME]
    elif kind == VOID and record.get(VOID_STATE) == VOID_DONE:
        key = VOIDED
    else:
        return
    entry = totals.get(key)
    if entry is None:
        totals[key] = [1, record[AMOUNT]]
    else:
        entry[0] += 1
        entry[1] += record[AMOUNT]
