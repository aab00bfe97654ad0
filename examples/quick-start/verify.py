"""Check a receipt: that the officer signed this envelope, and that the log's tree has it."""

import json
from base64 import b64decode
from hashlib import sha256

from eth_account import Account
from eth_account.messages import encode_typed_data


def require_logged(envelope, receipt, typed_data):
    """Raise AssertionError unless the key signed the envelope and the receipt's proof leads from it to the root."""
    signer = Account.recover_message(encode_typed_data(full_message=typed_data), signature=envelope["signature"])
    assert signer.lower() == envelope["key_id"], "another key signed it"
    proof, checkpoint = receipt["proof"].split("\n\n")[:2]
    _, position, *siblings = proof.splitlines()
    _, size, root = checkpoint.splitlines()
    index = int(position.removeprefix("index "))
    below_edge = (index ^ (int(size) - 1)).bit_length()  # levels on which the sibling may be on the right
    entry = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    node = sha256(b"\0" + entry).digest()
    for level, sibling in enumerate(map(b64decode, siblings)):
        is_right = level >= below_edge or index >> level & 1
        node = sha256(b"\1" + (sibling + node if is_right else node + sibling)).digest()
    assert node == b64decode(root), "the log's tree has another entry there"
