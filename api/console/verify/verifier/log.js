// The log (docs/protocol/log.md; c2sp.org signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof, tlog-policy).
import { ed25519 } from "@noble/curves/ed25519.js";
import { bytesToNumberLE } from "@noble/curves/utils.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { hex, joined, lengthOf, refuse, same, unhex, utf8 } from "./forms.js";

const LOG_KEY = 1;
const COSIGNATURE_V1 = 4;
const SUBTREE_V1 = 6; // ML-DSA-44; the others are of Ed25519
const KEY_BYTES = { [LOG_KEY]: 32, [COSIGNATURE_V1]: 32, [SUBTREE_V1]: 1312 };
const SIGNATURE_BYTES = { [COSIGNATURE_V1]: 64, [SUBTREE_V1]: 2420 };
const LARGEST = 2n ** 63n; // of sizes, indexes and times
const LONGEST_NOTE = 262144; // bytes
const LONGEST_POLICY = 262144; // characters
const LONGEST_NAME = 255; // bytes, where the message that is signed holds it

export function base64(text) {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) refuse("no base64");
  const decoded = atob(text);
  return btoa(decoded) === text ? Uint8Array.from(decoded, (one) => one.charCodeAt(0)) : refuse("base64 in a second spelling");
}

const number = (text) => {
  if (!/^(?:0|[1-9][0-9]{0,18})$/.test(text) || BigInt(text) >= LARGEST) refuse("no size or index: {text}", { text });
  return BigInt(text);
};

const ORDER = ed25519.Point.CURVE().n;

// R is computed and compared as bytes: no cofactor, no second spelling of a point, no point of small order.
export function ed25519Holds(signature, message, key) {
  const s = bytesToNumberLE(signature.subarray(32));
  if (s >= ORDER) return false;
  try {
    const [A, R] = [ed25519.Point.fromBytes(key, false), ed25519.Point.fromBytes(signature.subarray(0, 32), false)];
    if (A.isSmallOrder() || R.isSmallOrder()) return false;
    const k = bytesToNumberLE(sha512(joined(signature.subarray(0, 32), key, message))) % ORDER;
    const base = s ? ed25519.Point.BASE.multiply(s) : ed25519.Point.ZERO;
    return same(base.subtract(A.multiplyUnsafe(k)).toBytes(), signature.subarray(0, 32));
  } catch {
    return false;
  }
}

const isName = (name) => name !== "" && !/[\p{White_Space}+\x00-\x1f]/u.test(name);

export function verifierKey(text, ...types) {
  const [name, id, encoded, ...more] = text.split("+");
  const data = base64([encoded, ...more].join("+"));
  const type = data[0];
  if (!isName(name) || !types.includes(type) || data.length !== 1 + KEY_BYTES[type]) refuse("no key of type {type}: {text}", { type: types.join("/"), text });
  if (type === SUBTREE_V1 && utf8(name).length > LONGEST_NAME) refuse("the key's name is too long: {text}", { text });
  if (hex(sha256(joined(utf8(`${name}\n`), data)).subarray(0, 4)) !== id) refuse("the key's id is not its own: {text}", { text });
  return { name, id, type, key: data.subarray(1) };
}

export const logKey = (text) => verifierKey(text, LOG_KEY);

export const distinct = (others, one) => (others.some(({ key }) => same(key, one.key)) ? refuse("the key of {name} stands twice", { name: one.name }) : one);

export function parsePolicy(text) {
  if (lengthOf(text) > LONGEST_POLICY || /[\x00-\x08\x0b-\x1f\x7f]/.test(text)) refuse("no policy text");
  const policy = { logs: [], witnesses: [], members: new Map([["none", null]]), quorum: undefined };
  const grouped = new Set();
  const define = (name, member) => {
    if (policy.members.has(name)) refuse("{name} is defined twice", { name });
    policy.members.set(name, member);
  };
  const member = (name) => policy.members.get(name) ?? refuse("{name} is not defined above", { name });
  for (const line of text.split("\n")) {
    const [what, ...words] = line.split(/[ \t]+/).filter(Boolean);
    if (what === undefined || what.startsWith("#")) continue;
    if (what === "log" && (words.length === 1 || words.length === 2)) {
      policy.logs.push(distinct(policy.logs, verifierKey(words[0], LOG_KEY, SUBTREE_V1)));
    } else if (what === "witness" && (words.length === 2 || words.length === 3)) {
      const witness = distinct(policy.witnesses, verifierKey(words[1], COSIGNATURE_V1, SUBTREE_V1));
      policy.witnesses.push(witness);
      define(words[0], { witness });
    } else if (what === "group" && words.length >= 3) {
      const [name, k, ...names] = words;
      const least = new Map([["all", names.length], ["any", 1]]).get(k) ?? (/^[1-9][0-9]{0,8}$/.test(k) ? Number(k) : refuse("no threshold"));
      if (least > names.length) refuse("a group can never be reached");
      for (const one of names) grouped.has(one) ? refuse("{name} stands in two groups", { name: one }) : grouped.add(one);
      define(name, { least, of: names.map(member) });
    } else if (what === "quorum" && words.length === 1 && policy.quorum === undefined) {
      policy.quorum = words[0] === "none" ? null : member(words[0]);
    } else refuse("no line of a policy: {line}", { line });
  }
  return policy.quorum === undefined ? refuse("no quorum") : policy;
}

const reached = (node, signed) => (node.witness ? signed.has(node.witness) : node.of.filter((one) => reached(one, signed)).length >= node.least);

// {note, text, signatures} of a signed note; nothing is verified yet.
export function parseNote(note) {
  const at = note.lastIndexOf("\n\n");
  if (at < 0 || !note.endsWith("\n") || utf8(note).length > LONGEST_NOTE || /[\x00-\x09\x0b-\x1f]/.test(note)) refuse("no note");
  const text = note.slice(0, at + 1);
  const signatures = note.slice(at + 2, -1).split("\n").map((line) => {
    const [dash, name, encoded, ...more] = line.split(" ");
    const data = base64(encoded ?? refuse("no signature line"));
    if (dash !== "—" || !isName(name) || more.length || data.length < 5) refuse("no signature line");
    return { name, id: hex(data.subarray(0, 4)), data: data.subarray(4) };
  });
  return { note, text, signatures };
}

// The same of a checkpoint's note, with {origin, size, root}.
export function parseCheckpoint(note) {
  const parsed = parseNote(note);
  const lines = parsed.text.split("\n");
  if (lines.length !== 4 || lines[0] === "") refuse("a checkpoint has three lines");
  if (utf8(lines[0]).length > LONGEST_NAME) refuse("the origin is too long");
  const [size, root] = [number(lines[1]), base64(lines[2])];
  if (root.length !== 32 || (size === 0n) !== same(root, sha256(new Uint8Array()))) refuse("the root is not one of this size");
  return { ...parsed, origin: lines[0], size, root };
}

const signaturesBy = (note, { name, id }) => note.signatures.filter((one) => one.name === name && one.id === id);

export const names = (note, key) => signaturesBy(note, key).length > 0;

// Whether the log's key signed the note, once.
export function logSigned(note, key) {
  const signatures = signaturesBy(note, key);
  return signatures.length === 1 && signatures[0].data.length === 64 && ed25519Holds(signatures[0].data, utf8(note.text), key.key);
}

const uint64 = (value) => unhex(value.toString(16).padStart(16, "0"));
const counted = (text) => joined(Uint8Array.of(utf8(text).length), utf8(text));

// What an ML-DSA-44 key signs: of a checkpoint the tree from leaf 0 to its size, of any other note its text.
function namedMessage(note, { name }, time) {
  if (note.size === undefined) return joined(utf8("tallystick/statement@v1\n\0"), counted(name), uint64(time), utf8(note.text));
  return joined(utf8("subtree/v1\n\0"), counted(name), uint64(time), counted(note.origin), uint64(0n), uint64(note.size), note.root);
}

// The time of a witness's co-signature, or nothing where it does not hold.
function cosignedAt(note, witness, { data }) {
  if (data.length !== 8 + SIGNATURE_BYTES[witness.type]) return undefined;
  const [time, signature] = [BigInt(`0x${hex(data.subarray(0, 8))}`), data.subarray(8)];
  if (time === 0n || time >= LARGEST) return undefined;
  const holds = witness.type === SUBTREE_V1
    ? ml_dsa44.verify(signature, namedMessage(note, witness, time), witness.key)
    : ed25519Holds(signature, utf8(`cosignature/v1\ntime ${time}\n${note.text}`), witness.key);
  return holds ? time : undefined;
}

// The times at which the witnesses co-signed the note. Refuses a line of one of them that does not hold, or stands twice.
export function cosignatures(note, witnesses) {
  const times = new Map();
  for (const witness of witnesses) {
    const signatures = signaturesBy(note, witness);
    if (signatures.length === 0) continue;
    const time = signatures.length === 1 ? cosignedAt(note, witness, signatures[0]) : undefined;
    times.set(witness, time ?? refuse("the co-signature of {name} does not hold", { name: witness.name }));
  }
  return times;
}

// The earliest time by which enough witnesses had co-signed, nothing where the quorum is not reached.
export function quorumTime(quorum, times) {
  const signedBy = (time) => new Set([...times.keys()].filter((witness) => times.get(witness) <= time));
  return [...times.values()].sort((a, b) => (a < b ? -1 : 1)).find((time) => reached(quorum, signedBy(time)));
}

export const leafHash = (entry) => sha256(joined(Uint8Array.of(0), entry));
export const nodeHash = (left, right) => sha256(joined(Uint8Array.of(1), left, right));

// Whether the leaf at index is in the tree of this size and root, by the nodes of a bundle: nothing where one of them is missing.
export function included(nodes, leaf, index, size, root) {
  let [hash, at, last, level] = [leaf, BigInt(index), size - 1n, 0];
  if (at > last) return false;
  for (; last > 0n; [at, last, level] = [at >> 1n, last >> 1n, level + 1]) {
    if ((at ^ 1n) > last) continue; // the last node of a level may have no sibling: it is then its own parent
    const sibling = nodes[`${level}/${at ^ 1n}`];
    if (sibling === undefined) return undefined;
    hash = at & 1n ? nodeHash(base64(sibling), hash) : nodeHash(hash, base64(sibling));
  }
  return same(hash, root);
}
