"""The back office on the command line: what its commands share, refunds (`tasdid server refund`), money in suspense
(`tasdid server suspense`), forks (`tasdid server fork`) and what failed (`tasdid server failed`).
"""
