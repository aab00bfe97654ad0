"""The ABI codec, and web3 imported without its side effect.

web3 brings in py_ecc, which raises the interpreter's recursion limit to 100,000: from then on a deeply nested JSON body
overflows the C stack and kills the process, where it should be a RecursionError.
"""

from __future__ import annotations

import sys

_limit = sys.getrecursionlimit()

from web3 import Web3  # noqa: E402 - the limit is taken before

sys.setrecursionlimit(_limit)

abi_codec = Web3().codec
