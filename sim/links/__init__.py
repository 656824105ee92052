"""Slots: where a simulated card is put so that a terminal can reach it, over TCP (`slot_server`), PC/SC (`vpcd`) or
in-process (`direct`).
"""
