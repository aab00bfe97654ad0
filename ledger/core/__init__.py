"""The pure core: functions from bytes and values to a verdict, a value or an error.

What a function here concludes must never change, since the same bytes must be judged alike in twenty years. So
nothing here reaches network, database, chain, clock, environment or randomness; the time is an argument.
"""
