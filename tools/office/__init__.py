"""The back office on the command line: what its commands share, and refunds (`tasdid server refund`)."""
