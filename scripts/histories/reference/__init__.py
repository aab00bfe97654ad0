"""The reference: what is broken in a history, found without views and queries by looking at every step of every case.

It knows nothing of what was planted. Its limits are those that the shipped models have by default.
"""

from scripts.histories.reference.found import broken

__all__ = ["broken"]
