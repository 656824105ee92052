"""Composition roots: one file a board; each builds its ports and hands them to `terminal.app.build`."""
