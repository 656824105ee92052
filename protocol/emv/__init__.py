"""The EMV contact kernel: EMV 4.4 Books 1 to 4 as one sans-I/O generator, on both runtimes.

    from protocol.emv.kernel import transact
    from protocol.emv.params import EmvParams

    params = EmvParams(body)                       # body map of the signed set "emv"; ParameterError if it is unusable
    result = yield from transact(txn, params, crypto, un)

`txn` is a dict: amount (uint, centimes), currency (uint, 12), country (uint, 12), date "YYMMDD", time "HHMMSS", type (0x00),
counter (uint, 1..99999999) and, if wanted, merchant (text, 9F4E), terminal_id (8 characters), merchant_id (15 characters),
serial (8 characters), mcc (uint); currency and country are ISO numeric codes. `un`: 4 bytes of a cryptographic generator, new
for every try. Leave any of them out that are wanted, and it is a KeyError: that is the caller's bug, not the card's.

The generator yields tuples and is sent their answers (a `CardError` of the link is thrown in and comes out again):

    ("apdu", command)            -> response with SW1 SW2. For VERIFY `command` is a bytearray, wiped afterwards: never keep it
    ("choose", [label, …])       -> index, or None: the cardholder cancelled
    ("identified", {aid, label, pan, psn, expiry})
                                 -> None to go on | a reason text to stop | {"exception": bool, "online": bool, "logged": uint}:
                                    card on a hot list; force online; centimes already spent with this card (floor limit)
    ("pin", tries | None, last)  -> ASCII digits (bytes-like; a bytearray is wiped), or None: entry bypassed. `tries`: left as far
                                    as the card tells; `last`: True on the last one. Asked again after a wrong PIN
    ("online_pin", {pan, psn})   -> True when the terminal made a PIN block, None when bypassed (if 9F33 announces online PIN)
    ("random", n)                -> n random bytes
    ("first_gac", {})            -> None; asked just before the first GENERATE AC
    ("online", de55)             -> None: unable to go online | {"sent": True}: sent, but no answer came (never a second
                                    cryptogram then; a reversal is wanted) | {"arc": "00", "issuer_auth": bytes (91),
                                    "scripts": bytes (71 and 72 TLVs), "data": bytes (the host's whole DE55), "auth_code": text}
    ("progress", step, done, total) -> None; steps "select", "records", "oda", "cvm", "gac"

It returns a `kernel.Result`:

    outcome      records.OUTCOME_APPROVED | _PROVISIONAL | _DECLINED (interrupted is the caller's: a CardError came out)
    reason       "Y1" TC offline, "Y3" TC unable to go online, "00"… the issuer's response code, "DEFERRED", "Z1" declined offline,
                 "Z3" declined unable to go online, "STOP" the caller stopped it (`detail` has its text), or an EMV-1xx code
    detail       text, never personal
    terminated   True if the card was left before it gave any cryptogram
    error        the coded EmvError behind an EMV-1xx reason, or None
    aid, label   bytes, text (printable ASCII)
    pan, psn     ASCII digits (bytes), int or None;  expiry  3 bytes BCD YYMMDD;  track2  tag 57, only when provisional, else b""
                 (the caller seals these and forgets them: `result.forget()`)
    tvr, tsi, cvm_results   bytes 5, 2, 3, as they stood at the end; the TVR that the cryptogram was made over is tag 95 in de55
    cid, cryptogram, atc, iad, un   int, bytes 8, int, bytes, bytes 4 - of the one cryptogram that may be presented
    de55         BER-TLV: frozen at the first GENERATE AC (provisional, or sent online), clearing data after a TC, b"" otherwise
    auth_code, arc   text
    oda, cda_ok  "cda" | "dda" | "sda" | "none"; whether the presented cryptogram is inside a valid CDA signature
    signature    True if the cardholder must sign (`protocol.emv.holder` says what verified whom);  pin_ok  True if the card accepted
                 a PIN offline;  device  True if the holder's own device has verified its holder (contactless)
    reversal     True if something sent online must be reversed;  advice  True if the card asked for an advice
    script_results   5 bytes a script: 20 done or 1n the n-th command failed, script identifier
    explain      list of (what, why) codes in order, see `protocol.emv.explain`; never card data beyond codes

Errors. Card data that breaks EMV ends in OUTCOME_DECLINED with one of:

    EMV-101  not strict BER-TLV                       EMV-110  no application in common
    EMV-102  data object of a wrong length or format  EMV-111  card blocked (or not an EMV card)
    EMV-103  data object twice                        EMV-112  the application is blocked
    EMV-104  mandatory data object missing            EMV-113  the cardholder cancelled the choice
    EMV-105  status word that ends a transaction      EMV-120  cryptogram that was not asked for
    EMV-106  application file locator                 EMV-121  CDA failed
    EMV-107  data object list                         EMV-122  offline approval without CDA refused
    EMV-108  wrong response template                  EMV-123  second cryptogram refused (unable to go online, AAC instead of TC)

EMV-130 (a certificate or signature does not hold) never ends a transaction by itself: it sets its TVR bit, `explain` has the rule.
`EmvError.detail` names the tag, command or status word. Parameters: PRM-120..124.

Not here: contactless, XDA and ECC certificates, biometrics, split sales (the caller gives `logged`), voice referral.
"""
