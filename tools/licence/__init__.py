"""The technician's licence reader: any PC/SC reader, any ISO/IEC 18013 card; dumps, trace, portrait, the verdict in words.

`session` drives one reading, `dump` writes and loads the files, `offline` judges loaded files, `portrait` decodes the picture,
`trace` prints APDUs with personal data masked, `words` says what was proved. The judgement itself is `protocol.licence`'s.
"""
