"""The back office on the command line: what its commands share, refunds (`tasdid server refund`) and what failed (`tasdid server failed`)."""
