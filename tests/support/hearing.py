"""The server's time as a terminal hears it that synchronises every day."""

DAY = 86400


def daily(journal, until):
    """Hear the server's time once a day, up to `until`."""
    utc = journal.server_utc or until
    while utc < until:
        utc = min(utc + DAY, until)
        journal.hear(utc)
    journal.hear(until)
