// Check a receipt: that the officer signed this envelope, and that the log's tree has it.
import { createHash } from "node:crypto";
import { recoverTypedDataAddress } from "viem";

const hash = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();

/** Throw unless the key signed the envelope and the receipt's proof leads from it to the root. */
export async function requireLogged(envelope, receipt, typedData) {
  const signer = await recoverTypedDataAddress({ ...typedData, signature: envelope.signature });
  if (signer.toLowerCase() !== envelope.key_id) throw new Error("another key signed it");
  const [proof, checkpoint] = receipt.proof.split("\n\n");
  const [, position, ...siblings] = proof.split("\n");
  const [, size, root] = checkpoint.split("\n");
  const index = BigInt(position.slice("index ".length));
  const turns = index ^ (BigInt(size) - 1n); // from its highest bit on the path runs along the tree's right edge
  let node = hash(Buffer.of(0), Buffer.from(JSON.stringify(envelope)));
  siblings.forEach((text, level) => {
    const [sibling, above] = [Buffer.from(text, "base64"), BigInt(level)];
    const isRight = turns >> above === 0n || (index >> above) & 1n;
    node = isRight ? hash(Buffer.of(1), sibling, node) : hash(Buffer.of(1), node, sibling);
  });
  if (node.toString("base64") !== root) throw new Error("the log's tree has another entry there");
}
