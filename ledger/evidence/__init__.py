"""Evidence: digests of files as the record names them."""
