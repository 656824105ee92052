"""Proof by cutting: the real journal on littlefs on a NOR model, its power cut at every operation, its flash damaged
bit by bit.
"""
