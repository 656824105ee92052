"""What a terminal says, before a database is asked: the envelope opened, CBOR read strictly, records put together and held against their schema."""
