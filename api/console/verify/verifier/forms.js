// Values and their types (docs/protocol/event.md): strict JSON in, canonical bytes out. And sentences, by which files and steps are refused.
import { hexToBytes } from "@noble/curves/utils.js";
import { utf8ToBytes as utf8 } from "@noble/hashes/utils.js";

export { bytesToHex as hex, concatBytes as joined, equalBytes as same } from "@noble/curves/utils.js";
export { utf8 };
// The bytes of hex digits, and of those that follow a prefix such as 0x or sha256:.
export const unhex = (text) => hexToBytes(text.replace(/^.*[x:]/, ""));

// A sentence by its id: English, with slots by name, which may hold sentences too. Whoever shows it has it in other languages by the same id.
// A reason stays what it is, and a value, such as a digest, stands for itself.
export const reason = (id, slots = {}) => (id.slots ? id : { id, slots });
export const both = (first, second) => (second ? reason("{first}; {second}", { first, second }) : first);

// Ends the reading of a file, or a step, for which the verdict follows.
export class Refused extends Error {
  constructor(detail, verdict) {
    super(detail.id);
    Object.assign(this, { detail, verdict });
  }
}

export const lack = (id, verdict = "unverifiable", slots = {}) => {
  throw new Refused(reason(id, slots), verdict);
};
export const refuse = (id, slots) => lack(id, "tampered", slots);

const UNWANTED = /[\u0000\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Surrogate}]/u;
const DEEPEST = 32; // levels of nesting: lists and objects

// The canonical text of a value that may be in a file.
export function canonical(value, level = 1) {
  if (typeof value === "string" && UNWANTED.test(value)) refuse("a string holds what none may hold");
  if (typeof value === "number" && !Number.isSafeInteger(value)) refuse("a number that is no integer below 2^53");
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (level > DEEPEST) refuse("nested too deep");
  const spelled = (part) => canonical(part, level + 1);
  if (Array.isArray(value)) return `[${value.map(spelled).join(",")}]`;
  if (Object.keys(value).some((key) => /[^\x01-\x7f]/.test(key))) refuse("a key that is not ASCII, or holds NUL");
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${spelled(value[key])}`).join(",")}}`;
}

// The value of canonical bytes. A value has one spelling, so it is spelled again and compared.
export function parseCanonical(bytes, most) {
  if (bytes.length > most) refuse("a file of more than {most} bytes", { most });
  let [text, value] = [];
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    refuse("no JSON in UTF-8");
  }
  return canonical(value) === text ? value : refuse("not in canonical form");
}

export const isDistinct = (values) => new Set(values).size === values.length;
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// Types, as functions that tell whether a value is of them. What no string of a file may hold was refused when it was parsed.
export const integer = (least, most = Number.MAX_SAFE_INTEGER) => (value) => Number.isSafeInteger(value) && value >= least && value <= most;
export const like = (form) => (value) => typeof value === "string" && form.test(value);
export const oneOf = (...words) => (value) => words.includes(value);
const isWithin = (count, least, most) => count >= least && count <= most;
// Characters are code points: they are counted one by one only where that can make a difference.
export const text = (most, least = 0) => (value) => typeof value === "string" && isWithin(value.length, least, 2 * most)
  && (value.length <= most || [...value].length <= most);
export const listOf = (isOne, most = Infinity, least = 0) => (value) => Array.isArray(value) && isWithin(value.length, least, most) && value.every(isOne);
export const mapOf = (isKey, isOne, most = Infinity, least = 0) => (value) => isObject(value) && isWithin(Object.keys(value).length, least, most)
  && Object.entries(value).every(([key, entry]) => isKey(key) && isOne(entry));

// An object with these fields and no others. What may be absent has a question mark, and is absent where it would be false or empty.
export function struct(types) {
  const rows = Object.entries(types).map(([name, is]) => [name.replace("?", ""), name.endsWith("?"), is]);
  const names = new Set(rows.map(([name]) => name));
  const isEmpty = (value) => value === false || (typeof value === "object" && value !== null && !Object.keys(value).length);
  return (value) => isObject(value) && Object.keys(value).every((name) => names.has(name))
    && rows.every(([name, optional, is]) => (Object.hasOwn(value, name) ? is(value[name]) && !(optional && isEmpty(value[name])) : optional));
}

export const [isSafeInt, isPositive, isSuite, isUnixSeconds] = [integer(0), integer(1), integer(1, 255), integer(0, 32503679999)];
export const [isBytes32, isKeyId, isHash] = [like(/^0x[0-9a-f]{64}$/), like(/^0x[0-9a-f]{40}$/), like(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/)];
const [isBlake3, isSalt, isField] = [like(/^blake3:[0-9a-f]{64}$/), like(/^[0-9a-f]{32}$/), like(/^[a-z][a-z0-9_]{0,31}$/)];
const isSlug = like(/^[a-z0-9](?:[a-z0-9-]{0,29}[a-z0-9])?$/);
export const isLabel = like(/^[a-z][a-z0-9_]{0,31}(?::[1-9][0-9]{0,3})?$/);
export const isLine = (value) => text(200, 1)(value) && !/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(value);
const isInstant = (value) => like(/^[12][0-9]{3}-/)(value) && new Date(value).toJSON() === value.replace("Z", ".000Z");

export const isStream = struct({ kind: oneOf("case", "agency", "supervision", "system"), id: like(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/) });
const hasFields = struct({
  suite: isSuite, event_id: like(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/), event_type: like(/^[a-z_]{1,24}\.[a-z_]{1,24}$/),
  stream: isStream, sequence: isSafeInt, previous: (value) => value === null || like(/^sha256:[0-9a-f]{64}$/)(value), agency: isSlug,
  payload_digest: isBlake3, signed_at: isUnixSeconds, key_id: isKeyId, signature: like(/^0x(?:[0-9a-f]{2}){1,16384}$/),
});
export const isEnvelope = (value) => hasFields(value) && (value.previous === null) === (value.sequence === 0)
  && ({ agency: value.agency, system: "ledger" }[value.stream.kind] ?? value.stream.id) === value.stream.id;
export const isPayload = struct({
  officer: isSlug, occurred_at: isInstant, salt: isSalt, body: isObject, "authority?": struct({ authorization_type: isLine, authorization_identifier: isLine }),
  "confidential?": mapOf(isLabel, isBlake3, 64),
});
export const isSection = struct({ salt: isSalt, fields: mapOf(isField, text(4000, 1), Infinity, 1) });

// The bodies that verification reads: changes of the registry, as the log mirrors them (docs/protocol/registry.md).
const isLocation = struct({ block_number: isSafeInt, block_hash: isBytes32, transaction_hash: isBytes32 });
const CHANGE = { number: isSafeInt, registry_hash: isBytes32, location: isLocation, agency: isSlug };
const isName = mapOf(like(/^[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-[A-Z]{2})?$/), isLine, 16, 1);
export const MIRRORED = {
  "registry.agency_admitted": struct({
    ...CHANGE, kind: like(/^[a-z0-9](?:[a-z0-9_]{0,29}[a-z0-9])?$/), admin: isKeyId,
    profile: struct({ jurisdiction: like(/^[a-z0-9]{1,16}(?:\/[a-z0-9]{1,16}){0,4}$/), name: isName }),
  }),
  "registry.key_granted": struct({
    ...CHANGE, key_id: isKeyId, officer: isSlug, roles: listOf(oneOf("clerk", "supervisor", "auditor", "analyst", "witness"), Infinity, 1), suite: isSuite,
    valid_from: isSafeInt, valid_until: isSafeInt,
  }),
  "registry.key_revoked": struct({ ...CHANGE, key_id: isKeyId }),
};
