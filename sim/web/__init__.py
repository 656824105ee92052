"""The page on which a person plays a patrol by hand: the handheld with its live pixels and keys, cards, paper, switches, ledger.

`console` turns actions into the world's; `live` shows what changes; `app` is their HTTP face. Plain files in `static/`, nothing
from outside.
"""
