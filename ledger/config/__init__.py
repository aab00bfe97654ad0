"""Settings, the installation's folders, keys, and files that only their owner may read."""
