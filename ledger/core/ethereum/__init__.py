"""Ethereum formats that a cold proof check reads: RLP, block headers, trie proofs, changes of the registry contract."""
