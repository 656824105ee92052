"""The technician's licence reader: any PC/SC reader, any ISO/IEC 18013 card; dumps, trace, portrait, the verdict in words.

`session` drives one reading, `dump` writes and loads the files, `offline` judges loaded files, `trace` prints APDUs with personal
data masked, `words` says what was proved. Portraits are decoded by `drivers.picture_pillow`; the judgement is `protocol.licence`'s.
"""
