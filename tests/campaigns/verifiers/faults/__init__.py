"""The catalogue of faults: importing it names them all."""

from tests.campaigns.verifiers.faults import chains, forms, proofs, rights, trust_files  # noqa: F401
from tests.campaigns.verifiers.faults.naming import FAULTS, REFUSED, Expected

__all__ = ["FAULTS", "REFUSED", "Expected"]  # the modules are imported for what they enter
