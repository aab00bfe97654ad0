// State proofs (docs/protocol/anchor.md): a block's header, paths of a Merkle-Patricia trie, and the contracts' slots.
import { RLP } from "@ethereumjs/rlp";
import { bytesToNumberBE as number, numberToBytesBE } from "@noble/curves/utils.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { hex, joined, lack, refuse, same, unhex, utf8 } from "./forms.js";

export const word = (value) => numberToBytesBE(BigInt(value), 32);
const isBytes = (item) => item instanceof Uint8Array;
const isQuantity = (item) => isBytes(item) && item.length <= 32 && item[0] !== 0;

function rlp(data) {
  try {
    return RLP.decode(data);
  } catch {
    return refuse("no RLP, or not in its one spelling");
  }
}

// Of a header what verification reads: the other fields stand in it for its hash alone.
export function readHeader(data) {
  const fields = rlp(data);
  const [root, height, time] = [3, 8, 11].map((at) => fields[at]);
  const isOfForm = Array.isArray(fields) && fields.every(isBytes) && root?.length === 32 && [height, time].every((field) => isQuantity(field) && number(field) < 2n ** 53n);
  if (!isOfForm) refuse("no header of a block");
  return { hash: `0x${hex(keccak_256(data))}`, root, number: Number(number(height)) };
}

const EMPTY = keccak_256(Uint8Array.of(0x80));

// The value under a key of the trie with this root, undefined where it has none. `nodeOf` gives a node by its hash.
function valueAt(root, key, nodeOf) {
  let [reference, path] = [same(root, EMPTY) ? [] : root, hex(keccak_256(key))];
  while (reference.length) {
    const node = !isBytes(reference) ? reference : reference.length === 32 ? rlp(nodeOf(reference)) : refuse("no reference to a node");
    if (Array.isArray(node) && node.length === 17 && path) [reference, path] = [node[parseInt(path[0], 16)], path.slice(1)];
    else {
      const [part, rest] = Array.isArray(node) && node.length === 2 && isBytes(node[0]) ? node : refuse("no node of a trie");
      const [flag] = /^(?:[02]0|[13])/.exec(hex(part)) ?? refuse("no part of a path");
      const nibbles = hex(part).slice(flag.length);
      if (flag >= "2") return nibbles !== path ? undefined : isBytes(rest) ? rest : refuse("a value that is a list");
      if (!path.startsWith(nibbles)) return undefined;
      [reference, path] = [rest, path.slice(nibbles.length)];
    }
  }
  return undefined;
}

// What a block note states: that this block is final on the chain of these contracts.
export const blockStatement = (logId, chain, block) => [
  "tallystick/block@v1", logId, `chain ${chain.chain_id} ${chain.deployment_block_number} ${chain.deployment_block_hash}`,
  `registry ${chain.registry} ${chain.registry_code_hash}`, `anchor ${chain.anchor} ${chain.anchor_code_hash}`, `block ${block.number} ${block.hash}`, "",
].join("\n");

const after = (key, steps) => word((number(key) + BigInt(steps)) % 2n ** 256n);
const mapped = (key, slot) => keccak_256(joined(word(key), word(slot)));
const bits = (value, from, count) => (value >> BigInt(from)) & (2n ** BigInt(count) - 1n);

const ROLE_BITS = { clerk: 1n, supervisor: 2n, auditor: 4n, analyst: 8n, witness: 16n };
const idWord = (id) => number(utf8(id.padEnd(32, "\0")));

// A grant that the log mirrors, as the three words that the registry has of it while it is not revoked.
export function grantWords({ agency, officer, roles, suite, valid_from: from, valid_until: until }) {
  const bits = [...new Set(roles)].reduce((sum, role) => sum | ROLE_BITS[role], 0n);
  return [idWord(agency), idWord(officer), bits | (BigInt(suite) << 32n) | (BigInt(from) << 40n) | (BigInt(until) << 104n)];
}

// The contracts' storage in the state of a block, by the nodes of an anchor.
export function contractStates(anchor, chain, header) {
  const nodes = new Map(anchor.state.map(unhex).map((node) => [hex(keccak_256(node)), node]));
  const nodeOf = (hash) => nodes.get(hex(hash)) ?? lack("the anchor lacks the node {node} of the state", "unverifiable", { node: hex(hash) });
  const slotsOf = (address, codeHash) => {
    const account = rlp(valueAt(header.root, unhex(address), nodeOf) ?? refuse("the contract is not there"));
    const [, , root, code] = Array.isArray(account) && account.length === 4 ? account : refuse("no account");
    if (!isBytes(root) || !isBytes(code)) refuse("no account");
    if (`0x${hex(code)}` !== codeHash) refuse("the contract has other code");
    return (key, offset = 0) => {
      const held = valueAt(root, after(key, offset), nodeOf);
      const value = held && rlp(held);
      if (value && (!isQuantity(value) || !value.length)) refuse("no value of a slot");
      return value ? number(value) : 0n;
    };
  };
  return {
    // Record n of LogAnchor, the one before it, and the last one.
    record(n) {
      const slot = slotsOf(chain.anchor, chain.anchor_code_hash);
      const last = slot(word(0));
      const recordAt = (key) => {
        const [root, packed] = [slot(key), slot(key, 1)];
        return { root: word(root), size: bits(packed, 0, 64), block: bits(packed, 64, 64), time: bits(packed, 128, 64) };
      };
      return { last: { number: bits(last, 0, 64), size: bits(last, 64, 64) }, record: recordAt(mapped(n, 1)), before: recordAt(mapped(n - 1, 1)) };
    },
    // What the registry holds of a key: the words of its grant, and when it was revoked.
    grant(keyId) {
      const [slot, key] = [slotsOf(chain.registry, chain.registry_code_hash), mapped(keyId, 2)];
      const [agency, officer, terms] = [0, 1, 2].map((offset) => slot(key, offset));
      return { words: [agency, officer, bits(terms, 0, 168)], revoked: bits(terms, 168, 64) };
    },
  };
}
