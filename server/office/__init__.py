"""The back office: what officers decide under four eyes, each decision signed twice, and what failed and waits for a person."""
