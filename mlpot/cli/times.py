"""Durations and times of day as text."""

import time
from datetime import datetime


def duration(seconds: float) -> str:
    """Duration in a suitable unit.

    Examples
    --------
    >>> duration(4.2), duration(90.0), duration(5400.0)
    ('4.2 s', '1.5 min', '1.5 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def moment(seconds: float) -> str:
    """Local time of seconds since 1970, with the date if it is more than half a day ago."""
    then = datetime.fromtimestamp(seconds)
    return f"{then:%H:%M:%S}" if time.time() - seconds < 43200 else f"{then:%Y-%m-%d %H:%M}"
