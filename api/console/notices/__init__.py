"""Notices: the bell, the list of what is new for the officer, what he is told of, and the links of his mail."""
