// State proofs (docs/protocol/anchor.md): RLP, a block's header, paths of a Merkle-Patricia trie, and the contracts' slots.
import { keccak_256 } from "@noble/hashes/sha3.js";
import { hex, joined, refuse, same, unhex, utf8 } from "./forms.js";

const number = (bytes) => (bytes.length ? BigInt(`0x${hex(bytes)}`) : 0n);
const word = (value) => unhex(value.toString(16).padStart(64, "0"));
const bytesOf = (text) => unhex(text.slice(2));

// One RLP item and where it ends: {bytes} or {list}, and raw, its own spelling.
function rlpItem(data, at, level) {
  if (at >= data.length) refuse("RLP ends too early");
  const first = data[at];
  if (first < 0x80) return { bytes: data.subarray(at, at + 1), raw: data.subarray(at, at + 1), end: at + 1 };
  const [short, isList] = [first & 0x3f, first >= 0xc0];
  const more = short > 55 ? short - 55 : 0;
  const size = more ? Number(number(data.subarray(at + 1, at + 1 + more))) : short;
  const [start, end] = [at + 1 + more, at + 1 + more + size];
  if (end > data.length || (more && (data[at + 1] === 0 || size < 56))) refuse("no RLP, or not in its one spelling");
  const raw = data.subarray(at, end);
  if (!isList) {
    if (size === 1 && data[start] < 0x80) refuse("RLP in a second spelling");
    return { bytes: data.subarray(start, end), raw, end };
  }
  if (level >= 8) refuse("RLP nested too deep");
  const list = [];
  for (let next = start; next < end; next = list.at(-1).end) list.push(rlpItem(data.subarray(0, end), next, level + 1));
  return { list, raw, end };
}

function rlp(data) {
  const item = rlpItem(data, 0, 0);
  return item.end === data.length ? item : refuse("something follows the RLP");
}

const isQuantity = (bytes) => bytes.length <= 32 && bytes[0] !== 0;
const FIELDS = [32, 32, 20, 32, 32, 32, 256, "q", "q", "q", "q", "q", "any", 32, 8, "q", 32, "q", "q", 32, 32];

function readHeader(data) {
  const { list } = rlp(data);
  const isField = ({ bytes }, at) => bytes && (FIELDS[at] === "any" || (FIELDS[at] === "q" ? isQuantity(bytes) : bytes.length === FIELDS[at]));
  if (!list || ![15, 16, 17, 20, 21].includes(list.length) || !list.every(isField)) refuse("no header of a block");
  const [height, time] = [number(list[8].bytes), number(list[11].bytes)];
  if (height >= 2n ** 53n || time >= 2n ** 53n) refuse("no number or time of a block");
  return { hash: `0x${hex(keccak_256(data))}`, root: list[3].bytes, number: height, time };
}

const nibbles = (bytes) => [...bytes].flatMap((byte) => [byte >> 4, byte & 15]);
const EMPTY = keccak_256(Uint8Array.of(0x80));

// The value under a key of the trie with this root, undefined where it has none. `nodeOf` gives a node by its hash.
function valueAt(root, key, nodeOf) {
  if (same(root, EMPTY)) return undefined;
  const path = nibbles(keccak_256(key));
  const read = (hash, isRoot) => {
    const data = nodeOf(hash);
    return data.length < 32 && !isRoot ? refuse("a node of no such length") : rlp(data);
  };
  let [node, at] = [read(root, true), 0];
  for (;;) {
    const { list } = node;
    let reference;
    if (list?.length === 17) {
      if (at >= 64 || list[16].bytes?.length !== 0) refuse("a branch with a value");
      reference = list[path[at]];
      at += 1;
    } else if (list?.length === 2 && list[0].bytes?.length) {
      const [flag, odd, ...part] = nibbles(list[0].bytes);
      if (flag > 3 || (!(flag & 1) && odd !== 0)) refuse("no part of a path");
      if (flag & 1) part.unshift(odd);
      const isLeaf = flag >= 2;
      if (list[1].bytes?.length === 0 || (isLeaf ? at + part.length !== 64 : !part.length || at + part.length >= 64)) refuse("a part of another length");
      if (part.some((nibble, offset) => nibble !== path[at + offset])) return undefined;
      at += part.length;
      if (isLeaf) return list[1].bytes ?? refuse("a value that is a list");
      reference = list[1];
    } else refuse("no node of a trie");
    if (reference.bytes?.length === 0) return undefined;
    if (reference.bytes) node = reference.bytes.length === 32 ? read(reference.bytes, false) : refuse("no reference");
    else node = reference.raw.length < 32 ? reference : refuse("a node within a node is too long");
  }
}

export const headerOf = (anchor) => readHeader(bytesOf(anchor.header));

// What a block note states: that this block is final on the chain of these contracts.
export const blockStatement = (logId, chain, { number: height, hash }) => [
  "tallystick/block@v1", logId, `chain ${chain.chain_id} ${chain.deployment_block_number} ${chain.deployment_block_hash}`,
  `registry ${chain.registry} ${chain.registry_code_hash}`, `anchor ${chain.anchor} ${chain.anchor_code_hash}`, `block ${height} ${hash}`, "",
].join("\n");

const after = (key, steps) => word((number(key) + BigInt(steps)) % 2n ** 256n);
const mapped = (key, slot) => keccak_256(joined(word(key), word(slot)));
const bits = (value, from, count) => (value >> BigInt(from)) & (2n ** BigInt(count) - 1n);
const text = (value) => hex(word(value));
export const padded = (id) => hex(utf8(id)).padEnd(64, "0");

// The contracts' storage in the state of a block, by the nodes of an anchor. A node that is missing throws `missing`.
export function contractStates(anchor, chain, header, missing) {
  const nodes = new Map(anchor.state.map((text) => [hex(keccak_256(bytesOf(text))), bytesOf(text)]));
  const nodeOf = (hash) => nodes.get(hex(hash)) ?? missing(hex(hash));
  const wordIn = (address, codeHash) => {
    const { list = [] } = rlp(valueAt(header.root, bytesOf(address), nodeOf) ?? refuse("the contract is not there"));
    const [root, code] = list.slice(2).map(({ bytes }) => bytes ?? refuse("no account"));
    if (list.length !== 4) refuse("no account");
    if (`0x${hex(code)}` !== codeHash) refuse("the contract has other code");
    return (slot) => {
      const held = valueAt(root, slot, nodeOf);
      const bytes = held === undefined ? new Uint8Array() : rlp(held).bytes;
      if (held !== undefined && (!bytes?.length || !isQuantity(bytes))) refuse("no value of a slot");
      return number(bytes);
    };
  };
  return {
    // Record n of LogAnchor, the one before it, and the last one.
    record(n) {
      const at = wordIn(chain.anchor, chain.anchor_code_hash);
      const one = (key) => {
        const [root, packed] = [at(key), at(after(key, 1))];
        return { root: text(root), size: bits(packed, 0, 64), block: bits(packed, 64, 64), time: bits(packed, 128, 64) };
      };
      const last = at(word(0n));
      return { last: { number: bits(last, 0, 64), size: bits(last, 64, 64) }, record: one(mapped(n, 1n)), before: one(mapped(n - 1n, 1n)) };
    },
    // What the registry holds of a key.
    grant(keyId) {
      const at = wordIn(chain.registry, chain.registry_code_hash);
      const key = mapped(BigInt(keyId), 2n);
      const [agency, officer, terms] = [0, 1, 2].map((offset) => at(after(key, offset)));
      return {
        agency: text(agency), officer: text(officer), roles: bits(terms, 0, 32), suite: bits(terms, 32, 8),
        from: bits(terms, 40, 64), until: bits(terms, 104, 64), revoked: bits(terms, 168, 64),
      };
    },
  };
}
