"""Offline data authentication with RSA: certificates, SDA, DDA, CDA (Book 2, 5 and 6)."""
