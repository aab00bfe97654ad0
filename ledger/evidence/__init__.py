"""Evidence: digests of files, folders sealed as bags, and whether they still are what the record says."""
