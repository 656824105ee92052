"""The acquirer's side of the server: requests kept in an outbox, sent over ISO 8583, answered once."""
