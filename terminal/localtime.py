"""Civil time in Algeria: UTC+1 all the year, no daylight saving. Pure arithmetic (proleptic Gregorian calendar), both runtimes."""

OFFSET = 3600


def civil(utc: int) -> "tuple[int, int, int, int, int, int]":
    """(year, month, day, hour, minute, second) in Algeria of UTC seconds since 1970."""
    seconds = utc + OFFSET
    days = seconds // 86400
    rest = seconds - days * 86400
    days += 719468
    era = days // 146097
    doe = days - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    day = doy - (153 * mp + 2) // 5 + 1
    month = mp + 3 if mp < 10 else mp - 9
    year = yoe + era * 400 + (1 if month <= 2 else 0)
    return year, month, day, rest // 3600, rest // 60 % 60, rest % 60


def yyyymmdd(utc: int) -> str:
    """Date as eight digits."""
    return "%04d%02d%02d" % civil(utc)[:3]


def yymmdd(utc: int) -> str:
    """Date as EMV writes it (tag 9A)."""
    return yyyymmdd(utc)[2:]


def hhmmss(utc: int) -> str:
    """Time as EMV writes it (tag 9F21)."""
    return "%02d%02d%02d" % civil(utc)[3:]


def hhmm(utc: int) -> str:
    """Time as a status bar shows it."""
    return "%02d:%02d" % civil(utc)[3:5]
