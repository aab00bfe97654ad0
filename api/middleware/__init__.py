"""What holds for every request: limits, bodies, errors, clients, the server process."""
