"""Durations and moments as a person writes them."""

import time
from datetime import datetime


def duration(seconds: float) -> str:
    """Seconds as a person writes them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def moment(seconds: float) -> str:
    """Time of day and, where it was not today, the date."""
    then = datetime.fromtimestamp(seconds)
    return f"{then:%H:%M:%S}" if time.time() - seconds < 43200 else f"{then:%Y-%m-%d %H:%M}"
