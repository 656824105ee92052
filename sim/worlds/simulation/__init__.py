"""The whole system in one process, on a virtual clock, by seed: terminals with the real application, the real server on
SQLite, the acquirer's host, the radio, and faults in all of them (design §3 and §4).

`run.simulate(seed)` plays one seed and returns what happened and which invariants broke; `shrink.shrink` makes the
story of a failure short; `mutations.MUTATIONS` are deliberately broken builds. Nothing here uses a thread, a socket,
the real time or unseeded randomness, so a seed always tells the same story. What it leaves out: drawing and printing
(the face and the printer take what they are given), TLS, real flash (its storage keeps the contract of
`drivers.contracts.storage`, cuts included; the flash itself is proved elsewhere), real parallel writers.
"""
