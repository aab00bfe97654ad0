// Values and their types (docs/protocol/event.md): strict JSON in, canonical bytes out.
export { bytesToHex as hex, concatBytes as joined, equalBytes as same, hexToBytes as unhex } from "@noble/curves/utils.js";
export { utf8ToBytes as utf8 } from "@noble/hashes/utils.js";

// A sentence by its id: English, with slots by name. A page has other languages' sentences by the same id; as a string, and in
// JSON, it is the English.
class Reason {
  constructor(id, slots) {
    Object.assign(this, { id, slots });
  }

  toString() {
    return this.id.replace(/{(\w+)}/g, (_, slot) => this.slots[slot]);
  }

  toJSON() {
    return String(this);
  }
}

// A slot may hold a reason. A reason stays what it is, and a value, such as a digest, stands for itself.
export const reason = (id, slots = {}) => (id instanceof Reason ? id : new Reason(id, slots));
export const bothOf = (first, second) => (second ? reason("{first}; {second}", { first, second }) : first);

export class Refused extends Error {
  constructor(detail) {
    super(detail);
    this.detail = detail;
  }
}

export const refuse = (id, slots) => {
  throw new Refused(reason(id, slots));
};

// The number of characters, counted without a copy of them: the text may be as long as a file.
export function lengthOf(text) {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

const DEEPEST = 32; // levels of nesting: lists and objects
const UNWANTED = /[\u0000\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Surrogate}]/u;

// The value of canonical bytes (docs/protocol/event.md). A value has one spelling, so it is spelled again and compared.
export function parseCanonical(bytes) {
  let [text, value] = [];
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    refuse("no JSON in UTF-8");
  }
  requireProfile(value, 1);
  return canonical(value) === text ? value : refuse("not in canonical form");
}

function requireProfile(value, level) {
  if (typeof value === "string" && UNWANTED.test(value)) refuse("a string holds what none may hold");
  if (typeof value === "number" && !Number.isSafeInteger(value)) refuse("a number that is no integer below 2^53");
  if (value === null || typeof value !== "object") return;
  if (level > DEEPEST) refuse("nested too deep");
  for (const [key, one] of Object.entries(value)) {
    if (/[^\x01-\x7f]/.test(key)) refuse("a key that is not ASCII, or holds NUL");
    requireProfile(one, level + 1);
  }
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

// Types, as functions that tell whether a value is of them. What no string of a file may hold was refused when it was parsed.
const integer = (least, most) => (value) => Number.isSafeInteger(value) && value >= least && value <= most;
const like = (pattern) => (value) => typeof value === "string" && pattern.test(value);
const slug = (most) => like(new RegExp(`^[a-z0-9](?:[a-z0-9-]{0,${most - 2}}[a-z0-9])?$`));
export const oneOf = (...words) => (value) => words.includes(value);
export const textUpTo = (most, least = 0) => (value) => typeof value === "string" && value.length >= least && lengthOf(value) <= most;
export const listOf = (isOne, most, least = 0) => (value) => Array.isArray(value) && value.length >= least && value.length <= most && value.every(isOne);
export const mapOf = (isKey, isOne, most = Infinity, least = 0) => (value) => isObject(value) && Object.keys(value).length >= least
  && Object.keys(value).length <= most && Object.entries(value).every(([key, one]) => isKey(key) && isOne(one));

// An object with these fields and no others. What may be absent has a question mark, and is absent where it would be false or empty.
export function struct(types) {
  const rows = Object.entries(types).map(([name, is]) => [name.replace("?", ""), name.endsWith("?"), is]);
  const known = new Set(rows.map(([name]) => name));
  const isEmpty = (value) => value === false || (typeof value === "object" && value !== null && !Object.keys(value).length);
  return (value) => isObject(value) && Object.keys(value).every((name) => known.has(name))
    && rows.every(([name, optional, is]) => (Object.hasOwn(value, name) ? is(value[name]) && !(optional && isEmpty(value[name])) : optional));
}

const DAY = /^([12][0-9]{3}-[01][0-9]-[0-3][0-9])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$/;
const isInstant = (value) => like(DAY)(value) && new Date(`${value.slice(0, 10)}T00:00:00Z`).toJSON()?.startsWith(value.slice(0, 10));
const [isBlake3, isLeafHash, isSalt] = [like(/^blake3:[0-9a-f]{64}$/), like(/^sha256:[0-9a-f]{64}$/), like(/^[0-9a-f]{32}$/)];
const [isAgencyId, isOfficerId] = [slug(31), slug(31)];
export const [isSafeInt, isBytes32, isKeyId] = [integer(0, Number.MAX_SAFE_INTEGER), like(/^0x[0-9a-f]{64}$/), like(/^0x[0-9a-f]{40}$/)];
export const isSuite = integer(1, 255);
const isSignature = like(/^0x(?:[0-9a-f]{2}){1,16384}$/);
export const isLine = (value) => textUpTo(200, 1)(value) && !/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(value);
export const isLabel = like(/^[a-z][a-z0-9_]{0,31}(?::[1-9][0-9]{0,3})?$/);
export const isStream = struct({ kind: oneOf("case", "agency", "supervision", "system"), id: slug(64) });
const isEnvelopeFields = struct({
  suite: isSuite, event_id: like(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/), event_type: like(/^[a-z_]{1,24}\.[a-z_]{1,24}$/),
  stream: isStream, sequence: isSafeInt, previous: (value) => value === null || isLeafHash(value), agency: isAgencyId, payload_digest: isBlake3, signed_at: isSafeInt,
  key_id: isKeyId, signature: isSignature,
});
export const isEnvelope = (value) => isEnvelopeFields(value) && (value.previous === null) === (value.sequence === 0)
  && ({ agency: value.agency, system: "ledger" }[value.stream.kind] ?? value.stream.id) === value.stream.id;
export const isPayload = struct({
  officer: isOfficerId, occurred_at: isInstant, salt: isSalt, body: isObject, "authority?": struct({ authorization_type: isLine, authorization_identifier: isLine }),
  "confidential?": mapOf(isLabel, isBlake3, 64),
});
export const isSection = struct({ salt: isSalt, fields: mapOf(like(/^[a-z][a-z0-9_]{0,31}$/), textUpTo(4000, 1), Infinity, 1) });

// The bodies that verification reads: changes of the registry, as the log mirrors them (docs/protocol/registry.md).
const CHANGE = { number: isSafeInt, registry_hash: isBytes32, location: struct({ block_number: isSafeInt, block_hash: isBytes32, transaction_hash: isBytes32 }), agency: isAgencyId };
const isName = mapOf(like(/^[a-z]{2,3}(?:-[A-Z]{2})?$/), isLine, 16, 1);
const isJurisdiction = like(/^[a-z0-9]{1,16}(?:\/[a-z0-9]{1,16}){0,4}$/);
const isRole = oneOf("clerk", "supervisor", "auditor", "analyst", "witness");
export const MIRRORED = {
  "registry.agency_admitted": struct({
    ...CHANGE, kind: like(/^[a-z0-9](?:[a-z0-9_]{0,29}[a-z0-9])?$/), admin: isKeyId, profile: struct({ jurisdiction: isJurisdiction, name: isName }),
  }),
  "registry.key_granted": struct({
    ...CHANGE, key_id: isKeyId, officer: isOfficerId, roles: listOf(isRole, Infinity, 1), suite: isSuite, valid_from: isSafeInt, valid_until: isSafeInt,
  }),
  "registry.key_revoked": struct({ ...CHANGE, key_id: isKeyId }),
};
