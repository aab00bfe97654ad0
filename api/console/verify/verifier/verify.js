// A second verifier of Tallystick's proofs, written from docs/protocol/ alone. Bytes in, numbered steps and a verdict out.
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { numberToBytesBE } from "@noble/curves/utils.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import {
  bothOf, canonical, hex, isBytes32, isEnvelope, isKeyId, isLabel, isLine, isPayload, isSafeInt, isSection, isStream, isSuite, joined, listOf, mapOf, MIRRORED, oneOf,
  parseCanonical, reason, Refused, refuse, same, struct, textUpTo, unhex, utf8,
} from "./forms.js";
import { blockStatement, contractStates, headerOf, padded } from "./chain.js";
import { headOf, isHash, isMapProof, mapPayload, provenRoot } from "./heads.js";
import * as log from "./log.js";

export { Refused };
export const EXIT = { intact: 0, tampered: 1, unverifiable: 3, not_yet_anchored: 4 };
const WORST_FIRST = ["tampered", "unverifiable", "not_yet_anchored", "intact"];
const LARGEST_BUNDLE = 64 * 1024 * 1024; // bytes
const LONGEST_ENTRY = 65535; // bytes
const LONGEST_NOTE = 262144; // characters
const [LONGEST_HEADER, LONGEST_NODE] = [16384, 1024]; // bytes
const LONGEST_ROOT = 16384; // characters
const MOST = 64; // of chains, and of hashes of a proof of consistency
const [MOST_BLOCKS, MOST_ROOTS, MOST_EARLIER, MOST_STAMPS, MOST_CONFIRMATIONS] = [1024, 16, 16, 16, 10000];
const TOLERANCE = 300n; // seconds that a signer's clock may be ahead
const NOTHING = hex(sha256(new Uint8Array())); // the root of the empty tree
const ROLE_BITS = { clerk: 1n, supervisor: 2n, auditor: 4n, analyst: 8n, witness: 16n };

// -- forms of trust file and bundle ------------------------------------------------------------------------------------

const isText = textUpTo(Infinity);
const HISTORY = { chain_id: isSafeInt, deployment_block_number: isSafeInt, deployment_block_hash: isBytes32 };
const isFinality = (value) => value === "safe" || value === "finalized" || (isSafeInt(value) && value <= MOST_CONFIRMATIONS);
const isRoot = (value) => textUpTo(LONGEST_ROOT, 1)(value) && log.base64(value);
const isTrust = struct({
  format: oneOf("tallystick/trust@v1"), log_id: isBytes32, origin: isLine, log_key: isText, service_key_id: isKeyId, witness_policy: isText, development: oneOf(true, false),
  chains: listOf(struct({
    ...HISTORY, registry: isKeyId, anchor: isKeyId, registry_code_hash: isBytes32, anchor_code_hash: isBytes32, finality: isFinality,
    "trusted_blocks?": listOf(struct({ number: isSafeInt, hash: isBytes32 }), MOST_BLOCKS),
  }), MOST), suites: listOf(isSuite, MOST_EARLIER, 1),
  "timestamp_roots?": listOf(isRoot, MOST_ROOTS), "earlier_log_keys?": listOf(struct({ key: isText, until: isSafeInt }), MOST_EARLIER),
  "earlier_service_keys?": listOf(struct({ key_id: isKeyId, until: isSafeInt }), MOST_EARLIER),
});

export function readTrust(bytes) {
  const trust = parseCanonical(bytes);
  const ascend = (keys, least) => (keys ?? []).every(({ until }, at) => at === 0 || keys[at - 1].until + least <= until);
  if (!isTrust(trust) || !ascend(trust.earlier_log_keys, 0) || !ascend(trust.earlier_service_keys, 1)
    || trust.suites.some((suite, at) => at && trust.suites[at - 1] >= suite)) refuse("no trust file");
  const [earlierLog, earlierService] = [trust.earlier_log_keys ?? [], trust.earlier_service_keys ?? []];
  const [logKey, policy] = [log.logKey(trust.log_key), log.parsePolicy(trust.witness_policy)];
  const logKeys = [{ ...logKey, until: Infinity }, ...earlierLog.map(({ key, until }) => ({ ...log.logKey(key), until }))];
  logKeys.forEach((one, at) => log.distinct(logKeys.slice(0, at), one));
  for (const witness of policy.witnesses) log.distinct([...logKeys, ...policy.logs], witness);
  const serviceKeys = [trust.service_key_id, ...earlierService.map((one) => one.key_id)];
  if (new Set(serviceKeys).size < serviceKeys.length) refuse("an own key stands twice");
  const contracts = new Set(trust.chains.map((one) => [one.chain_id, one.deployment_block_number, one.deployment_block_hash, one.anchor].join()));
  if (contracts.size < trust.chains.length) refuse("a chain stands twice with the same anchor");
  if (trust.chains.some(({ registry, anchor }) => new Set([registry, anchor, ...serviceKeys]).size < serviceKeys.length + 2)) refuse("an address has two roles");
  if (logKeys.some(({ name }) => name !== trust.origin)) refuse("the log's key is not named by the origin");
  if (policy.logs.length && !policy.logs.some(({ name, key }) => name === logKey.name && same(key, logKey.key))) refuse("the policy is of other logs");
  if (policy.quorum === null && !trust.development) refuse("a quorum of none is for development only");
  return { ...trust, logKeys, policy };
}

// The ledger's own key at an index: an earlier one below its `until`.
const serviceKeyAt = (trust, index) => (trust.earlier_service_keys ?? []).find(({ until }) => index < until)?.key_id ?? trust.service_key_id;

const isNodeName = (value) => /^(?:0|[1-9][0-9]?)\/(?:0|[1-9][0-9]{0,15})$/.test(value);
const isHex = (most) => (value) => textUpTo(2 + 2 * most, 2)(value) && value.length % 2 === 0 && /^0x[0-9a-f]*$/.test(value);
const isNumber = (value) => isSafeInt(value) && value > 0;
const isBundle = struct({
  format: oneOf("tallystick/bundle@v1"), log_id: isBytes32, "event?": isSafeInt, "stream?": isStream, "absent?": isStream, note: textUpTo(LONGEST_NOTE),
  entries: listOf(struct({
    index: isSafeInt, envelope: (value) => isEnvelope(value) && utf8(canonical(value)).length <= LONGEST_ENTRY, "payload?": isPayload, "sections?": mapOf(isLabel, isSection),
  }), Infinity, 1),
  "nodes?": mapOf(isNodeName, isHash), "map?": isMapProof,
  "anchor?": struct({
    chain: struct(HISTORY), contract: isKeyId, number: isNumber, header: isHex(LONGEST_HEADER), state: listOf(isHex(LONGEST_NODE), Infinity), "block_note?": textUpTo(LONGEST_NOTE),
    "revocations?": mapOf(isKeyId, isNumber),
  }),
  "timestamps?": listOf(struct({ size: isSafeInt, root: isHash, "consistency?": listOf(isHash, MOST), response: isText }), MOST_STAMPS),
});

export function readBundle(bytes) {
  if (bytes.length > LARGEST_BUNDLE) refuse("a bundle has at most 64 MiB");
  const file = parseCanonical(bytes);
  const rise = (entries) => entries.every(({ index }, at) => at === 0 || index > entries[at - 1].index);
  if (!isBundle(file) || !rise(file.entries)) refuse("no bundle");
  const { event, stream, absent, map } = file;
  const has = (value) => value !== undefined;
  if ([event, stream, absent].filter(has).length !== 1 || (has(event) && has(map)) || (has(absent) && !has(map))) refuse("no bundle");
  const isSubject = has(event) ? ({ index }) => index === event : ({ envelope }) => canonical(envelope.stream) === canonical(stream ?? absent);
  const [subjects, commitment] = [file.entries.filter(isSubject), has(map) ? file.entries.find(({ index }) => index === map.index) : undefined];
  const mayShow = (entry) => entry.sections === undefined || (entry.payload !== undefined && isSubject(entry));
  if (has(map) !== has(commitment) || has(absent) === subjects.length > 0 || !file.entries.every(mayShow)) refuse("no bundle");
  return { nodes: {}, timestamps: [], ...file, subjects, commitment };
}

// -- what is signed ----------------------------------------------------------------------------------------------------

const digest = (value) => `blake3:${hex(blake3(utf8(canonical(value))))}`;
const keccak = (text) => keccak_256(utf8(text));
const number = (value) => numberToBytesBE(BigInt(value), 32);
const DOMAIN_TYPE = "EIP712Domain(string name,string version,bytes32 salt)";
const EVENT_TYPE = "Event(string summary,string eventId,string eventType,string streamKind,string streamId,uint64 sequence,"
  + "bytes32 previous,string agency,bytes32 payloadBlake3,uint64 signedAt,address signer)";

export function signedHash(e, logId) {
  const domain = keccak_256(joined(keccak(DOMAIN_TYPE), keccak("Tallystick"), keccak("1"), unhex(logId.slice(2))));
  const summary = `${e.event_type} as entry ${e.sequence} of ${e.stream.kind} ${e.stream.id} for ${e.agency}`;
  const event = [
    keccak(EVENT_TYPE), keccak(summary), keccak(e.event_id), keccak(e.event_type), keccak(e.stream.kind), keccak(e.stream.id),
    number(e.sequence), e.previous === null ? number(0) : unhex(e.previous.slice(7)), keccak(e.agency),
    unhex(e.payload_digest.slice(7)), number(e.signed_at), number(e.key_id),
  ];
  return keccak_256(joined(Uint8Array.of(0x19, 0x01), domain, keccak_256(joined(...event))));
}

export const SUITE = 1; // secp256k1 over EIP-712: the only suite that this program has

export function signatureHolds(envelope, logId) {
  if (envelope.suite !== SUITE) return false;
  const bytes = unhex(envelope.signature.slice(2));
  if (bytes.length !== 65 || (bytes[64] !== 27 && bytes[64] !== 28)) return false;
  try {
    const signature = secp256k1.Signature.fromBytes(bytes.subarray(0, 64), "compact").addRecoveryBit(bytes[64] - 27);
    if (signature.hasHighS()) return false;
    const key = signature.recoverPublicKey(signedHash(envelope, logId)).toBytes(false);
    return `0x${hex(keccak_256(key.subarray(1)).subarray(12))}` === envelope.key_id;
  } catch {
    return false;
  }
}

// -- the steps ---------------------------------------------------------------------------------------------------------

const checked = (id, slots) => ({ status: "checked", detail: reason(id, slots) });
const failed = (id, slots) => ({ status: "failed", detail: reason(id, slots) });
const unchecked = (id, verdict = "intact", slots = {}) => ({ status: "not_checked", detail: reason(id, slots), verdict });
const unshown = (id, slots) => ({ result: "not_checked", detail: reason(id, slots) });
const verdictOf = (steps) => WORST_FIRST.find((one) => steps.some((step) => (step.status === "failed" ? "tampered" : step.verdict ?? "intact") === one));
const moment = (seconds) => reason("{seconds} (unix seconds)", { seconds });
const NOT_YET = "not_yet_anchored";
const NO_HEAD = unchecked("there is no tree head to go by", "unverifiable");
const NO_INDEX = unchecked("there is no index to go by", "unverifiable");
const NO_BLOCK = unchecked("there is no trusted block to go by", NOT_YET);

// Ends a step with this result, for want of something that it needs.
const endWith = (step) => {
  throw Object.assign(new Error(), { step });
};
const lack = (id, slots) => endWith(unchecked(id, "unverifiable", slots));

function attempt(work) {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refused) return failed(error.detail);
    if (error.step) return error.step;
    throw error;
  }
}

// Values by the words that `keyOf` gives of each, joined by spaces, in lists that keep their order.
function grouped(values, keyOf) {
  const groups = new Map();
  for (const value of values) {
    const key = keyOf(value).join(" ");
    groups.has(key) ? groups.get(key).push(value) : groups.set(key, [value]);
  }
  return groups;
}

// The steps about the bundle, then those about each event; each method is the step of its name.
class Verification {
  constructor(bundle, trust) {
    const lacking = new Set(bundle.entries.map(({ envelope: { suite } }) => suite).filter((suite) => suite !== SUITE));
    Object.assign(this, { bundle, trust, faults: new Map(), suites: [...lacking].join(", ") });
    this.steps = ["ledger", "checkpoint", "witnesses", "block", "anchor"].map((name, at) => ({ number: at + 1, name, ...attempt(() => this[`${name}_`]()) }));
  }

  ledger_() {
    return this.bundle.log_id === this.trust.log_id ? checked(this.bundle.log_id) : failed("a bundle of ledger {log_id}", { log_id: this.bundle.log_id });
  }

  checkpoint_() {
    const checkpoint = log.parseCheckpoint(this.bundle.note);
    if (checkpoint.origin !== this.trust.origin) return failed("the tree head of another log, {origin}", { origin: checkpoint.origin });
    const [now, ...earlier] = this.trust.logKeys;
    const named = [now, ...earlier.filter(({ until }) => checkpoint.size <= until)].find((key) => log.names(checkpoint, key));
    if (!log.logSigned(checkpoint, named ?? now)) return failed("not signed by the log, once: the note is not the log's, or whoever passed it on spoiled it; ask for another copy");
    this.checkpoint = checkpoint;
    return checked("size {size}, root {root}", { size: checkpoint.size, root: hex(checkpoint.root) });
  }

  witnesses_() {
    if (!this.checkpoint) return NO_HEAD;
    const { policy } = this.trust;
    const times = attempt(() => log.cosignatures(this.checkpoint, policy.witnesses));
    if (times.status) return failed("{wrong}: whoever passed the note on spoiled it, which says nothing of the log; ask for another copy", { wrong: times.detail });
    if (policy.quorum === null) return unchecked("the policy asks for no witness");
    this.cosignedAt = log.quorumTime(policy.quorum, times);
    this.lastCosigned = [...times.values()].reduce((latest, time) => (time > latest ? time : latest), 0n);
    return this.cosignedAt === undefined ? unchecked("the quorum is not reached", "unverifiable") : checked("the quorum is reached");
  }

  block_() {
    const { anchor } = this.bundle;
    if (anchor === undefined) return unchecked("the bundle has no anchor", NOT_YET);
    const header = headerOf(anchor);
    const chain = this.trust.chains.find((one) => one.anchor === anchor.contract && Object.keys(anchor.chain).every((name) => one[name] === anchor.chain[name]));
    if (!chain) return unchecked("the trust file does not name the anchor's contract", NOT_YET);
    const { hash, number: height } = header;
    const named = (chain.trusted_blocks ?? []).filter((one) => BigInt(one.number) === height);
    if (named.some((one) => one.hash !== hash)) return failed("block {height} has another hash", { height });
    const note = named.length ? checked("the trust file names it") : attempt(() => this.blockNote(anchor.block_note, chain, header));
    if (note.status !== "checked") return unchecked("nobody vouches for block {height} with the hash {hash}: {why}", NOT_YET, { height, hash, why: note.detail });
    Object.assign(this, { header, states: contractStates(anchor, chain, header, (node) => lack("the anchor lacks the node {node} of the state", { node })) });
    return checked("block {height} with the hash {hash}: {why}", { height, hash, why: note.detail });
  }

  // Whether as many witnesses as the policy asks for state that the block is final. A note that does not hold does not count.
  blockNote(text, chain, header) {
    const { policy, log_id: logId } = this.trust;
    if (text === undefined) return unchecked("the trust file does not name it, and there is no block note: name it there once a node of yours has it, or ask for a newer proof");
    const note = log.parseNote(text);
    if (note.text !== blockStatement(logId, chain, header)) refuse("the block note states something else");
    if (policy.quorum === null) refuse("the policy asks for no witness who could vouch for a block");
    const time = log.quorumTime(policy.quorum, log.cosignatures(note, policy.witnesses));
    return time === undefined ? refuse("the block note has not the quorum") : checked("the quorum vouches for it");
  }

  anchor_() {
    if (!this.checkpoint) return NO_HEAD;
    if (!this.states) return NO_BLOCK;
    const n = BigInt(this.bundle.anchor.number);
    const { record, before, last } = this.states.record(n);
    const { size, root } = this.checkpoint;
    const wrong = [
      [record.root !== hex(root) || record.size !== size, reason("the record is of another tree head")],
      [before.size >= record.size || before.block > record.block || before.time > record.time, reason("the record before does not come before")],
      [(before.root === NOTHING) !== (n === 1n && before.size === 0n), reason("the record before is not the first")],
      [record.block > this.header.number, reason("the record is above the block of the state")],
      [last.number < n || (last.number === n) !== (last.size === record.size), reason("the last record is not at or after this")],
    ].find(([is]) => is);
    if (wrong) return failed(wrong[1]);
    this.record = record;
    return checked("record {number} of {last}, by the state of block {block}", { number: n, last: last.number, block: this.header.number });
  }

  // Whether an entry is in the tree; refuses what leads elsewhere.
  requireIncluded({ envelope, index }) {
    const { size, root } = this.checkpoint ?? lack(NO_HEAD.detail);
    const is = log.included(this.bundle.nodes, log.leafHash(utf8(canonical(envelope))), index, size, root);
    if (is === undefined) lack("the bundle lacks a node of the tree");
    if (!is) refuse("not in this tree");
  }

  // Whether another entry holds: signed, with its payload, and in the tree. What does not hold counts as left out.
  holds(entry) {
    if (!this.faults.has(entry)) {
      this.faults.set(entry, attempt(() => {
        this.requireIncluded(entry);
        if (!(this.assumes && entry.envelope.suite !== SUITE) && !signatureHolds(entry.envelope, this.trust.log_id)) refuse("not signed by the key it names");
        if (entry.payload && digest(entry.payload) !== entry.envelope.payload_digest) refuse("the payload's digest is not the signed one");
        return checked("it holds");
      }));
    }
    return this.faults.get(entry).status === "checked";
  }

  // The registry's changes of a type about a key or an agency that hold, as {index, body}, in the order of the log. They are gathered once:
  // each of a case's thousands of events asks for some.
  mirrored(type, about) {
    const isMirror = ({ envelope: { suite, event_type: of, stream, agency, key_id: key }, payload, index }) => payload && Object.hasOwn(MIRRORED, of) && MIRRORED[of](payload.body)
      && stream.kind === "system" && agency === "ledger" && key === serviceKeyAt(this.trust, index) && payload.officer === "service"
      && this.trust.suites.includes(suite);
    this.mirror ??= grouped(
      this.bundle.entries.filter((entry) => isMirror(entry) && this.holds(entry)).map(({ index, envelope: { event_type: of }, payload: { body } }) => ({ index, of, body })),
      ({ of, body }) => [of, body.key_id ?? body.agency],
    );
    return this.mirror.get(`${type} ${about}`) ?? [];
  }

  // Whether an entry that holds says it erased a section.
  isErased({ stream, event_id: event, payload_digest: digested }, label) {
    this.erasures ??= grouped(
      this.bundle.entries.filter(({ envelope, payload }) => payload && envelope.event_type === "section.erased"),
      ({ envelope, payload: { body: { concerns, label: of } } }) => [canonical(envelope.stream), concerns?.event_id, concerns?.payload_digest, of],
    );
    return (this.erasures.get([canonical(stream), event, digested, label].join(" ")) ?? []).some((entry) => this.holds(entry));
  }

  // What the head map of the bundle has for a stream, as {size, count, head}: by an entry of the ledger that holds and commits to the root.
  mapped(stream) {
    const { map, commitment: { envelope, index } } = this.bundle;
    const entry = this.bundle.commitment;
    if (!this.holds(entry)) endWith(this.faults.get(entry));
    if (envelope.event_type !== "heads.mapped" || envelope.key_id !== serviceKeyAt(this.trust, index) || envelope.agency !== "ledger" || envelope.stream.kind !== "system"
      || !this.trust.suites.includes(envelope.suite)) refuse("not the ledger's entry of a head map");
    const root = `0x${hex(provenRoot(stream, map))}`;
    if (digest(mapPayload(envelope, root)) !== envelope.payload_digest) refuse("the entry commits to another head map");
    return { size: index, count: 0, ...headOf(stream, map) };
  }

  // Steps after those about the bundle. Nobody can say here whether an entry is signed by a suite that this program lacks, so they are
  // performed as if none of those were, and again as if all were: one with another status then is not checked.
  performed(begin, names) {
    const { suites } = this;
    if (suites) this.assuming ??= Object.assign(Object.create(Verification.prototype), this, { assumes: true, faults: new Map(), mirror: undefined, erasures: undefined });
    const [run, again] = [this, this.assuming].map((of) => of && begin(of));
    const own = names.map((name, at) => {
      const [step, other] = [run, again].map((one) => one && attempt(() => one[`${name}_`]()));
      const differs = other && other.status !== step.status;
      return { number: this.steps.length + at + 1, name, ...(differs ? unchecked("it rests on an entry of suite {suites}, which this program does not verify", "unverifiable", { suites }) : step) };
    });
    return { run, steps: [...this.steps, ...own] };
  }

  event(entry) {
    const { run, steps } = this.performed((of) => new EventSteps(of, entry), ["signature", "payload", "inclusion", "sections", "authority", "revocation", "time"]);
    return {
      verdict: verdictOf(steps), conformity: unshown("the custody rules judge a case, not one event"), completeness: unshown("one event says nothing of those after it"),
      development: this.trust.development, envelope: entry.envelope, index: run.index, payload: run.payload, steps,
    };
  }
}

class EventSteps {
  constructor(of, entry) {
    Object.assign(this, { of, entry, envelope: entry.envelope, trust: of.trust });
    this.isOwn = this.envelope.agency === "ledger";
  }

  signature_() {
    if (this.envelope.suite !== SUITE) return unchecked("a signature of a suite that this program has not", "unverifiable");
    return signatureHolds(this.envelope, this.trust.log_id) ? checked("signed by {key_id}", { key_id: this.envelope.key_id }) : failed("not signed by the key it names");
  }

  payload_() {
    const { payload } = this.entry;
    if (payload === undefined) return unchecked("the payload is withheld", "unverifiable");
    if (digest(payload) !== this.envelope.payload_digest) return failed("the payload's digest is not the signed one");
    this.payload = payload;
    return checked(this.envelope.payload_digest);
  }

  inclusion_() {
    this.of.requireIncluded(this.entry);
    this.index = this.entry.index;
    return checked("entry {index} of {size}", { index: this.index, size: this.of.checkpoint.size });
  }

  sections_() {
    if (!this.payload) return unchecked("the payload that commits to them is not here");
    const [committed, shown] = [this.payload.confidential ?? {}, this.entry.sections ?? {}];
    const wrong = Object.keys(shown).find((label) => digest(shown[label]) !== committed[label]);
    if (wrong) return failed("the section {label} is not the one committed to", { label: wrong });
    const missing = Object.keys(committed).filter((label) => !Object.hasOwn(shown, label));
    if (missing.length === 0) return checked("{count} shown", { count: Object.keys(committed).length });
    return unchecked(missing.map((label) => reason(this.of.isErased(this.envelope, label) ? "{label} erased" : "{label} withheld", { label })).reduce(bothOf));
  }

  authority_() {
    const { envelope, payload, trust, of } = this;
    if (this.index === undefined) return NO_INDEX;
    if (this.isOwn) {
      const own = envelope.key_id === serviceKeyAt(trust, this.index) && (payload?.officer ?? "service") === "service" && trust.suites.includes(envelope.suite);
      return own ? checked("signed by the ledger's own key") : failed("only the ledger's own key signs this");
    }
    const grants = of.mirrored("registry.key_granted", envelope.key_id);
    const covers = ({ index, body }) => index < this.index && body.agency === envelope.agency
      && body.suite === envelope.suite && trust.suites.includes(body.suite) && body.valid_from <= envelope.signed_at && envelope.signed_at < body.valid_until
      && (!payload || payload.officer === body.officer);
    const covering = grants.filter(covers);
    if (covering.length === 0) return grants.length ? failed("the grant is not of this agency, officer and time") : unchecked("no grant of the key that holds", "unverifiable");
    this.grants = covering.filter(({ index, body }) => of.mirrored("registry.agency_admitted", body.agency)[0]?.index < index);
    if (this.grants.length === 0) return unchecked("no admission of the agency that holds", "unverifiable");
    return checked("granted at entry {index}", { index: this.grants[0].index });
  }

  revocation_() {
    const { header, states, record, bundle: { anchor } } = this.of;
    if (this.index === undefined) return NO_INDEX;
    if (this.isOwn) return unchecked("the ledger's own key is not revoked: the trust file names another");
    if (!this.grants?.length) return unchecked("there is no grant to go by");
    const revocations = this.of.mirrored("registry.key_revoked", this.envelope.key_id);
    const [shown] = revocations;
    const areBelow = revocations.at(-1)?.index < this.index;
    if (!header && areBelow) return failed("revoked at entry {index}", shown);
    if (!header) return NO_BLOCK;
    const held = states.grant(this.envelope.key_id);
    const isHeld = ({ body: { agency, officer, roles, suite, valid_from: from, valid_until: until } }) => {
      const bits = [...new Set(roles)].reduce((sum, role) => sum | ROLE_BITS[role], 0n);
      const mirrored = [padded(agency), padded(officer), bits, BigInt(suite), BigInt(from), BigInt(until)];
      return mirrored.every((value, at) => value === [held.agency, held.officer, held.roles, held.suite, held.from, held.until][at]);
    };
    if (!this.grants.some(isHeld)) return failed("the registry's grant is another");
    // The slot decides. An entry that the registry does not bear out spoils nothing: without it the verdict were the same.
    const contradicted = shown ? reason("entry {index} mirrors a revocation that the registry did not have by then: tell the witnesses", shown) : undefined;
    if (held.revoked === 0n) return checked(bothOf(reason("not revoked, by the registry's slot"), contradicted));
    if (!record) return unchecked("there is no record with whose time the revocation could be compared", "unverifiable");
    if (held.revoked > record.time) return checked(bothOf(reason("revoked after the anchor"), contradicted));
    // The first record after the revocation rests on a log that has its mirror: an entry at or above its size is a second one.
    const [own, number] = [BigInt(anchor.number), BigInt(anchor.revocations?.[this.envelope.key_id] ?? anchor.number)];
    const { record: first, before } = states.record(number);
    const isFirst = (number === 1n || before.time <= held.revoked) && (number === own || (number < own && held.revoked < first.time));
    if (!isFirst) return unchecked("the anchor does not name the first record after the revocation", "unverifiable");
    const above = revocations.find(({ index }) => index > this.index && BigInt(index) < first.size);
    const twice = above && shown.index < this.index ? reason("entry {index} mirrors the revocation too: tell the witnesses", shown) : undefined;
    if (above) return checked(bothOf(reason("revoked at entry {index}, above", above), twice));
    if (shown) return areBelow ? failed("revoked at entry {index}", shown) : failed("entry {index} is not the first revocation", shown);
    return held.revoked === record.time ? unchecked("revoked in the block of the anchor", "unverifiable") : failed("revoked before the anchor, and the bundle hides it");
  }

  time_() {
    const { cosignedAt, lastCosigned, record, bundle } = this.of;
    if (this.index === undefined) return NO_INDEX;
    const earliestOf = (times) => times.filter((time) => time !== undefined).sort((a, b) => (a < b ? -1 : 1))[0];
    const stamps = bundle.timestamps.length ? reason("RFC 3161 timestamps are not checked by this verifier") : undefined;
    const earliest = earliestOf([cosignedAt, record?.time]);
    if (earliest === undefined) return unchecked(bothOf(reason("no quorum and no block proves a time"), stamps));
    // By what no courier can move by leaving out a line: with fewer co-signatures the latest is no later.
    const signedAt = BigInt(this.envelope.signed_at);
    const logged = earliestOf([cosignedAt === undefined ? undefined : lastCosigned, record?.time]);
    if (signedAt > logged + TOLERANCE) return failed("signed at {signed}, later than {logged}, when it was in the log", { signed: moment(signedAt), logged: moment(logged) });
    const late = cosignedAt !== undefined && signedAt > cosignedAt + TOLERANCE ? reason("signed after the quorum was reached, of whom one signed later") : undefined;
    return checked([reason("known to exist at {time}", { time: moment(earliest) }), late, stamps].reduce(bothOf));
  }
}

// -- a stream ----------------------------------------------------------------------------------------------------------

// The verifications of several events as one step.
function ofAll(results) {
  const verdict = WORST_FIRST.find((one) => results.some((result) => result.verdict === one));
  if (verdict === "intact") return checked("each holds");
  const worst = results.filter((result) => result.verdict === verdict);
  const step = unchecked("{number} of {count} events: {verdict}", verdict, { number: worst.length, count: results.length, verdict });
  return verdict === "tampered" ? failed(step.detail) : step;
}

function order(subjects, results) {
  let previous = null;
  for (const [at, { envelope }] of subjects.entries()) {
    const event = reason("event {number} of {count}", { number: at + 1, count: subjects.length });
    if (envelope.sequence !== at || envelope.previous !== previous) return failed("{event} is not on the one before", { event });
    if (results[at].index === undefined) return unchecked("{event} has no index that its proof shows", "unverifiable", { event });
    previous = `sha256:${hex(log.leafHash(utf8(canonical(envelope))))}`;
  }
  return checked("sequence 0 to {last} without a gap", { last: subjects.length - 1 });
}

const OWN_WORD = unchecked("the head map says so, but no quorum of witnesses has co-signed the tree: it is the log's own word");

// Whether the subjects are all events of the stream up to the head map. What does not hold counts as left out.
function whole(verification) {
  const { bundle } = verification;
  if (!bundle.map) return unchecked("that nothing came after event {sequence} is not shown: there is no head map", "intact", { sequence: bundle.subjects.at(-1).envelope.sequence });
  const mapped = attempt(() => verification.mapped(bundle.stream));
  if (mapped.status) return unchecked("the head map does not hold: {why}", "intact", { why: mapped.detail });
  const covered = bundle.subjects.filter(({ index }) => index < mapped.size);
  const last = covered.length ? `0x${hex(log.leafHash(utf8(canonical(covered.at(-1).envelope))))}` : undefined;
  if (mapped.count !== covered.length || mapped.head !== last) return failed("the head map of entry {size} has {count} events of the stream, not these {shown}", { ...mapped, shown: covered.length });
  return verification.cosignedAt === undefined ? OWN_WORD : checked("these {count} events are all of the stream among the first {size} entries", mapped);
}

const STATED = { checked: "shown", failed: "contradicted", not_checked: "not_checked" };
const statementOf = ({ status, detail }) => ({ result: STATED[status], detail });

// Of a stream that the log does not have, the steps about the map.
function verifyAbsence(verification) {
  const { bundle: { absent }, trust } = verification;
  const begin = (of) => ({
    map_() {
      if (!of.checkpoint) return NO_HEAD;
      this.map = of.mapped(absent);
      return checked("the head map of the first {size} entries", this.map);
    },
    absence_() {
      if (!this.map) return unchecked("there is no head map to go by", "unverifiable");
      return this.map.count ? failed("the head map has {count} events of the stream", this.map) : checked("none of the first {size} entries is of this stream", this.map);
    },
  });
  const { steps } = verification.performed(begin, ["map", "absence"]);
  const absence = steps.at(-1);
  const completeness = statementOf(absence.status === "checked" && verification.cosignedAt === undefined ? OWN_WORD : absence);
  return { verdict: verdictOf(steps), conformity: unshown("there is no act to judge"), completeness, development: trust.development, steps, events: [], stream: absent };
}

// Of a stream the steps after those about its events; step 8 asks for rules that this verifier does not have.
function verifyStream(verification, told) {
  const { bundle, trust, steps: shared } = verification;
  const results = bundle.subjects.map((entry, at) => {
    told(at, bundle.subjects.length);
    return verification.event(entry);
  });
  const conformity = unshown("this verifier does not know the custody rules");
  const end = whole(verification);
  const own = {
    events: ofAll(results), order: order(bundle.subjects, results),
    [bundle.stream.kind === "supervision" && bundle.stream.id.startsWith("model-") ? "versions" : "custody"]: unchecked(conformity.detail), end,
  };
  const steps = [...shared, ...Object.entries(own).map(([name, step], at) => ({ number: shared.length + at + 1, name, ...step }))];
  const integrity = steps.filter((step) => step.name !== "end");
  return { verdict: verdictOf(integrity), conformity, completeness: statementOf(end), development: trust.development, steps, events: results, stream: bundle.stream };
}

// A bundle and a trust file, as bytes. Throws Refused where a file is none of these. `told` hears, before each event of several,
// how many are done and how many there are.
export function verifyFile(bundleBytes, trustBytes, told = () => {}) {
  const verification = new Verification(readBundle(bundleBytes), readTrust(trustBytes));
  const { bundle } = verification;
  if (bundle.absent) return verifyAbsence(verification);
  return bundle.stream ? verifyStream(verification, told) : verification.event(bundle.subjects[0]);
}
