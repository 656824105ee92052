"""Generators of what the face shows: the glyph atlas and the catalogue of words."""
