"""Stocktakes: a room is counted with a scanner or a camera, and what differs is recorded."""
