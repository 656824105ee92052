"""Trust anchors for licences: certificates looked at, ICAO master lists imported, signed sets "trust" made and read.

`certificates` describes and judges one authority's certificate, `masterlist` opens a master list under an out-of-band anchor,
`sets` signs, shows and checks parameter sets, `load` takes anchors from whatever a person names.
"""
