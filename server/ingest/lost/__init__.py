"""Records that are lost for good: the gap that the chain goes on after, its money in suspense, and what an issuer approved that nobody took."""
