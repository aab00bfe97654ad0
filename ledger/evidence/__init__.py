"""Evidence: digests of files, folders sealed as bags, and checks of them against the record."""
