"""The journal: append-only, chained, durable before shown (design §3)."""
