// The head map (docs/protocol/head-map.md): which streams the log has, and of each the number of events and the last one.
import { sha256 } from "@noble/hashes/sha2.js";
import { canonical, isBytes32, isSafeInt, joined, listOf, refuse, struct, textUpTo, unhex, utf8 } from "./forms.js";
import { base64, nodeHash } from "./log.js";

const LONGEST_PATH = 256; // bits of a key
export const isHash = (value) => textUpTo(44)(value) && /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(value);
const isLeaf = struct({ key: isBytes32, count: (value) => isSafeInt(value) && value > 0, head: isBytes32 });
export const isMapProof = struct({ index: isSafeInt, "siblings?": listOf(isHash, LONGEST_PATH), "leaf?": isLeaf });

const keyOf = (stream) => sha256(utf8(canonical(stream)));
const bit = (key, at) => (key[at >> 3] >> (7 - (at & 7))) & 1;

// The root to which the proof of a stream's place leads. Refuses a proof that breaks a rule.
export function provenRoot(stream, { siblings = [], leaf }) {
  const [key, hashes] = [keyOf(stream), siblings.map(base64)];
  if (hashes[0]?.every((one) => one === 0)) refuse("the deepest sibling in the head map is empty");
  let hash = new Uint8Array(32);
  if (leaf) {
    const own = unhex(leaf.key.slice(2));
    if (hashes.some((_, depth) => bit(own, depth) !== bit(key, depth))) refuse("the leaf in the head map has another place");
    hash = sha256(joined(Uint8Array.of(0), own, unhex(leaf.count.toString(16).padStart(16, "0")), unhex(leaf.head.slice(2))));
  }
  for (const [at, sibling] of hashes.entries()) hash = bit(key, hashes.length - 1 - at) ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
  return hash;
}

// What the proof says that the map has for the stream: {count, head}, or nothing.
export const headOf = (stream, { leaf }) => (leaf && unhex(leaf.key.slice(2)).every((one, at) => one === keyOf(stream)[at]) ? leaf : undefined);

// The payload that commits to a root, as it follows from the envelope.
export function mapPayload(envelope, root) {
  const at = new Date(envelope.signed_at * 1000);
  if (Number.isNaN(at.getTime()) || at.getUTCFullYear() > 9999) refuse("the head map's entry was signed at no possible time");
  return { body: { root }, occurred_at: at.toISOString().replace(".000Z", "Z"), officer: "service", salt: "0".repeat(32) };
}
