"""The ASGI shell: HTTP in front, one writer thread behind, and the running of both."""
