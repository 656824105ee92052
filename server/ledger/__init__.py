"""Double-entry ledger in centimes: postings, balances, and the recomputation that must agree with them."""
