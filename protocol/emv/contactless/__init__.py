"""The contactless payment: EMV Contactless Book A and B (entry point) over Kernel 2 and Kernel 3 in EMV mode, on both runtimes.

    from protocol.emv.contactless import entry
    from protocol.emv.contactless.params import ContactlessParams

    params = ContactlessParams(body)                     # body map of the signed set "emv", its list "contactless"
    result = yield from entry.transact(txn, params, crypto, un, torn)

`txn`, `crypto`, `un` and the requests "apdu", "identified", "online_pin", "random", "first_gac", "online", "progress" are those of the
contact kernel (`protocol.emv`); there is no "choose" and no "pin" (no offline PIN over the air). Three requests more:

    ("ui", message, status)  -> None; what reader and screen are to show now (`ui`), lights and tones follow from it
    ("again", message)       -> True: a card was presented again and is connected | None: nobody did. The machine goes on with the
                                same payment: selection starts anew; a torn GENERATE AC is recovered from the same card only

    ("timed_apdu", command)      -> (response with SW1 SW2, how long it took in units of 100 microseconds, from the command's first bit to the
                                    response's last, as near to the antenna as the reader can measure). Kernel 2's relay resistance only

"online" is asked after the card may have gone: no second cryptogram exists. `torn` is a `torn.TornLog`: what Kernel 2 keeps of a
GENERATE AC whose answer was not heard, until it is recovered or the payment is over. A CardError of the link is thrown in; it comes
out again when "again" is answered with None.

A kernel is one generator, `run(s, torn) -> Outcome` (`outcome`), that begins with the FCI in `s.card` and ends with the card's last
answer; `s` is a `protocol.emv.state.Session` whose `chosen` is the `params.Combination`. Kernels: `c2` (family of Kernel 2: CDA,
torn-transaction recovery, relay resistance), `c3` (family of Kernel 3: fDDA). `entry` turns the Outcome into the `kernel.Result` that
contact payments have too, with `interface` "contactless" and `kernel` 2 or 3.

Reasons besides the contact kernel's (the result is *declined*, nothing was taken):

    EMV-140  another interface: insert the card       EMV-143  over the contactless transaction limit
    EMV-141  see the phone, then present it again     EMV-144  relay resistance failed
    EMV-142  no combination in common                 EMV-145  the torn transaction could not be recovered
"""
