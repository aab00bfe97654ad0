"""Tallystick: a ledger of case handovers and evidence, signed, append-only and anchored on a chain."""
