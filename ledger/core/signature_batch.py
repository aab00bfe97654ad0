"""Many signatures in one equation, which costs a third of recovering them one by one.

A signature (r, s, v) of the key Q over m holds where s R = m G + r Q, R being the point that r and v name. Divided by
s, times a weight of its own and summed up, all of a batch hold where

    sum of w R  =  (sum of w m / s) G  +  for each key (sum of w r / s) Q

One that does not hold would have to meet weights that nobody could choose: they are hashed from the whole batch
(as BIP 340 proposes for its signatures), 128 bits each, so that it passes with a probability of 2**-127 at most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from blake3 import blake3
from coincurve import PublicKey

from ledger.core.errors import SignatureRefused
from ledger.core.signature import CURVE_ORDER, address_of, parts_of, recover_key

WORTH = 1_000  # signatures from which the sums cost less than looking at each
_WEIGHT = 16  # bytes
_BITS = (128, 64, 32, 16, 8, 4, 2, 1)
_EVEN, _ODD = b"\x02", b"\x03"  # SEC 1, 2.3.3: how a point is written whose y is so


class Signed(NamedTuple):
    """That ``key_id`` signed ``digest`` (32 bytes); ``signature`` is r || s || v."""

    key_id: str
    digest: bytes
    signature: bytes


def hold_together(batch: Sequence[Signed]) -> bool:
    """Whether all of these signatures hold, by the rules of ``signature.recover``.

    False says that they are to be looked at one by one: one is wrong, or they are too few.
    """
    if len(batch) < WORTH:
        return False
    try:
        return _sums_agree(batch)
    except (SignatureRefused, ValueError):  # what cannot be read; a sum that is no point
        return False


def _sums_agree(batch: Sequence[Signed]) -> bool:
    parts = [parts_of(one.signature) for one in batch]
    points = [PublicKey((_EVEN if one.signature[-1] == 27 else _ODD) + one.signature[:32]) for one in batch]
    weights = _weights(batch)
    of_base, of_keys = 0, defaultdict[str, int](int)
    inverses = _inverses([s for _, s, _ in parts])
    for place, (one, (r, _, _), inverse) in enumerate(zip(batch, parts, inverses, strict=True)):
        weight = int.from_bytes(weights[_WEIGHT * place : _WEIGHT * (place + 1)], "big")
        share = weight * inverse % CURVE_ORDER
        of_base += share * int.from_bytes(one.digest, "big")
        of_keys[one.key_id] += share * r
    keys = _keys(batch)
    expected = [keys[key_id].multiply(_scalar(share)) for key_id, share in of_keys.items()]
    expected.append(PublicKey.from_secret(_scalar(of_base)))
    return PublicKey.combine_keys(expected).format() == _weighted_sum(points, weights).format()


def _weights(batch: Iterable[Signed]) -> bytes:
    """One after the other; the first has its highest bit, so that no sum is of nothing."""
    said = [bytes.fromhex(one.key_id[2:]) + one.digest + one.signature for one in batch]
    weights = blake3(b"".join(said)).digest(length=_WEIGHT * len(said))
    return bytes((weights[0] | _BITS[0],)) + weights[1:]


def _keys(batch: Iterable[Signed]) -> dict[str, PublicKey]:
    """Each key, recovered from the first of its signatures. Raises SignatureRefused where that is of another."""
    found: dict[str, PublicKey] = {}
    for one in batch:
        if one.key_id not in found:
            found[one.key_id] = recover_key(one.digest, one.signature)
            if address_of(found[one.key_id]) != one.key_id:
                raise SignatureRefused(f"the signature is not of {one.key_id}")
    return found


def _inverses(numbers: Sequence[int]) -> list[int]:
    """The inverse of each modulo the curve's order, for the price of one and three products each (Montgomery)."""
    products = list(accumulate(numbers, lambda a, b: a * b % CURVE_ORDER, initial=1))
    inverse = pow(products[-1], -1, CURVE_ORDER)
    found: list[int] = []
    for number, before in zip(reversed(numbers), reversed(products[:-1]), strict=True):
        found.append(inverse * before % CURVE_ORDER)
        inverse = inverse * number % CURVE_ORDER
    return found[::-1]


def _scalar(number: int) -> bytes:
    return (number % CURVE_ORDER).to_bytes(32, "big")


def _weighted_sum(points: Sequence[PublicKey], weights: bytes) -> PublicKey:
    """The sum of each point times its weight, from the weights' first bit to their last (Pippenger).

    Of one byte of all weights, the points that have the same in it are added up first. A bit's sum is of those bytes
    that have it; what was summed up before counts twice.
    """
    so_far: list[PublicKey] = []
    for column in range(_WEIGHT):
        alike = defaultdict[int, list[PublicKey]](list)
        for byte, point in zip(weights[column::_WEIGHT], points, strict=True):
            alike[byte].append(point)
        sums = {byte: PublicKey.combine_keys(some) for byte, some in alike.items() if byte}
        for bit in _BITS:
            so_far = [PublicKey.combine_keys([*so_far, *so_far, *(one for byte, one in sums.items() if byte & bit)])]
    return so_far[0]
