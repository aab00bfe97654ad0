"""Contracts as an earlier compiler made them: the same but for what they say of it."""

from __future__ import annotations

from ledger.chain.contract import ContractAbi

_COMPILER = b"solc\x43\x00\x08"  # in the metadata behind the code, before the last part of the version


def make_older(abi: ContractAbi) -> None:
    """From here on the contract is deployed, and known again, as of a release before."""
    abi._initcode, abi._code = _older(abi._initcode), _older(abi._code)


def _older(code: bytes) -> bytes:
    version = code.rindex(_COMPILER) + len(_COMPILER)
    return code[:version] + bytes((code[version] - 1,)) + code[version + 1 :]
