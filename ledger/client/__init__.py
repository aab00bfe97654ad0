"""The client of a service: HTTP, profiles, signing in, sending events, and what a profile remembers of the log."""
