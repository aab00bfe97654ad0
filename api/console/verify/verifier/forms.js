// Values and their forms (docs/protocol/event.md, event-types.md): strict JSON in, canonical bytes out, and a check by the tables.
import { BODIES, PARTS, VOCABULARIES, WORDS } from "./tables.js";

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
export const utf8 = (text) => new TextEncoder().encode(text);
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export function unhex(text) {
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}
export const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

export function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse("not UTF-8");
  }
}

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
  const text = textOf(bytes);
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    refuse("no JSON");
  }
  requireProfile(value, 1);
  return canonical(value) === text ? value : refuse("not in canonical form");
}

function requireProfile(value, level) {
  if (typeof value === "string" && (UNWANTED.test(value) || value.normalize("NFC") !== value)) refuse("a string holds what none may hold");
  if (typeof value === "number" && !Number.isSafeInteger(value)) refuse("a number that is no integer below 2^53");
  if (value === null || typeof value !== "object") return;
  if (level > DEEPEST) refuse("nested too deep");
  for (const [key, one] of Object.entries(value)) {
    if (/[^\x00-\x7f]/.test(key)) refuse("a key that is not ASCII");
    requireProfile(one, level + 1);
  }
}

export const isListOf = (value, isOne, most = 64) => Array.isArray(value) && value.length <= most && value.every(isOne);
export const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

// A type of the tables, as a function that returns what is wrong with a value, or nothing.
const checks = new Map();
const DATE = "([12][0-9]{3}-[01][0-9]-[0-3][0-9])";
const real = (day) => day === undefined || new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day);
const integer = (least, most) => (value) => Number.isSafeInteger(value) && value >= least && value <= most;
const within = (range, size) => {
  const [least, most] = range?.match(/\d+|more/g) ?? [0, "more"];
  return size >= Number(least) && (most === "more" || size <= Number(most));
};
function word(form) {
  const [, least, most] = form.match(/^integer,? (\d+) to (\d+)$/) ?? [];
  if (least) return integer(Number(least), Number(most));
  const pattern = form.match(/`(.+?)`/)?.[1].replace("<Date>", DATE) ?? "[^]*";
  const whole = new RegExp(`^(?:${pattern})$`, "u");
  const range = form.match(/(\d+ to \d+) characters/)?.[1];
  return (value) => {
    const found = typeof value === "string" && within(range, lengthOf(value)) && whole.exec(value);
    return found && real(form.includes("<Date>") ? found[1] : undefined) && value.normalize("NFC") === value && !UNWANTED.test(value);
  };
}

function compile(type) {
  const [, item, range] = type.match(/^\[(.+)\](?: \((.+)\))?$/) ?? [];
  if (item) return (value) => Array.isArray(value) && within(range, value.length) && value.every((one) => fits(one, item));
  const [, key, held, count] = type.match(/^\{(\w+): (\w+)\}(?: \((.+)\))?$/) ?? [];
  if (key) {
    return (value) => isObject(value) && within(count, Object.keys(value).length)
      && Object.entries(value).every(([name, one]) => fits(name, key) && fits(one, held));
  }
  if (type.endsWith(" or null")) return (value) => value === null || fits(value, type.slice(0, -8));
  if (type.startsWith("`")) {
    const words = type.split(" or ").map((one) => one.slice(1, -1)).map((one) => ({ true: true, false: false })[one] ?? one);
    return (value) => words.includes(value);
  }
  if (/^\d+$/.test(type)) return (value) => value === Number(type);
  if (type === "(see the type)") return () => true;
  if (type in WORDS) return word(WORDS[type]);
  if (type in VOCABULARIES) return (value) => VOCABULARIES[type].split(" ").includes(value);
  return type in PARTS ? struct(PARTS[type]) : word(type);
}

export function struct(fields) {
  const rows = fields.split(/, (?=`\w+`\?? )/).map((row) => row.match(/^`(\w+)`(\??) (.+)$/).slice(1));
  const known = new Set(rows.map(([name]) => name));
  const empty = (value) => value === false || (typeof value === "object" && value !== null && !Object.keys(value).length);
  return (value) => isObject(value) && Object.keys(value).every((name) => known.has(name))
    && rows.every(([name, optional, type]) => (name in value ? fits(value[name], type) && !(optional && empty(value[name])) : optional));
}

export function fits(value, type) {
  if (!checks.has(type)) checks.set(type, compile(type));
  return Boolean(checks.get(type)(value));
}

// Whether a payload is of the form of its event type. What is possible in custody is another matter.
export function isPayload(value) {
  if (!fits(value, "Payload") || !Object.hasOwn(BODIES, value.event_type)) return false;
  const fields = BODIES[value.event_type][3];
  if (!checks.has(fields)) checks.set(fields, struct(fields));
  return checks.get(fields)(value.body);
}
