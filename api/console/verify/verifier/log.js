// The log (docs/protocol/log.md; c2sp.org signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy), and the head map in it (head-map.md).
import { ed25519 } from "@noble/curves/ed25519.js";
import { bytesToNumberBE, bytesToNumberLE, numberToBytesBE } from "@noble/curves/utils.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { canonical, hex, isDistinct, joined, refuse, same, unhex, utf8 } from "./forms.js";

const [LOG_KEY, COSIGNATURE_V1, SUBTREE_V1] = [1, 4, 6]; // the last of ML-DSA-44, the others of Ed25519
const KEY_BYTES = { [LOG_KEY]: 32, [COSIGNATURE_V1]: 32, [SUBTREE_V1]: 1312 };
const SIGNATURE_BYTES = { [LOG_KEY]: 64, [COSIGNATURE_V1]: 8 + 64, [SUBTREE_V1]: 8 + 2420 }; // a co-signature begins with its time
const LARGEST = 2n ** 63n; // of sizes and times
const LONGEST_NOTE = 262144; // bytes
const LONGEST_NAME = 255; // bytes
export const EMPTY_TREE = sha256(new Uint8Array());

export function base64(text) {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) refuse("no base64");
  const decoded = atob(text);
  return btoa(decoded) === text ? Uint8Array.from(decoded, (character) => character.charCodeAt(0)) : refuse("base64 in a second spelling");
}

// -- keys and the policy -----------------------------------------------------------------------------------------------

const isName = (name) => name !== "" && !/[\p{White_Space}+\x00-\x1f]/u.test(name);

function verifierKey(text, ...types) {
  const [name, id, encoded, ...more] = text.split("+");
  const data = base64([encoded, ...more].join("+"));
  const type = data[0];
  const isOfForm = isName(name) && types.includes(type) && utf8(name).length <= LONGEST_NAME && data.length === 1 + KEY_BYTES[type];
  if (!isOfForm || hex(sha256(joined(utf8(`${name}\n`), data)).subarray(0, 4)) !== id) refuse("no key of type {type} and its id: {text}", { type: types.join("/"), text });
  return { name, id, type, key: data.subarray(1) };
}

export const logKey = (text) => verifierKey(text, LOG_KEY);

export const requireDistinct = (keys) => (isDistinct(keys.map(({ key }) => hex(key))) && isDistinct(keys.map(({ name, id }) => `${name}+${id}`)))
  || refuse("a public key stands twice, or a name with its key id");

export function parsePolicy(text) {
  if (/[\x00-\x08\x0b-\x1f\x7f]/.test(text)) refuse("no policy text");
  const policy = { logs: [], witnesses: [], quorum: undefined };
  const [members, grouped] = [new Map([["none", null]]), new Set()];
  const define = (name, member) => (members.has(name) ? refuse("{name} is defined twice", { name }) : members.set(name, member));
  const member = (name) => members.get(name) ?? refuse("{name} is not defined above", { name });
  for (const line of text.split("\n")) {
    const [first, ...words] = line.split(/[ \t]+/).filter(Boolean);
    const is = (kind, least, most) => first === kind && words.length >= least && words.length <= most;
    if (is("log", 1, 2)) policy.logs.push(verifierKey(words[0], LOG_KEY, SUBTREE_V1));
    else if (is("witness", 2, 3)) {
      const witness = verifierKey(words[1], COSIGNATURE_V1, SUBTREE_V1);
      policy.witnesses.push(witness);
      define(words[0], { witness });
    } else if (is("group", 3, Infinity)) {
      const [name, k, ...names] = words;
      const least = new Map([["all", names.length], ["any", 1]]).get(k) ?? (/^[1-9][0-9]{0,8}$/.test(k) ? Number(k) : Infinity);
      if (least > names.length) refuse("a group can never be reached");
      for (const each of names) grouped.has(each) ? refuse("{name} stands in two groups", { name: each }) : grouped.add(each);
      define(name, { least, of: names.map(member) });
    } else if (is("quorum", 1, 1) && policy.quorum === undefined) policy.quorum = words[0] === "none" ? null : member(words[0]);
    else if (first !== undefined && !first.startsWith("#")) refuse("no line of a policy: {line}", { line });
  }
  requireDistinct([...policy.logs, ...policy.witnesses]);
  return policy.quorum === undefined ? refuse("no quorum") : policy;
}

// -- notes -------------------------------------------------------------------------------------------------------------

// {text, signatures} of a signed note; nothing is verified yet.
export function parseNote(note) {
  const at = note.lastIndexOf("\n\n");
  if (at < 0 || !note.endsWith("\n") || utf8(note).length > LONGEST_NOTE || /[\x00-\x09\x0b-\x1f]/.test(note)) refuse("no note");
  const signatures = note.slice(at + 2, -1).split("\n").map((line) => {
    const [dash, name = "", encoded = "", ...more] = line.split(" ");
    const data = base64(encoded);
    if (dash !== "—" || !isName(name) || more.length || data.length < 5) refuse("no signature line");
    return { name, id: hex(data.subarray(0, 4)), data: data.subarray(4) };
  });
  return { text: note.slice(0, at + 1), signatures };
}

// The same of a checkpoint's note, with {origin, size, root}.
export function parseCheckpoint(text) {
  const note = parseNote(text);
  const [, origin, digits, encoded] = /^([^\n]+)\n(0|[1-9][0-9]{0,18})\n([^\n]+)\n$/.exec(note.text) ?? refuse("no checkpoint of three lines");
  const [size, root] = [BigInt(digits), base64(encoded)];
  if (size >= LARGEST || root.length !== 32 || (size === 0n) !== same(root, EMPTY_TREE)) refuse("no size and root of a tree");
  return { ...note, origin, size, root };
}

const ORDER = ed25519.Point.CURVE().n;

// R is computed and compared as bytes: no cofactor, no second spelling of a point, no point of small order.
function ed25519Holds(signature, message, key) {
  const [r, s] = [signature.subarray(0, 32), bytesToNumberLE(signature.subarray(32))];
  try {
    const [A, R] = [key, r].map((bytes) => ed25519.Point.fromBytes(bytes));
    if (s >= ORDER || A.isSmallOrder() || R.isSmallOrder()) return false;
    const k = bytesToNumberLE(sha512(joined(r, key, message))) % ORDER;
    return same(ed25519.Point.BASE.multiplyUnsafe(s).subtract(A.multiplyUnsafe(k)).toBytes(), r);
  } catch {
    return false;
  }
}

const uint64 = (value) => numberToBytesBE(value, 8);
const counted = (text) => joined(Uint8Array.of(utf8(text).length), utf8(text));

// Whether a line of a note is a signature by the key. ML-DSA-44 signs of a checkpoint the tree from leaf 0 to its size.
function holds({ text, origin, size, root }, { name, type, key }, data) {
  if (data.length !== SIGNATURE_BYTES[type]) return false;
  if (type === LOG_KEY) return ed25519Holds(data, utf8(text), key);
  const [time, signature] = [data.subarray(0, 8), data.subarray(8)];
  const at = bytesToNumberBE(time);
  if (at === 0n || at >= LARGEST) return false;
  if (type === COSIGNATURE_V1) return ed25519Holds(signature, utf8(`cosignature/v1\ntime ${at}\n${text}`), key);
  const message = origin === undefined ? joined(utf8("tallystick/statement@v1\n\0"), counted(name), time, utf8(text))
    : joined(utf8("subtree/v1\n\0"), counted(name), time, counted(origin), uint64(0n), uint64(size), root);
  return ml_dsa44.verify(signature, message, key);
}

// The signature by a key, undefined without a line by it. Refuses a line that does not hold, or stands twice.
export function signatureBy(key, note) {
  const [line, ...more] = note.signatures.filter(({ name, id }) => name === key.name && id === key.id);
  if (!line || (!more.length && holds(note, key, line.data))) return line?.data;
  return refuse("a line by {name} does not hold: whoever passed the note on spoiled it, which says nothing of the log; ask for another copy", { name: key.name });
}

// Who of the policy's witnesses co-signed a note; when enough had, undefined if they have not or it asks for none; and when the last did.
export function cosigned(note, { quorum, witnesses }) {
  const lines = witnesses.map((witness) => [witness, signatureBy(witness, note)]).filter(([, data]) => data);
  const times = new Map(lines.map(([witness, data]) => [witness, bytesToNumberBE(data.subarray(0, 8))]));
  const inOrder = [...times.values()].sort((a, b) => (a < b ? -1 : 1));
  const isMet = (node, by) => (node.witness ? times.get(node.witness) <= by : node.of.filter((each) => isMet(each, by)).length >= node.least);
  return { at: quorum ? inOrder.find((by) => isMet(quorum, by)) : undefined, last: inOrder.at(-1), names: [...new Set(lines.map(([{ name }]) => name))] };
}

// -- the tree and the head map -----------------------------------------------------------------------------------------

export const leafHash = (envelope) => sha256(joined(Uint8Array.of(0), utf8(canonical(envelope))));
const nodeHash = (left, right) => sha256(joined(Uint8Array.of(1), left, right));

// Whether the leaf at index is in the tree of this size and root, by the nodes of a bundle: nothing where one of them is missing.
export function included(nodes, leaf, index, { size, root }) {
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

const bit = (key, at) => (key[at >> 3] >> (7 - (at & 7))) & 1;

// What a proof says that a map has for a stream: {count, head}, no count where it does not have it, and the root of that map.
export function mappedHead(stream, { siblings = [], leaf }) {
  const [key, hashes] = [sha256(utf8(canonical(stream))), siblings.map(base64)];
  if (hashes[0]?.every((byte) => byte === 0)) refuse("the deepest sibling in the head map is empty");
  const own = leaf && unhex(leaf.key);
  if (leaf && hashes.some((_, depth) => bit(own, depth) !== bit(key, depth))) refuse("the leaf in the head map has another place");
  const deepest = leaf ? sha256(joined(Uint8Array.of(0), own, uint64(leaf.count), unhex(leaf.head))) : new Uint8Array(32);
  const above = (hash, sibling, at) => (bit(key, hashes.length - 1 - at) ? nodeHash(sibling, hash) : nodeHash(hash, sibling));
  return { root: `0x${hex(hashes.reduce(above, deepest))}`, ...(leaf && same(own, key) ? leaf : { count: 0 }) };
}
