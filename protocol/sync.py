"""Message numbers of the sync protocol (design §4): one endpoint, CBOR in COSE_Sign1, both ways.

Every message is a tagged-less COSE_Sign1 (ES256). Protected header: {1: -7, 3: content type, 4: key id}. The content type
says role and message, so a signature made for one purpose never serves another. Device messages carry the device's id as key
id (UTF-8), server messages the role key's name ("ack", "cmd", "set-tariff" …).

  POST /v1/sync   HELLO  → WELCOME
                  BATCH  → ACK
                  CLOSE  → RECON
                  AUTHORISE → AUTHORISED   one payment put to its issuer while the card waits. Asking again about the
                  same payment gives the same answer and asks nobody.
  WELCOME may carry COMMANDS; the only one so far begins a new epoch (`terminal.renewal`). It is repeated until the
  terminal's first HELLO of that epoch.
  WELCOME and ACK may carry CLEARED: a receipt signed by "ack" (content type `TYPE_CLEARED`) that names payments whose card
  data have served: the clearing of a TC accepted, the final result of an ARQC given. The terminal erases the sealed data
  and chains the receipt's hash.
  an error reply is HTTP 200 with a REFUSED message signed by "ack", so that it too is bound to the nonce; HTTP 503 means "later".

The payload is a deterministic CBOR map; the field numbers are below. `NONCE` of HELLO (8 random bytes) binds all that follows until
the next HELLO. Does no I/O.
"""

PATH = "/v1/sync"

TYPE_HELLO = "tsd/hello"
TYPE_WELCOME = "tsd/welcome"
TYPE_BATCH = "tsd/batch"
TYPE_ACK = "tsd/ack"
TYPE_CLOSE = "tsd/close"
TYPE_RECON = "tsd/recon"
TYPE_AUTHORISE = "tsd/authorise"
TYPE_AUTHORISED = "tsd/authorised"
TYPE_REFUSED = "tsd/refused"
TYPE_CLEARED = "tsd/cleared"
TYPE_COMMAND = "tsd/cmd"  # key "cmd": {1: device, 2: id, 3: expires, 4: COMMAND_*, 5: bstr}
TYPE_EPOCH = "tsd/epoch"  # key "epoch": {1: device, 2: epoch, 3: seq, 4: hash, 5: count, 6: total, 7: last case number}
COMMAND_EPOCH = "epoch"  # 5 is a message of TYPE_EPOCH
TYPE_OUTCOME = "tsd/outcome"  # one payment outcome's own signature; detached payload = the record's CBOR
TYPE_SET = "tsd/set"  # parameter sets: "tsd/set/tariff" …
TYPE_RECEIPT = "tsd/r"  # the receipt's QR

NONCE = 1
EPOCH = 2
DEVICE = 3  # in replies; a device's own messages name it as the key id

# HELLO
HEAD_SEQ = 4
HEAD_HASH = 5
FIRST_RETAINED = 6
FIRMWARE = 7
SETS = 8  # {place of the kind in SET_KINDS, or its name: version}
UTC = 9
CLOCK = 10
HEALTH = 11  # {text: uint}
TROUBLE = 12  # text: the code because of which the terminal cannot go on; it asks for a new epoch: EPOCH is the latest of which it knows
APPROVAL = 13  # bstr: the approval of its epoch, shown to a server that does not know the epoch (any more)
FORM = 14  # uint: in which form it takes what the server says; absent: 1, that of release 0.1.0
SHORT_FORM = (
    2  # RESULTS without epoch (the session's) and reference (it derives from the payment), CLEARED of payments alone
)
SET_KINDS = ("tariff", "emv", "trust", "officers", "limits")  # of parameter sets

# WELCOME and ACK
ACKED_SEQ = 20
ACKED_HASH = 21
WANTED = 22  # [[first, last] …]
SERVER_UTC = 23
RETRY_AFTER = 24  # seconds
NEW_SETS = 25  # [bstr COSE_Sign1 …]
COMMANDS = 26  # [bstr COSE_Sign1 …]
RESULTS = 27  # [{RESULT_*} …] authorisation results not yet seen back as a record
NEW = 28
DUPLICATES = 29
REJECTED = 30  # [[seq, code] …]
BESIDE = 39  # uint: so many of a batch of ASKED lie beside the chain; absent: none
VOIDS = 38  # [{RESULT_*} …] ends of voids not yet seen back as a record; RESULT_OUTCOME is records.VOID_DONE or VOID_REFUSED
CLEARED = 31  # bstr COSE_Sign1: payload {DEVICE, EPOCH, SERVER_UTC, CLEARED: [intent …]}; form 1: [[intent, acquirer's reference] …]

# a result
RESULT_EPOCH = 1
RESULT_INTENT = 2  # seq of the payment intent
RESULT_OUTCOME = 3  # 1 approved, 3 declined
RESULT_AUTH_CODE = 4
RESULT_REASON = 5  # text: ISO 8583 response code ("00", "51" …)
RESULT_REF = 6  # acquirer's reference

# BATCH
FIRST_SEQ = 40
PREV_HASH = 41
RECORDS = 42  # bstr, see protocol.batch; release 0.1.0: [wire map …], see protocol.wire
SIGNATURES = (
    43  # bstr: those of payment outcomes and voids in a row, 64 bytes each; {index: bstr 64} where one has none
)
SEALED = 44  # {index: bstr} sealed card data (COSE_Encrypt0)
PRIVATE = 45  # {index: bstr} encrypted personal data of reports
CUM_COUNT = 46  # running totals before the batch's first record
CUM_TOTAL = 47
SHARED = 49  # {SEALED: frame, PRIVATE: frame}: what those blobs share and leave out, see protocol.wire
GAP = 48  # uint: the records from this one to the one before FIRST_SEQ are lost for good; a gap record (kind 20) says so too
BRANCH = 50  # SHOWN or ASKED, to a server that holds another chain; GAP says nothing then, and the ACK repeats it, and FIRST_SEQ
SHOWN = 1  # what the chain does not have is kept beside it
ASKED = 2  # nothing is kept: DUPLICATES and BESIDE say whether the server has these

# CLOSE and RECON
LAST_SEQ = 60
TOTALS = 61  # {outcome: [count, centimes]}
BALANCED = 62
DIFFERING = 63  # [seq …]

# AUTHORISE and AUTHORISED (both name intent and amount; AUTHORISE also carries UTC)
INTENT = 80
AMOUNT = 81
CARD_DATA = 82  # bstr COSE_Encrypt0 for the acquirer, DE55 inside; kept by nobody on the way
STATE = 83  # ASKED_*
RESPONSE = 84  # text: the issuer's response code, two characters
AUTH_CODE = 85  # text
REFERENCE = 86  # text: acquirer's reference
ISSUER_DATA = 87  # bstr BER-TLV: 91, 71, 72 … for the card

ASKED_ANSWERED = 1  # RESPONSE is the issuer's word
ASKED_DOUBTFUL = 2  # it may have reached the issuer; no answer, or one of NO_WORD: nobody knows, so it will be reversed
ASKED_NOT = 3  # it never left for the issuer: unable to go online

APPROVED = ("00", "08", "10", "11")  # a RESPONSE that approves, as EMV terminals take them (ISO 8583 field 39)
NOT_REACHED = ("91",)  # a RESPONSE that is not the issuer's word: issuer or switch inoperative, unable to go online
NO_WORD = (
    "09",
    "68",
    "94",
    "96",
)  # in progress, late, received before, malfunction: what was done nobody knows, so it is ASKED_DOUBTFUL

# REFUSED
CODE = 70
MESSAGE = 71
