"""Kernel 3 in EMV mode (EMV Contactless Book C-3): one GET PROCESSING OPTIONS that already has the cryptogram, the records, fDDA.

    from protocol.emv.contactless import c3

    outcome = yield from c3.run(s, torn)        # see `protocol.emv.contactless`; `torn` is not used here

| step | module | clause of Book C-3 |
|---|---|---|
| GET PROCESSING OPTIONS, its status words, records, mandatory data, cryptogram | `run` | 5.2, 5.3, 5.4 |
| expiry, exception file, usage | `restrictions` | 5.5 |
| fDDA | `fdda` | 5.6, annex C |
| cardholder verification | `cvm` | 5.7 |
| outcome | `run` | 5.8, 5.9 |

The TVR stays as the card saw it in its PDOL, all zeros: the cryptogram covers it. What was found is in the explanation ("K3 …").

Stricter than the book, because a TC here is money without a bank having been asked:
- A card that says "my device verified the holder" is believed only where fDDA proves the qualifiers (9F69); where 9F6C and 9F69 are both there they
  must be the same, whatever they say, and where 9F6C is not, 9F69's count.
- 9F27 and the card verification results in 9F10 must tell the same kind of cryptogram (`kernel`); `docs/emv.md` says what is covered by nothing.
- A TC that would have to go online (expired, fDDA failed, "go online" in the qualifiers, over the floor limit together with what was spent with
  the card before) is not sent anywhere: the card is to be inserted.
- Below the floor limit some payments are drawn at random to go online, as on the contact chip (Book 3, 10.6.2), before the card is asked.
- A TC where an online cryptogram was required is declined; so is a wrong signature under an ARQC.
- Usage control is looked at for goods and services too, where the card gives it; exception file and usage under an ARQC as well.

Not here: magnetic stripe mode, issuer update processing, dynamic reader limits (9F5A), status check, cash and cashback, balance (9F5D is
ignored).
"""

from protocol.emv.contactless.c3.kernel import run

__all__ = ["run"]
