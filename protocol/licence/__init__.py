"""The licence chip: access, reading, belief (ISO/IEC 18013-2/-3, ICAO Doc 9303-10/-11/-12, EU 383/2012).

Start with `reader.read_licence`. `mrz` is what the officer types or scans; `access` opens the chip and talks to it; `dg1`, `dg11`
and `groups` read the data; `trust` decides whether to believe them. No I/O: see `reader`.

Errors (raised; `protocol.licence.errors`)
    LIC-001  the chip or its data cannot be used, nothing narrower is known
    LIC-010  MRZ: a check digit, character or field is wrong (`detail` names the field)
    LIC-011  MRZ: wrong number or length of lines, or a kind of document that is no licence
    LIC-020  the chip refuses access for another reason than the MRZ (`detail`: status word)
    LIC-021  the chip refuses this MRZ, twice
    LIC-022  the chip's answer in the key agreement is not authentic
    LIC-023  PACE failed; never replaced by BAC silently
    LIC-024  the access protocol that the chip asks for is not supported on this terminal
    LIC-030  no licence application on this card
    LIC-031  a file cannot be read although the channel was rebuilt (`detail`: status word or file)
    LIC-032  a file's length is impossible or above the limit of this terminal
    LIC-033  another chip answered after an interruption (the SOD differs)
    LIC-040  a secured answer is not authentic or is malformed (`detail`: which rule)
    LIC-041  the chip ended the secure channel (`detail`: status word)
    LIC-050  a data group does not have the layout of its standard (`detail`: which)
    LIC-060  security object, certificate or master list is malformed (`detail`: which part)
    LIC-061  a signature algorithm or curve is not supported on this terminal

Findings (never raised: in `LicenceReading.findings`, beside the verdict)
    LIC-201  the licence has expired
    LIC-202  the category driven is missing or not valid on the day
    LIC-203  the licence's date of issue lies in the future
    LIC-204  the chip's number or dates differ from the MRZ
    LIC-205  the licence's number is on the signed list of wanted ones
    LIC-210  a group present on the chip is not listed in the SOD: not covered by the signature
    LIC-211  a group listed in the SOD is absent from EF.COM
    LIC-212  EF.COM is absent or malformed
    LIC-213  a wanted group could not be read
    LIC-214  a group's hash differs from the SOD: altered
    LIC-215  a group's content, or one field of it, cannot be decoded
    LIC-216  the SOD lists this licence's groups without DG1
    LIC-217  the licence's country is missing or not known: no anchor can vouch for it
    LIC-220  the signer's certificate is outside its validity
    LIC-221  signed outside the signer's private-key period
    LIC-222  the issuing authority's certificate is outside its validity
    LIC-223  the signer was certified outside the authority's private-key period
    LIC-224  the signer's certificate is revoked
    LIC-225  signed with SHA-1, or over SHA-1 of the groups
    LIC-226  the authority's list of revoked signers is out of date
    LIC-227  the SOD's signature does not hold
    LIC-228  no trust anchor issued this signer
    LIC-229  the anchor that issued this signer is bound to another country or purpose
    LIC-230  the SOD is absent
    LIC-231  the SOD is malformed
    LIC-232  the SOD uses an algorithm that this terminal does not support: not verified
    LIC-233  a certificate says that its key is not for this use, or does not say what it is for
    LIC-234  the signer's certificate was not found in the SOD: its signature cannot be verified
    LIC-235  the SOD signs a kind of content that is not known here: not verified
    LIC-236  a list of revoked signers in the authority's name cannot be used: it was not consulted
    LIC-237  the signer's certificate is malformed or its key cannot be used: its signature cannot be verified
    LIC-238  a file is too large to be kept on this terminal: it was hashed and not opened, or, of the SOD, nothing was verified
    LIC-239  a file breaks off before its announced length, or does not begin as one: there was no hash to compare
    LIC-240  active authentication failed
    LIC-241  active authentication is announced in the SOD but the chip does not offer it
    LIC-242  chip authentication failed
    LIC-243  chip authentication is announced in the SOD but the chip does not offer it
    LIC-244  the chip offers a proof that this terminal does not support
    LIC-245  the chip offers PACE that this terminal does not support: BAC was used
    LIC-246  the signed DG14 offers PACE, but EF.CardAccess did not: somebody may have listened in
"""
