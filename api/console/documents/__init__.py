"""The documents of this release as pages of the console."""
