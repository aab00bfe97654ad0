"""What must never change meaning: bytes and values in, a value or an error out.

Network, database, chain, clock, environment and randomness are not handled here; time is an argument.
"""
