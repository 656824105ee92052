"""Worlds: the only place where parts, terminal and server are joined."""
