"""The codes in which the kernel explains itself. Texts in three languages are `terminal`'s; here is what a code stands for.

`Result.explain` is a list of (what, why), in the order things happened. No card data is in it: only tags, bits, status words.

    what                     why
    SELECT, PSE, GPO         how an application was chosen, refused or given up; not-of-this-answer: an object that only a record may give
    ODA CDA                  selected 82 9F33: the method, from the AIP and the terminal capabilities
    XDA                      signature holds; bits of the TVR that mean something else to Kernel 2 end in an x when they are XDA's: B5b3x, B5b2x
    TVR BnbM                 rule and data objects that set bit M of byte n of the TVR: "floor 9F02 9F1B"
    TSI BnbM                 what the terminal did: oda-done, cvm-done, card-risk-done, issuer-auth-done, risk-done, scripts-done
    CVM rule n               the n-th rule of the CVM list: condition-not-met, unsupported, performed with its code
    CVM xxxxxx               the CVM results, or why there are none
    PIN, PIN-KEY             wrong, already-blocked, already-bypassed, no-encipherment-key
    TAC-DENIAL BnbM          that bit of the TVR met the terminal's (IAC-: the issuer's) action code; also -ONLINE, -DEFAULT
    RULE                     offline-needs-cda, deferral, no-second-cryptogram, never-offline, online-pin-goes-online: rules of this
                             terminal on top of EMV; device-needs-cda is Kernel 2's; xda-failed-online: what XDA could not prove
                             is for the issuer to judge, who sees the TVR
    GAC1 asked xx            card gave yy (cryptogram information data)
    CDA                      signature holds
    COMBINATION              kernel n, or why one was given up
    TTQ, CTQ                 the qualifiers of Kernel 3 in hex; behind the card's the object they came from, 9F6C or 9F69
    K3 …                     random, restriction, fdda, cvm, switch: what Kernel 3 found (its TVR stays zero)
    TORN                     what became of a GENERATE AC whose answer was not heard (Kernel 2): remembered, recovered, not-recovered, dropped
    PHONE, LIMIT             Kernel 2: the device wants its holder; over the contactless limit
    DE55                     left-out and a tag: its value did not fit into the acquirer's field 55
    ONLINE                   unable, sent-without-answer, or the issuer's response code
    OUTCOME                  the reason of the result
"""


def lines(explain: "list[tuple[str, str]]", prefix: str) -> "list[str]":
    """The reasons of every line whose code begins with `prefix` ("TVR B4b8", "IAC-ONLINE")."""
    return [why for what, why in explain if what.startswith(prefix)]


_LASTING = ("COMBINATION", "PPSE", "TORN", "PHONE", "LIMIT", "FORMAT", "GPO")


def lasting(explain: "list[tuple[str, str]]") -> "list[tuple[str, str]]":
    """What stays true of a presentation or combination that was given up: how it ended. Bits, rules, cryptograms and methods were its alone."""
    return [pair for pair in explain if pair[0] in _LASTING and not pair[1].startswith("card gave ")]


def continued(earlier: "list[tuple[str, str]]", now: "list[tuple[str, str]]") -> "list[tuple[str, str]]":
    """The lines of a presentation whose cryptogram was recovered: all of `earlier`, when it was asked for, and what happened since."""
    known, since = lasting(earlier), lasting(now)
    return earlier + (since[len(known) :] if since[: len(known)] == known else since)


def decisive(explain: "list[tuple[str, str]]") -> "tuple[str, str]":
    """The one line that matters to the officer: the last action code or rule that matched, else the last line.

    That a deferral is allowed decides nothing: why the issuer had to be asked does. Nor does it that the card had gone when the issuer answered.
    What led to the issuer does not decide where the issuer, an error, or a card that was asked for more than an AAC declined: the outcome does.
    """
    for what, why in reversed(explain):
        if why in ("deferral", "card-gone"):
            continue
        if what.startswith(("RULE", "TAC-", "IAC-")) and _ended_otherwise(explain):
            return explain[-1]
        if what == "RULE":
            return what, why
        if what.startswith(("TAC-", "IAC-", "K3 RESTRICTION", "K3 SWITCH")):
            return what, why
        if (what == "K3 FDDA" and not why.startswith("fdda-holds")) or why == "cvm-impossible":
            return what, why
    return explain[-1] if explain else ("", "")


def _ended_otherwise(explain: "list[tuple[str, str]]") -> bool:
    """Whether the outcome came of an error, of the issuer's refusal, or of a card that declined by itself, not of an action code."""
    what, reason = explain[-1]
    if what != "OUTCOME":
        return False
    if reason == "Z1":
        return any(code.startswith("GAC") and not code.endswith(" 00") for code, _ in explain)
    return reason.startswith("EMV-") or ("ONLINE", reason) in explain and reason not in ("00", "08", "10", "11")


def decided(explain: "list[tuple[str, str]]") -> str:
    """The decisive line as a word: the TVR bit that met an action code ("B4b8"), a rule ("offline-needs-cda"), "" if neither."""
    what, why = decisive(explain)
    if what == "RULE" or what.startswith("K3 "):
        return why.split(" ")[0]
    return what.split(" ")[1] if what.startswith(("TAC-", "IAC-")) else ""
