"""What a block proves: RLP, headers, tries, storage of the contracts."""
