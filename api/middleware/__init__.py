"""What applies to every request: limits, bodies, errors, client addresses, and the server process."""
