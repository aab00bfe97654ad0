"""One answer tells its times in one zone: what people read is the ledger's, what programs read is UTC."""

from __future__ import annotations

import re

_UTC = re.compile(r"(?<!\d)\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)? ?(?:Z\b|UTC|\+00:00)")
_HOW_TO_TYPE = re.compile(r"(?:such as|For example:|例如：?) ?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_FOR_PROGRAMS = re.compile(r'\s(?:data-[a-z-]+|value|hx-vals)="[^"]*"|<(pre|textarea)\b.*?</\1>', re.DOTALL)


def utc_times(text: str) -> list[str]:
    """Find the times of a text for people that are in UTC; an example of how a time is typed is none."""
    return _UTC.findall(_HOW_TO_TYPE.sub("", text))


def utc_times_of_page(html: str) -> list[str]:
    """Find those of a page: in its text and in whatever a reader is shown of its tags; a file is shown as it is."""
    return utc_times(_FOR_PROGRAMS.sub("", html))
