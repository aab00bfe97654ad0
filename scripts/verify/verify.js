// A second verifier of Tallystick's proofs, written from docs/protocol.md alone. Bytes in, numbered steps and a verdict out.
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { canonical, fits, hex, isObject, isPayload, joined, parseJson, Refused, refuse, same, struct, unhex, utf8 } from "./forms.js";
import { isProvenAt, padded, provenState } from "./chain.js";
import * as log from "./log.js";
import { BODIES } from "./tables.js";

export { Refused };
export const EXIT = { intact: 0, tampered: 1, unverifiable: 3, not_yet_anchored: 4 };
const NAMES = "form ledger signature payload checkpoint inclusion witnesses sections authority revocation anchor storage block time".split(" ");
const WORST_FIRST = ["tampered", "unverifiable", "not_yet_anchored", "intact"];
const LARGEST_BUNDLE = 4 * 1024 * 1024; // bytes
const MOST_PARTS = 64;
const MOST_BLOCKS = 1024;
const MOST_ROOTS = 16;
const MOST_CONFIRMATIONS = 10000;
const LONGEST_ROOT = 16384; // characters
const NOTHING = `0x${hex(sha256(new Uint8Array()))}`; // the root of the empty tree
const ROLE_BITS = { clerk: 1n, supervisor: 2n, auditor: 4n, analyst: 8n, witness: 16n };
const BY_SERVICE = "the service's own key";

const CHAIN = "`chain_id` SafeInt, `deployment_block_number` SafeInt, `deployment_block_hash` Bytes32";
const isChainFields = struct(`${CHAIN}, \`registry\` KeyId, \`anchor\` KeyId, \`registry_code_hash\` Bytes32, \`anchor_code_hash\` Bytes32, \`finality\` (see the type), \`trusted_blocks\`? (see the type)`);
const isFinality = (value) => value === "safe" || value === "finalized" || (Number.isSafeInteger(value) && value >= 0 && value <= MOST_CONFIRMATIONS);
const isBlock = struct("`number` SafeInt, `hash` Bytes32");
const isTrustChain = (value) => isChainFields(value) && isFinality(value.finality) && (!("trusted_blocks" in value) || isListOf(value.trusted_blocks, isBlock, MOST_BLOCKS));
const isAnchor = struct("`chain` (see the type), `contract` KeyId, `number` SafeInt, `size` SafeInt, `root` Bytes32, `registry_hash` Bytes32, `anchored_in` (see the type), `proven_at`? (see the type)");
const isChain = struct(CHAIN);
const isAnchoredIn = struct("`transaction_hash` Bytes32, `block_number` SafeInt, `block_hash` Bytes32, `timestamp` SafeInt");
const isListOf = (value, isOne, most = MOST_PARTS) => Array.isArray(value) && value.length <= most && value.every(isOne);
const isWholeAnchor = (one) => isAnchor(one) && isChain(one.chain) && isAnchoredIn(one.anchored_in) && (!("proven_at" in one) || isProvenAt(one.proven_at));
const hasFields = (value, needed, optional = []) =>
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
  if (digest(payload) !== envelope.payload_digest) return "the payload's digest is not the signed one";
  const differs = ["version", "event_id", "event_type", "stream", "sequence", "previous", "agency"]
    .find((name) => canonical(payload[name]) !== canonical(envelope[name]));
  if (differs) return `${differs} is not the envelope's`;
  const { kind, id } = payload.stream;
  if (!BODIES[payload.event_type][0].split(" or ").includes(kind)) return `this event has no place in a stream of kind ${kind}`;
  if ((payload.previous === null) !== (payload.sequence === 0)) return "previous is null at sequence 0 and there only";
  if (kind === "system" && id !== "ledger") return "the system stream is the ledger's";
  if (BODIES[payload.event_type][2] && !payload.authority) return "an act on a named authority names it";
  return kind === "agency" && id !== payload.agency ? "the stream is another agency's" : undefined;
}

export function readTrust(bytes) {
  const trust = parseJson(bytes);
  const fields = ["format", "log_id", "origin", "log_key", "service_key_id", "witness_policy", "development", "chains"];
  const isRoot = (text) => typeof text === "string" && text !== "" && text.length <= LONGEST_ROOT && log.base64(text);
  if (!hasFields(trust, fields, ["timestamp_roots"]) || trust.format !== "tallystick/trust@v1" || !fits(trust.log_id, "Bytes32")
    || !fits(trust.service_key_id, "KeyId") || typeof trust.development !== "boolean" || !fits(trust.origin, "Line")
    || !isListOf(trust.chains, isTrustChain) || !isListOf(trust.timestamp_roots ?? [], isRoot, MOST_ROOTS)) refuse("no trust file");
  const [logKey, policy] = [log.logKey(trust.log_key), log.parsePolicy(trust.witness_policy)];
  if (logKey.name !== trust.origin) refuse("the log's key is not named by the origin");
  if (policy.logs.length && !policy.logs.some(({ name, key }) => name === logKey.name && same(key, logKey.key))) refuse("the policy is of other logs");
  if (policy.quorum === null && !trust.development) refuse("a quorum of none is for development only");
  return { ...trust, logKey, policy };
}

export function readBundle(value) {
  const optional = ["payload", "sections", "erased", "authority", "anchors", "timestamps"];
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
  if (wrong) refuse(`evidence: ${wrong}`);
  if (!signatureHolds(envelope, trust.log_id)) refuse("evidence is not signed by the key it names");
  if (proof.note !== checkpoint.note) refuse("evidence is under another checkpoint");
  const leaf = log.leafHash(utf8(canonical(envelope)));
  if (!log.included(proof, leaf, checkpoint.size, checkpoint.root)) refuse("evidence is not in the log");
  return { index: proof.index, envelope, payload };
}

function readMirror(evidence, trust, checkpoint, type) {
  const entry = readEvidence(evidence, trust, checkpoint);
  const { envelope, payload } = entry;
  if (payload.event_type !== type || envelope.key_id !== trust.service_key_id || envelope.agency !== "ledger" || payload.officer !== "service") {
    refuse(`evidence is no ${type} of the ledger's own`);
  }
  return { index: entry.index, body: payload.body };
}

const checked = (detail) => ({ status: "checked", detail });
const failed = (detail) => ({ status: "failed", detail });
const unchecked = (detail, verdict = "intact") => ({ status: "not_checked", detail, verdict });
const attempt = (work) => {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refused) return failed(error.message);
    throw error;
  }
};

const NO_HEAD = unchecked("there is no tree head to go by", "unverifiable");
const NO_INDEX = unchecked("there is no index to go by", "unverifiable");

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
    return this.bundle.log_id === this.trust.log_id ? checked(this.bundle.log_id) : failed(`a bundle of ledger ${this.bundle.log_id}`);
  }

  signature() {
    return signatureHolds(this.envelope, this.trust.log_id) ? checked(`signed by ${this.envelope.key_id}`) : failed("not signed by the key it names");
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
    const signatures = log.signaturesBy(checkpoint, this.trust.logKey);
    if (checkpoint.origin !== this.trust.origin) return failed(`the tree head of another log, ${checkpoint.origin}`);
    if (signatures.length !== 1 || !log.logSigned(checkpoint, this.trust.logKey, signatures[0])) return failed("not signed by the log, once");
    this.checkpoint = checkpoint;
    return checked(`size ${checkpoint.size}, root ${hex(checkpoint.root)}`);
  }

  inclusion() {
    if (!this.checkpoint) return NO_HEAD;
    const { size, root } = this.checkpoint;
    if (!log.included(this.proof, log.leafHash(this.entry), size, root)) return failed("not in this tree");
    this.index = this.proof.index;
    return checked(`entry ${this.index} of ${size}`);
  }

  witnesses() {
    if (!this.checkpoint) return NO_HEAD;
    const { policy } = this.trust;
    const times = new Map();
    for (const witness of policy.witnesses) {
      const signatures = log.signaturesBy(this.checkpoint, witness);
      if (signatures.length === 0) continue;
      const time = signatures.length === 1 ? log.cosignedAt(this.checkpoint, witness, signatures[0]) : undefined;
      if (time === undefined) return failed(`the co-signature of ${witness.name} does not hold`);
      times.set(witness, time);
    }
    this.times = times;
    if (policy.quorum === null) return unchecked("the policy asks for no witness");
    return log.reached(policy.quorum, times) ? checked("the quorum is reached") : unchecked("the quorum is not reached", "unverifiable");
  }

  sections() {
    if (!this.payload) return unchecked("the payload that commits to them is not here");
    const committed = this.payload.confidential ?? {};
    const wrong = Object.entries(this.shown).find(([label, one]) => fits(one, "Section") && digest(one) !== committed[label]);
    if (wrong) return failed(`the section ${wrong[0]} is not the one committed to`);
    if (this.bundle.erased?.length && !this.checkpoint) return NO_HEAD;
    const erased = new Set((this.bundle.erased ?? []).map((one) => this.erasure(one)));
    const missing = Object.keys(committed).filter((label) => !(label in this.shown));
    if (missing.length === 0) return checked(`${Object.keys(committed).length} shown`);
    return unchecked(missing.map((label) => `${label} ${erased.has(label) ? "erased" : "withheld"}`).join(", "));
  }

  erasure({ label, entry }) {
    const { envelope, payload } = readEvidence(entry, this.trust, this.checkpoint);
    const { concerns, label: named } = payload.body;
    if (payload.event_type !== "section.erased" || canonical(payload.stream) !== canonical(this.envelope.stream) || named !== label
      || concerns.event_id !== this.envelope.event_id || concerns.payload_digest !== this.envelope.payload_digest) {
      refuse(`${envelope.event_id} does not erase ${label}`);
    }
    return label;
  }

  authority() {
    const { envelope, payload, trust } = this;
    const { authority } = this.bundle;
    if (this.index === undefined) return NO_INDEX;
    const roles = Object.hasOwn(BODIES, envelope.event_type) ? BODIES[envelope.event_type][1] : undefined;
    if (this.isOwn) {
      const own = envelope.key_id === trust.service_key_id && envelope.agency === "ledger" && (payload?.officer ?? "service") === "service";
      if (authority !== undefined) return failed("an entry of the ledger itself rests on no grant");
      return own ? checked("signed by the ledger's own key") : failed("only the ledger's own key signs this");
    }
    if (authority === undefined) return unchecked("no evidence of the key's grant", "unverifiable");
    if (!hasFields(authority, ["agency", "grant"], ["revocation"]) || !Object.values(authority).every(isEvidence)) {
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
    return checked(`granted at entry ${index}`);
  }

  revocation() {
    if (this.index === undefined) return NO_INDEX;
    if (this.isOwn) return unchecked("the ledger's own key is not revoked: the trust file names another");
    if (this.granted === undefined) return unchecked("there is no grant to go by");
    const { revocation } = this.bundle.authority;
    const held = this.state?.grant;
    if (held) {
      const { agency, officer, roles, suite, valid_from: from, valid_until: until } = this.grant;
      const said = [padded(agency), padded(officer), roles.reduce((sum, role) => sum | ROLE_BITS[role], 0n), BigInt(suite), BigInt(from), BigInt(until)];
      if (said.some((value, at) => value !== [held.agency, held.officer, held.roles, held.suite, held.from, held.until][at])) return failed("the registry's grant is another");
      if (held.revoked === 0n) return revocation ? failed("the registry has no revocation") : checked("not revoked, by the registry's slot");
    }
    if (revocation) {
      const { index, body } = readMirror(revocation, this.trust, this.checkpoint, "registry.key_revoked");
      if (body.key_id !== this.envelope.key_id || index < this.granted) return failed("the revocation of another grant");
      return index > this.index ? checked(`revoked at entry ${index}, above`) : failed(`revoked at entry ${index}`);
    }
    if (!held) return unchecked("needs the storage proof of the registry's key slot");
    const { time } = this.state.record;
    if (held.revoked === time) return unchecked("revoked in the block of the anchor", "unverifiable");
    return held.revoked > time ? checked("revoked after the anchor") : failed("revoked before the anchor, and the bundle hides it");
  }

  anchor() {
    const { anchors = [] } = this.bundle;
    if (!this.checkpoint) return NO_HEAD;
    if (!isListOf(anchors, (one) => isWholeAnchor(one))) return failed("an anchor is not of its form");
    if (anchors.length === 0) return unchecked("the bundle has no anchor", "not_yet_anchored");
    const known = anchors.filter((one) => this.chainOf(one));
    if (known.length === 0) return unchecked("anchors of contracts that the trust file does not name", "unverifiable");
    const { size, root } = this.checkpoint;
    const wrong = known.find((one) => BigInt(one.size) !== size || one.root !== `0x${hex(root)}` || one.number < 1
      || one.anchored_in.block_number < one.chain.deployment_block_number);
    if (wrong) return failed("an anchor is not of this tree head");
    this.anchors = known;
    return checked(`anchor ${known[0].number}`);
  }

  chainOf({ chain: said, contract }) {
    return this.trust.chains.find((chain) => chain.anchor === contract && Object.keys(said).every((name) => chain[name] === said[name]));
  }

  storage() {
    if (!this.anchors?.length) return unchecked("there is no anchor to go by");
    const [anchor] = this.anchors;
    const { proven_at: said, anchored_in: where } = anchor;
    if (said === undefined) return unchecked("the record is a claim: there is no state proof");
    const chain = this.chainOf(anchor);
    const state = provenState(anchor, chain, this.isOwn ? undefined : this.envelope.key_id);
    const { record, before, last, header } = state;
    const { size } = this.checkpoint;
    const isFirst = anchor.number === 1;
    const wrong = [
      [record.root !== anchor.root || record.size !== size, "the record is of another tree head"],
      [record.block !== BigInt(where.block_number) || record.time !== BigInt(where.timestamp), "the record is of another block"],
      [BigInt(said.block_number) === record.block && said.block_hash !== where.block_hash, "the block has another hash"],
      [before.size >= record.size || before.block > record.block || before.time > record.time, "the record before does not come before"],
      [(before.root === NOTHING) !== (isFirst && before.size === 0n), "the record before is not the first"],
      [record.block > header.number, "the record is above the block of the state"],
      [last.number < BigInt(anchor.number) || (last.number === BigInt(anchor.number)) !== (last.size === record.size), "the last record is not at or after this"],
    ].find(([is]) => is);
    if (wrong) return failed(wrong[1]);
    Object.assign(this, { state, chain });
    return checked(`record ${anchor.number} of ${last.number}, by the state of block ${header.number}`);
  }

  block() {
    if (!this.state) return unchecked("there is no state to go by");
    const { hash, number: height } = this.state.header;
    const known = (this.chain.trusted_blocks ?? []).filter((one) => BigInt(one.number) === height);
    if (known.some((one) => one.hash !== hash)) return failed(`block ${height} has another hash`);
    if (known.length === 0) return unchecked("the trust file names no such block");
    this.isTrusted = true;
    return checked(`block ${height} with the hash ${hash}`);
  }

  time() {
    if (this.index === undefined) return NO_INDEX;
    const times = [...(this.times?.values() ?? []), ...(this.isTrusted ? [this.state.record.time] : [])].sort((a, b) => (a < b ? -1 : 1));
    const stamps = this.bundle.timestamps === undefined ? "" : "; RFC 3161 timestamps are not checked by this verifier";
    if (times.length === 0) return unchecked(`no co-signature and no block proves a time${stamps}`);
    return checked(`known to exist at ${times[0]} (unix seconds)${stamps}`);
  }
}

const METHOD = { payload: "payload_", checkpoint: "checkpoint_" };

export function verify(bundle, trust) {
  const run = new Steps(bundle, trust);
  const steps = NAMES.map((name, at) => ({ number: at + 1, name }));
  const inTurn = [...steps].sort((a, b) => Number(a.name === "revocation") - Number(b.name === "revocation")); // it rests on the storage
  for (const step of inTurn) Object.assign(step, attempt(() => run[METHOD[step.name] ?? step.name]()));
  const verdicts = steps.map((step) => (step.status === "failed" ? "tampered" : step.verdict ?? "intact"));
  return { verdict: WORST_FIRST.find((one) => verdicts.includes(one)), development: trust.development, index: run.index, payload: run.payload, steps };
}

function order(events, results) {
  let [previous, last] = [null, -1n];
  for (const [at, { envelope }] of events.entries()) {
    const { index } = results[at];
    if (envelope.sequence !== at || envelope.previous !== previous) return failed(`event ${at + 1} of ${events.length} is not on the one before`);
    if (index === undefined) return unchecked(`event ${at + 1} of ${events.length} has no index that its proof shows`, "unverifiable");
    if (index <= last) return failed(`event ${at + 1} of ${events.length} does not stand above the one before`);
    [previous, last] = [envelope.payload_digest, index];
  }
  return checked(`sequence 0 to ${events.length - 1} without a gap`);
}

// Rising numbers, those in a row as a range: 3-7, 9.
function inRanges(numbers) {
  const ranges = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(", ");
}

// The steps over a case bundle; step 4 asks for the rules of section 8, which this verifier does not have.
export function verifyCase(file, trust, told) {
  if (!hasFields(file, ["format", "log_id", "case_id", "events"]) || !fits(file.log_id, "Bytes32") || !fits(file.case_id, "CaseId")
    || !Array.isArray(file.events) || file.events.length === 0) refuse("no case bundle");
  const events = file.events.map(readBundle);
  const results = events.map((event, at) => {
    told(at, events.length);
    return verify(event, trust);
  });
  const verdict = WORST_FIRST.find((one) => results.some((result) => result.verdict === one));
  const concerned = inRanges(results.flatMap((result, at) => (result.verdict === verdict ? [at + 1] : [])));
  const ours = file.log_id === trust.log_id && events.every(({ log_id: id, envelope: { stream } }) => id === file.log_id && stream.kind === "case" && stream.id === file.case_id);
  const steps = [
    ["form", ours ? checked(`${events.length} events of ${file.case_id}`) : failed("an event of another ledger or case")],
    ["events", verdict === "intact" ? checked("each holds") : verdict === "tampered" ? failed(`events ${concerned} of ${events.length}: ${verdict}`) : unchecked(`events ${concerned} of ${events.length}: ${verdict}`, verdict)],
    ["order", order(events, results)],
    ["custody", unchecked("this verifier does not fold cases", results.some((result) => !result.payload) ? "unverifiable" : "intact")],
    ["end", unchecked("no entries of the log were given")],
  ].map(([name, result], at) => ({ number: at + 1, name, ...result }));
  const worst = steps.map((step) => (step.status === "failed" ? "tampered" : step.verdict ?? "intact"));
  return { verdict: WORST_FIRST.find((one) => worst.includes(one)), development: trust.development, steps, events: results };
}

// A bundle or case bundle and a trust file, as bytes. Throws Refused where a file is neither. `told` hears, before each
// event of a case, how many are done and how many there are.
export function verifyFile(bundleBytes, trustBytes, told = () => {}) {
  const trust = readTrust(trustBytes);
  const file = parseJson(bundleBytes);
  if (isObject(file) && file.format === "tallystick/case-bundle@v1") return verifyCase(file, trust, told);
  if (bundleBytes.length > LARGEST_BUNDLE) refuse("a bundle has at most 4 MiB");
  return verify(readBundle(file), trust);
}
