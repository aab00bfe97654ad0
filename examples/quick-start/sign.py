"""A signer for scripts: prints the key's address, or its signature of the text or typed data on standard input."""

import json
import os
import sys

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data

officer, wanted = Account.from_key(os.environ["SIGNING_KEY"]), sys.argv[1]
if wanted == "address":
    print(officer.address.lower())
else:
    given = sys.stdin.buffer.read().decode()
    message = encode_defunct(text=given) if wanted == "text" else encode_typed_data(full_message=json.loads(given))
    print("0x" + officer.sign_message(message).signature.hex())
