"""Importing Ethereum packages without their side effect.

web3 and eth_account bring in py_ecc, which raises the interpreter's recursion limit to 100,000: from then on a deeply
nested JSON body overflows the C stack and kills the process, where it should be a RecursionError.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_recursion_limit() -> Iterator[None]:
    """Put the recursion limit back to what it was, whatever is imported meanwhile."""
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
