"""Signatures in one equation: all hold or it says so, whatever is wrong with one, also of two whose faults cancel."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache

import pytest
from coincurve import PrivateKey

from ledger.core import signature
from ledger.core.signature import CURVE_ORDER
from ledger.core.signature_batch import WORTH, Signed, hold_together
from tests.builders import signature_of

KEYS = tuple(PrivateKey.from_int(number) for number in (1, 2, 3))
LAST = WORTH - 1
NO_POINT = (5).to_bytes(32, "big")  # no point of the curve has this x


def signed(number: int) -> Signed:
    """The keys sign in turn."""
    key, digest = KEYS[number % len(KEYS)], hashlib.sha256(b"%d" % number).digest()
    return Signed(signature.address_of(key.public_key), digest, signature_of(digest, key))


@cache
def batch() -> tuple[Signed, ...]:
    """As many as are worth it, all of which hold."""
    return tuple(signed(number) for number in range(WORTH))


def with_last(one: Signed) -> list[Signed]:
    return [*batch()[:-1], one]


def moved(one: Signed, by: int) -> Signed:
    """Of another digest, so that m / s moves by ``by``."""
    _, s, _ = signature.parts_of(one.signature)
    digest = (int.from_bytes(one.digest, "big") + by * s) % CURVE_ORDER
    return one._replace(digest=digest.to_bytes(32, "big"))


def with_v(one: Signed, v: int) -> Signed:
    return one._replace(signature=one.signature[:64] + bytes((v,)))


def test_what_holds_one_by_one_holds_together() -> None:
    """A batch of several keys holds, each of whose signatures recovers to the key that it names."""
    assert all(signature.recover(one.digest, one.signature) == one.key_id for one in batch())
    assert hold_together(batch())


def test_too_few_are_not_judged() -> None:
    """Fewer than are worth it are left to whoever asks, though all hold."""
    assert not hold_together(batch()[1:])


FAULTS: dict[str, Callable[[Signed], Signed]] = {
    "another digest": lambda one: one._replace(digest=bytes(32)),
    "another key": lambda one: one._replace(key_id=batch()[LAST - 1].key_id),
    "a key that signed nothing": lambda one: one._replace(key_id="0x" + "11" * 20),
    "the signature of another": lambda one: one._replace(signature=batch()[LAST - len(KEYS)].signature),
    "the other point of its r": lambda one: one._replace(
        signature=one.signature[:64] + bytes((55 - one.signature[64],))
    ),
    "no v": lambda one: one._replace(signature=one.signature[:64] + b"\x1d"),
    "high s": lambda one: one._replace(signature=one.signature[:32] + b"\xfe" * 32 + one.signature[64:]),
    "r is no point": lambda one: one._replace(signature=NO_POINT + one.signature[32:]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_that_does_not_hold_is_noticed(fault: str) -> None:
    """Whatever is wrong with the last of all signatures, they do not hold together."""
    assert not hold_together(with_last(FAULTS[fault](batch()[LAST])))


def test_faults_that_cancel_are_noticed() -> None:
    """Two changed digests whose faults add up to nothing pass in a plain sum, not in one whose weights are hashed."""
    first, *rest = batch()
    assert not hold_together([moved(first, 1), *rest[:-1], moved(rest[-1], -1)])
