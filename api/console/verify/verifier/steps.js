// The steps over one bundle (docs/protocol.md, section 11), and the forms of bundle and trust file.
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bothOf, canonical, fits, hex, isListOf, isObject, isPayload, joined, parseJson, reason, Refused, refuse, same, struct, unhex, utf8 } from "./forms.js";
import { blockStatement, headerOf, isAnchor, padded, provenGrant, provenRecord } from "./chain.js";
import * as log from "./log.js";
import { BODIES } from "./tables.js";

const NAMES = "form ledger signature payload checkpoint inclusion witnesses sections authority block anchor revocation time".split(" ");
export const WORST_FIRST = ["tampered", "unverifiable", "not_yet_anchored", "intact"];
const MOST_BLOCKS = 1024;
const MOST_CONFIRMATIONS = 10000;
const MOST_ROOTS = 16;
const MOST_EARLIER = 16;
const LONGEST_ROOT = 16384; // characters
const TOLERANCE = 300n; // seconds that a signer's clock may be ahead
const NOTHING = hex(sha256(new Uint8Array())); // the root of the empty tree
const ROLE_BITS = { clerk: 1n, supervisor: 2n, auditor: 4n, analyst: 8n, witness: 16n };
const BY_SERVICE = "the service's own key";

const isChainFields = struct("`chain_id` SafeInt, `deployment_block_number` SafeInt, `deployment_block_hash` Bytes32, `registry` KeyId, `anchor` KeyId, `registry_code_hash` Bytes32, `anchor_code_hash` Bytes32, `finality` (see the type), `trusted_blocks`? (see the type)", false);
const isBlock = struct("`number` SafeInt, `hash` Bytes32");
const isFinality = (value) => value === "safe" || value === "finalized" || (Number.isSafeInteger(value) && value >= 0 && value <= MOST_CONFIRMATIONS);
const isChain = (value) => isChainFields(value) && isFinality(value.finality) && (!("trusted_blocks" in value) || isListOf(value.trusted_blocks, isBlock, MOST_BLOCKS));
export const hasFields = (value, needed, optional = []) =>
  isObject(value) && needed.every((name) => name in value) && Object.keys(value).every((name) => [...needed, ...optional].includes(name));

const LONGEST_ENTRY = 65535; // bytes
const isEnvelope = (value) => fits(value, "Envelope") && utf8(canonical(value)).length <= LONGEST_ENTRY;
const digest = (value) => `blake3:${hex(blake3(utf8(canonical(value))))}`;
const keccak = (text) => keccak_256(utf8(text));
const number = (value) => unhex(BigInt(value).toString(16).padStart(64, "0"));
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
  return keccak_256(joined([0x19, 0x01], domain, keccak_256(joined(...event))));
}

export function signatureHolds(envelope, logId) {
  const bytes = unhex(envelope.signature.slice(2));
  if (bytes[64] !== 27 && bytes[64] !== 28) return false;
  try {
    const signature = secp256k1.Signature.fromBytes(bytes.subarray(0, 64), "compact").addRecoveryBit(bytes[64] - 27);
    if (signature.hasHighS()) return false;
    const key = signature.recoverPublicKey(signedHash(envelope, logId)).toBytes(false);
    return `0x${hex(keccak_256(key.subarray(1)).subarray(12))}` === envelope.key_id;
  } catch {
    return false;
  }
}

// What payload and envelope must agree on, and what a stream asks of them (section 3).
function disagreement(envelope, payload) {
  if (digest(payload) !== envelope.payload_digest) return reason("the payload's digest is not the signed one");
  const differs = ["version", "event_id", "event_type", "stream", "sequence", "previous", "agency"]
    .find((name) => canonical(payload[name]) !== canonical(envelope[name]));
  if (differs) return reason("{field} is not the envelope's", { field: differs });
  const { kind, id } = payload.stream;
  if (!BODIES[payload.event_type][0].split(" or ").includes(kind)) return reason("this event has no place in a stream of kind {kind}", { kind });
  if ((payload.previous === null) !== (payload.sequence === 0)) return reason("previous is null at sequence 0 and there only");
  if (kind === "system" && id !== "ledger") return reason("the system stream is the ledger's");
  if (BODIES[payload.event_type][2] && !payload.authority) return reason("an act on a named authority names it");
  return kind === "agency" && id !== payload.agency ? reason("the stream is another agency's") : undefined;
}

export function readTrust(bytes) {
  const trust = parseJson(bytes);
  const fields = ["format", "log_id", "origin", "log_key", "service_key_id", "witness_policy", "development", "chains"];
  const isRoot = (text) => typeof text === "string" && text !== "" && text.length <= LONGEST_ROOT && log.base64(text);
  const isEarlier = (name) => (one) => hasFields(one, [name, "until"]) && fits(one.until, "SafeInt");
  const [earlierLog, earlierService] = [trust.earlier_log_keys ?? [], trust.earlier_service_keys ?? []];
  const ascend = (keys, least) => keys.every(({ until }, at) => at === 0 || keys[at - 1].until + least <= until);
  if (!hasFields(trust, fields, ["timestamp_roots", "earlier_log_keys", "earlier_service_keys"]) || trust.format !== "tallystick/trust@v1" || !fits(trust.log_id, "Bytes32")
    || !fits(trust.service_key_id, "KeyId") || typeof trust.development !== "boolean" || !fits(trust.origin, "Line")
    || !isListOf(trust.chains, isChain) || !isListOf(trust.timestamp_roots ?? [], isRoot, MOST_ROOTS)
    || !isListOf(earlierLog, isEarlier("key"), MOST_EARLIER) || !isListOf(earlierService, isEarlier("key_id"), MOST_EARLIER)
    || !earlierService.every((one) => fits(one.key_id, "KeyId")) || !ascend(earlierLog, 0) || !ascend(earlierService, 1)) refuse("no trust file");
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

export function readBundle(value) {
  const optional = ["payload", "sections", "erased", "authority", "anchor", "timestamps"];
  const isSections = (sections) => isObject(sections) && Object.keys(sections).every((label) => fits(label, "SectionLabel"));
  const isErasure = (one) => hasFields(one, ["label", "entry"]) && fits(one.label, "SectionLabel") && isEvidence(one.entry);
  if (!hasFields(value, ["format", "log_id", "envelope", "proof"], optional) || value.format !== "tallystick/bundle@v1"
    || !fits(value.log_id, "Bytes32") || !isEnvelope(value.envelope) || typeof value.proof !== "string"
    || !("sections" in value ? isSections(value.sections) : true) || !("erased" in value ? isListOf(value.erased, isErasure) : true)) refuse("no bundle");
  return value;
}

const isEvidence = (value) => hasFields(value, ["envelope", "payload", "proof"]) && typeof value.proof === "string";

// Another entry of the log, whole: {index, payload} if it is of its form, signed and under the same checkpoint.
function readEvidence(evidence, trust, checkpoint) {
  if (!isEvidence(evidence) || !isEnvelope(evidence.envelope) || !isPayload(evidence.payload)) refuse("evidence is not of its form");
  const { envelope, payload } = evidence;
  const proof = log.parseProof(evidence.proof);
  const wrong = disagreement(envelope, payload);
  if (wrong) refuse("evidence: {wrong}", { wrong });
  if (!signatureHolds(envelope, trust.log_id)) refuse("evidence is not signed by the key it names");
  if (log.treeHeadOf(proof.note) !== log.treeHeadOf(checkpoint.note)) refuse("evidence is under another tree head");
  const leaf = log.leafHash(utf8(canonical(envelope)));
  if (!log.included(proof, leaf, checkpoint.size, checkpoint.root)) refuse("evidence is not in the log");
  return { index: proof.index, envelope, payload };
}

function readMirror(evidence, trust, checkpoint, type) {
  const entry = readEvidence(evidence, trust, checkpoint);
  const { envelope, payload } = entry;
  if (payload.event_type !== type || envelope.key_id !== serviceKeyAt(trust, entry.index) || envelope.agency !== "ledger" || payload.officer !== "service") {
    refuse("evidence is no {type} of the ledger's own", { type });
  }
  return { index: entry.index, body: payload.body };
}

export const checked = (id, slots) => ({ status: "checked", detail: reason(id, slots) });
export const failed = (id, slots) => ({ status: "failed", detail: reason(id, slots) });
export const unchecked = (id, verdict = "intact") => ({ status: "not_checked", detail: reason(id), verdict });
const attempt = (work) => {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refused) return failed(error.detail);
    throw error;
  }
};

const moment = (seconds) => reason("{seconds} (unix seconds)", { seconds });
const NOT_YET = "not_yet_anchored";
const NO_HEAD = unchecked("there is no tree head to go by", "unverifiable");
const NO_INDEX = unchecked("there is no index to go by", "unverifiable");
const NO_BLOCK = unchecked("there is no trusted block to go by", NOT_YET);

// The steps of section 11 over one bundle; each method is the step of its name.
class Steps {
  constructor(bundle, trust) {
    Object.assign(this, { bundle, trust, envelope: bundle.envelope, shown: bundle.sections ?? {} });
    this.entry = utf8(canonical(bundle.envelope));
    this.isOwn = Object.hasOwn(BODIES, this.envelope.event_type) && BODIES[this.envelope.event_type][1] === BY_SERVICE;
  }

  form() {
    const { payload, proof } = this.bundle;
    const result = attempt(() => {
      this.proof = log.parseProof(proof);
      return checked("envelope, payload, sections and proof read strictly");
    });
    this.isForm = payload !== undefined && isPayload(payload);
    if (payload !== undefined && !this.isForm) refuse("the payload is not of its form");
    if (!Object.values(this.shown).every((section) => fits(section, "Section"))) refuse("a section is not of its form");
    return result;
  }

  ledger() {
    return this.bundle.log_id === this.trust.log_id ? checked(this.bundle.log_id) : failed("a bundle of ledger {log_id}", { log_id: this.bundle.log_id });
  }

  signature() {
    return signatureHolds(this.envelope, this.trust.log_id) ? checked("signed by {key_id}", { key_id: this.envelope.key_id }) : failed("not signed by the key it names");
  }

  payload_() {
    if (this.bundle.payload === undefined) return unchecked("the payload is withheld", "unverifiable");
    if (!this.isForm) return unchecked("the payload is not of its form", "unverifiable");
    const wrong = disagreement(this.envelope, this.bundle.payload);
    if (wrong) return failed(wrong);
    this.payload = this.bundle.payload;
    return checked(this.envelope.payload_digest);
  }

  checkpoint_() {
    if (!this.proof) return unchecked("the proof is not of its form", "unverifiable");
    const checkpoint = log.parseCheckpoint(this.proof.note);
    if (checkpoint.origin !== this.trust.origin) return failed("the tree head of another log, {origin}", { origin: checkpoint.origin });
    const [now, ...earlier] = this.trust.logKeys;
    const named = [now, ...earlier.filter(({ until }) => checkpoint.size <= until)].find((key) => log.names(checkpoint, key));
    if (!log.logSigned(checkpoint, named ?? now)) return failed("not signed by the log, once: the note is not the log's, or whoever passed it on spoiled it; ask for another copy");
    this.checkpoint = checkpoint;
    return checked("size {size}, root {root}", { size: checkpoint.size, root: hex(checkpoint.root) });
  }

  inclusion() {
    if (!this.checkpoint) return NO_HEAD;
    const { size, root } = this.checkpoint;
    if (!log.included(this.proof, log.leafHash(this.entry), size, root)) return failed("not in this tree");
    this.index = this.proof.index;
    return checked("entry {index} of {size}", { index: this.index, size });
  }

  witnesses() {
    if (!this.checkpoint) return NO_HEAD;
    const { policy } = this.trust;
    const times = attempt(() => log.cosignatures(this.checkpoint, policy.witnesses));
    if (times.status) return failed("{wrong}: whoever passed the note on spoiled it, which says nothing of the log; ask for another copy", { wrong: times.detail });
    if (policy.quorum === null) return unchecked("the policy asks for no witness");
    this.cosignedAt = log.quorumTime(policy.quorum, times);
    this.lastCosigned = [...times.values()].reduce((latest, time) => (time > latest ? time : latest), 0n);
    return this.cosignedAt === undefined ? unchecked("the quorum is not reached", "unverifiable") : checked("the quorum is reached");
  }

  sections() {
    if (!this.payload) return unchecked("the payload that commits to them is not here");
    const committed = this.payload.confidential ?? {};
    const shown = Object.entries(this.shown).filter(([, one]) => fits(one, "Section"));
    const wrong = shown.find(([label, one]) => digest(one) !== committed[label]);
    if (wrong) return failed("the section {label} is not the one committed to", { label: wrong[0] });
    const missing = Object.keys(committed).filter((label) => !shown.some(([other]) => other === label));
    if (missing.length === 0) return checked("{count} shown", { count: Object.keys(committed).length });
    return unchecked(missing.map((label) => this.whyHidden(label)).reduce(bothOf));
  }

  // Erasures are optional evidence: by one that does not hold the section counts as withheld.
  whyHidden(label) {
    const claims = (this.bundle.erased ?? []).filter((one) => one.label === label);
    if (claims.length === 0) return reason("{label} withheld", { label });
    if (!this.checkpoint) return reason("{label} withheld: no tree head shows the erasure that is claimed", { label });
    const faults = claims.map((claim) => attempt(() => this.erasure(claim))).filter(({ status }) => status === "failed");
    if (faults.length < claims.length) return reason("{label} erased", { label });
    return reason("{label} withheld: an erasure is claimed that does not hold, {wrong}", { label, wrong: faults[0].detail });
  }

  erasure({ label, entry }) {
    const { envelope, payload } = readEvidence(entry, this.trust, this.checkpoint);
    const { concerns, label: named } = payload.body;
    if (payload.event_type !== "section.erased" || canonical(payload.stream) !== canonical(this.envelope.stream) || named !== label
      || concerns.event_id !== this.envelope.event_id || concerns.payload_digest !== this.envelope.payload_digest) {
      refuse("{event_id} does not erase {label}", { event_id: envelope.event_id, label });
    }
    return checked(label);
  }

  authority() {
    const { envelope, payload, trust } = this;
    const { authority } = this.bundle;
    if (this.index === undefined) return NO_INDEX;
    const roles = Object.hasOwn(BODIES, envelope.event_type) ? BODIES[envelope.event_type][1] : undefined;
    if (this.isOwn) {
      const own = envelope.key_id === serviceKeyAt(trust, this.index) && envelope.agency === "ledger" && (payload?.officer ?? "service") === "service";
      return own ? checked("signed by the ledger's own key") : failed("only the ledger's own key signs this");
    }
    if (authority === undefined) return unchecked("no evidence of the key's grant", "unverifiable");
    if (!hasFields(authority, ["agency", "grant"], ["revocation"]) || !isEvidence(authority.agency) || !isEvidence(authority.grant)) {
      return failed("authority is not of its form");
    }
    const admission = readMirror(authority.agency, trust, this.checkpoint, "registry.agency_admitted");
    const { index, body } = readMirror(authority.grant, trust, this.checkpoint, "registry.key_granted");
    const covers = admission.body.agency === envelope.agency && body.agency === envelope.agency && body.key_id === envelope.key_id
      && body.suite === 1 && body.valid_from <= envelope.signed_at && envelope.signed_at < body.valid_until
      && (!payload || payload.officer === body.officer) && body.roles.some((role) => roles?.split(" or ").includes(role));
    if (!covers) return failed("the grant does not cover this act");
    if (admission.index >= index || index >= this.index) return failed("not granted below this entry");
    Object.assign(this, { granted: index, grant: body });
    return checked("granted at entry {index}", { index });
  }

  block() {
    const { anchor } = this.bundle;
    if (anchor === undefined) return unchecked("the bundle has no anchor", NOT_YET);
    if (!isAnchor(anchor)) return failed("the anchor is not of its form");
    const header = headerOf(anchor);
    const chain = this.trust.chains.find((one) => one.anchor === anchor.contract && Object.keys(anchor.chain).every((name) => one[name] === anchor.chain[name]));
    if (!chain) return unchecked("the trust file does not name the anchor's contract", NOT_YET);
    const { hash, number: height } = header;
    const named = (chain.trusted_blocks ?? []).filter((one) => BigInt(one.number) === height);
    if (named.some((one) => one.hash !== hash)) return failed("block {height} has another hash", { height });
    const note = named.length ? checked("the trust file names it") : attempt(() => this.blockNote(anchor.block_note, chain, header));
    if (note.status !== "checked") return unchecked(reason("nobody vouches for block {height} with the hash {hash}: {why}", { height, hash, why: note.detail }), NOT_YET);
    Object.assign(this, { anchored: anchor, chain, header });
    return checked("block {height} with the hash {hash}: {why}", { height, hash, why: note.detail });
  }

  // Whether as many witnesses as the policy asks for state that the block is final. A note that does not hold does not count.
  blockNote(text, chain, header) {
    const { policy, log_id: logId } = this.trust;
    if (text === undefined) return unchecked("the trust file does not name it, and there is no block note: name it there once a node of yours has it, or ask for a newer proof");
    if (typeof text !== "string") refuse("the block note is no text");
    const note = log.parseNote(text);
    if (note.text !== blockStatement(logId, chain, header)) refuse("the block note states something else");
    if (policy.quorum === null) refuse("the policy asks for no witness who could vouch for a block");
    const time = log.quorumTime(policy.quorum, log.cosignatures(note, policy.witnesses));
    return time === undefined ? refuse("the block note has not the quorum") : checked("the quorum vouches for it");
  }

  anchor() {
    if (!this.checkpoint) return NO_HEAD;
    if (!this.header) return NO_BLOCK;
    const { record, before, last } = provenRecord(this.anchored, this.chain, this.header);
    const { size, root } = this.checkpoint;
    const n = this.anchored.number;
    const wrong = [
      [record.root !== hex(root) || record.size !== size, reason("the record is of another tree head")],
      [before.size >= record.size || before.block > record.block || before.time > record.time, reason("the record before does not come before")],
      [(before.root === NOTHING) !== (n === 1 && before.size === 0n), reason("the record before is not the first")],
      [record.block > this.header.number, reason("the record is above the block of the state")],
      [last.number < BigInt(n) || (last.number === BigInt(n)) !== (last.size === record.size), reason("the last record is not at or after this")],
    ].find(([is]) => is);
    if (wrong) return failed(wrong[1]);
    this.record = record;
    this.before = n > 1 ? before : undefined; // no registry stands behind record 0
    return checked("record {number} of {last}, by the state of block {block}", { number: n, last: last.number, block: this.header.number });
  }

  revocation() {
    if (this.index === undefined) return NO_INDEX;
    if (this.isOwn) return unchecked("the ledger's own key is not revoked: the trust file names another");
    if (this.granted === undefined) return unchecked("there is no grant to go by");
    const shown = this.bundle.authority.revocation === undefined ? undefined : attempt(() => this.revokedAt());
    const aside = shown?.status === "failed" ? reason("a revocation is shown that does not hold: {wrong}", { wrong: shown.detail }) : undefined;
    const isBelow = shown?.index < this.index;
    if (!this.header && isBelow) return failed("revoked at entry {index}", shown);
    if (!this.header) return unchecked(bothOf(NO_BLOCK.detail, aside), NOT_YET);
    const held = provenGrant(this.anchored, this.chain, this.header, this.envelope.key_id);
    if (!held) return unchecked(bothOf(reason("the anchor has not the registry's slots of the key"), aside), "unverifiable");
    const { agency, officer, roles, suite, valid_from: from, valid_until: until } = this.grant;
    const mirrored = [padded(agency), padded(officer), roles.reduce((sum, role) => sum | ROLE_BITS[role], 0n), BigInt(suite), BigInt(from), BigInt(until)];
    if (mirrored.some((value, at) => value !== [held.agency, held.officer, held.roles, held.suite, held.from, held.until][at])) return failed("the registry's grant is another");
    // The slot decides. An entry that the registry does not bear out spoils nothing: without it the verdict were the same.
    const contradicted = shown?.index === undefined ? aside : reason("entry {index} mirrors a revocation that the registry did not have by then: tell the witnesses", shown);
    if (held.revoked === 0n) return checked(bothOf(reason("not revoked, by the registry's slot"), contradicted));
    if (!this.record) return unchecked(bothOf(reason("there is no record with whose time the revocation could be compared"), aside), "unverifiable");
    const { time } = this.record;
    if (held.revoked > time) return checked(bothOf(reason("revoked after the anchor"), contradicted));
    // What record n-1 rests on has the mirror of a revocation from before it: an entry above is a second one.
    const isSecond = shown?.index !== undefined && this.before && held.revoked < this.before.time && shown.index >= this.before.size;
    if (isSecond) return failed("revoked before the record before, and entry {index} above it is not the one that says so", shown);
    if (shown?.index !== undefined) return isBelow ? failed("revoked at entry {index}", shown) : checked("revoked at entry {index}, above", shown);
    if (held.revoked === time) return unchecked(bothOf(reason("revoked in the block of the anchor"), aside), "unverifiable");
    return failed(bothOf(reason("revoked before the anchor, and the bundle hides it"), aside));
  }

  revokedAt() {
    const { index, body } = readMirror(this.bundle.authority.revocation, this.trust, this.checkpoint, "registry.key_revoked");
    return body.key_id === this.envelope.key_id && index > this.granted ? { index } : refuse("the revocation of another grant");
  }

  time() {
    if (this.index === undefined) return NO_INDEX;
    const times = [this.cosignedAt, this.record?.time].filter((time) => time !== undefined);
    const [earliest] = times.sort((a, b) => (a < b ? -1 : 1));
    const stamps = this.bundle.timestamps === undefined ? undefined : reason("RFC 3161 timestamps are not checked by this verifier");
    if (earliest === undefined) return unchecked(bothOf(reason("no quorum and no block proves a time"), stamps));
    // By what no courier can move by leaving out a line: with fewer co-signatures the latest is no later.
    const signedAt = BigInt(this.envelope.signed_at);
    const shown = [this.cosignedAt === undefined ? undefined : this.lastCosigned, this.record?.time].filter((time) => time !== undefined);
    const wrong = shown.find((time) => signedAt > time + TOLERANCE);
    if (wrong !== undefined) return failed("signed at {signed}, later than {logged}, when it was in the log", { signed: moment(signedAt), logged: moment(wrong) });
    const late = this.cosignedAt !== undefined && signedAt > this.cosignedAt + TOLERANCE ? reason("signed after the quorum was reached, of whom one signed later") : undefined;
    return checked([reason("known to exist at {time}", { time: moment(earliest) }), late, stamps].reduce(bothOf));
  }
}

const METHOD = { payload: "payload_", checkpoint: "checkpoint_" };
export const verdictOf = (steps) => WORST_FIRST.find((one) => steps.some((step) => (step.status === "failed" ? "tampered" : step.verdict ?? "intact") === one));
export const unshown = (id, slots) => ({ result: "not_checked", detail: reason(id, slots) });

// {verdict, conformity, completeness, development, index, payload, steps} of one bundle that readBundle accepted.
export function verify(bundle, trust) {
  const run = new Steps(bundle, trust);
  const steps = NAMES.map((name, at) => ({ number: at + 1, name, ...attempt(() => run[METHOD[name] ?? name]()) }));
  return {
    verdict: verdictOf(steps),
    conformity: unshown("the custody rules judge a case, not one event"),
    completeness: unshown("one event says nothing of those after it"),
    development: trust.development, index: run.index, payload: run.payload, steps,
  };
}
