// A second verifier of Tallystick's proofs, written from docs/protocol/ alone. Bytes in, numbered steps and a verdict out.
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { blockStatement, contractStates, grantWords, readHeader, word } from "./chain.js";
import { readBundle, readTrust, serviceKeyAt } from "./files.js";
import { both, canonical, hex, joined, lack, MIRRORED, reason, Refused, refuse, same, unhex, utf8 } from "./forms.js";
import * as log from "./log.js";

export { Refused };
const WORST_FIRST = ["tampered", "other_ledger", "unverifiable", "not_yet_anchored", "intact"];
const FAILED = WORST_FIRST.slice(0, 2);
const NOT_YET = "not_yet_anchored";
const TOLERANCE = 300n; // seconds that a signer's clock may be ahead

// -- what is signed ----------------------------------------------------------------------------------------------------

const digest = (value) => `blake3:${hex(blake3(utf8(canonical(value))))}`;
const keccak = (text) => keccak_256(utf8(text));
const DOMAIN_TYPE = "EIP712Domain(string name,string version,bytes32 salt)";
const EVENT_TYPE = "Event(string summary,string eventId,string eventType,string streamKind,string streamId,uint64 sequence,"
  + "bytes32 previous,string agency,bytes32 payloadBlake3,uint64 signedAt,address signer)";

function signedHash(e, logId) {
  const domain = keccak_256(joined(...[DOMAIN_TYPE, "Tallystick", "1"].map(keccak), unhex(logId)));
  const summary = `${e.event_type} as entry ${e.sequence} of ${e.stream.kind} ${e.stream.id} for ${e.agency}`;
  const event = [
    ...[EVENT_TYPE, summary, e.event_id, e.event_type, e.stream.kind, e.stream.id].map(keccak), word(e.sequence), e.previous ? unhex(e.previous) : word(0),
    keccak(e.agency), unhex(e.payload_digest), word(e.signed_at), word(e.key_id),
  ];
  return keccak_256(joined(Uint8Array.of(0x19, 0x01), domain, keccak_256(joined(...event))));
}

const SUITE = 1; // secp256k1 over EIP-712: the only suite that this program has

function signatureHolds(envelope, logId) {
  const bytes = unhex(envelope.signature);
  if (envelope.suite !== SUITE || bytes.length !== 65 || (bytes[64] !== 27 && bytes[64] !== 28)) return false;
  try {
    const signature = secp256k1.Signature.fromBytes(bytes.subarray(0, 64), "compact").addRecoveryBit(bytes[64] - 27);
    const key = signature.recoverPublicKey(signedHash(envelope, logId)).toBytes(false);
    return !signature.hasHighS() && `0x${hex(keccak_256(key.subarray(1)).subarray(12))}` === envelope.key_id;
  } catch {
    return false;
  }
}

// -- the steps ---------------------------------------------------------------------------------------------------------

// A step is checked if what it does returns a reason. Otherwise it was refused: it failed, or something is lacking.
function attempt(work) {
  try {
    return { status: "checked", detail: reason(work()), verdict: "intact" };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { detail, verdict } = error;
    return { status: FAILED.includes(verdict) ? "failed" : "not_checked", detail, verdict };
  }
}

const verdictOf = (steps) => WORST_FIRST.find((verdict) => steps.some((step) => step.verdict === verdict));
const isOther = ({ bundle, trust }) => bundle.log_id !== trust.log_id;
const requireLedger = (of) => isOther(of) && lack("the trust file is of another ledger");
const headOf = ({ checkpoint }) => checkpoint ?? lack("there is no tree head to go by");
const indexOf = ({ index }) => index ?? lack("there is no index to go by");
const statesOf = ({ states }) => states ?? lack("there is no trusted block to go by", NOT_YET);

const BUNDLE_STEPS = {
  ledger({ of: { bundle: { log_id: logId }, trust } }) {
    return logId === trust.log_id ? logId : lack("a bundle of ledger {log_id}, and a trust file of {trusted}: take the trust file of the former", "other_ledger", { log_id: logId, trusted: trust.log_id });
  },

  checkpoint({ of }) {
    requireLedger(of);
    const checkpoint = log.parseCheckpoint(of.bundle.note);
    const keys = of.trust.logKeys.filter(({ until }) => checkpoint.size <= until);
    const hasLine = keys.some((key) => log.signatureBy(key, checkpoint));
    if (!hasLine) lack("no line of the note is by the log's key in the trust file: the note is of another log; or the trust file is from before that key was replaced (ask an agency for the renewal, which tally trust accept takes, or for its trust file of today); or whoever passed the note on spoiled it (ask for another copy)");
    if (checkpoint.origin !== of.trust.origin) refuse("the tree head of another log, {origin}", { origin: checkpoint.origin });
    of.checkpoint = checkpoint;
    return reason("size {size}, root {root}", { size: checkpoint.size, root: hex(checkpoint.root) });
  },

  witnesses({ of, of: { trust: { policy } } }) {
    of.cosigned = log.cosigned(headOf(of), policy);
    if (policy.quorum === null) lack("the policy asks for no witness", "intact");
    const by = { names: of.cosigned.names.join(", ") || reason("no witness") };
    return of.cosigned.at ? reason("the quorum is reached by {names}", by) : lack("the quorum is not reached by {names}", "unverifiable", by);
  },

  block({ of, of: { bundle: { anchor }, trust } }) {
    requireLedger(of);
    if (!anchor) lack("the bundle has no anchor", NOT_YET);
    const header = readHeader(unhex(anchor.header));
    const { number, hash } = header;
    const isNamed = (chain) => chain.anchor === anchor.contract && Object.keys(anchor.chain).every((name) => chain[name] === anchor.chain[name]);
    const chain = trust.chains.find(isNamed) ?? lack("the trust file does not name the anchor's contract", NOT_YET);
    const named = (chain.trusted_blocks ?? []).filter((block) => block.number === number);
    if (named.some((block) => block.hash !== hash)) refuse("block {number} has another hash", { number });
    const statement = blockStatement(trust.log_id, chain, header);
    const vouched = attempt(() => (named.length ? reason("the trust file names it") : blockNote(anchor.block_note, statement, trust.policy)));
    if (vouched.status !== "checked") lack("nobody vouches for block {number} with the hash {hash}: {why}", NOT_YET, { number, hash, why: vouched.detail });
    Object.assign(of, { header, states: contractStates(anchor, chain, header) });
    return reason("block {number} with the hash {hash}: {why}", { number, hash, why: vouched.detail });
  },

  anchor({ of, of: { bundle, header } }) {
    const { size, root } = headOf(of);
    const states = statesOf(of);
    const { number } = bundle.anchor;
    const { record, before, last } = states.record(number);
    if (!same(record.root, root) || record.size !== size) refuse("the record is of another tree head");
    const isFirst = number === 1 && before.size === 0n;
    const follows = before.size < record.size && before.block <= record.block && before.time <= record.time && same(before.root, log.EMPTY_TREE) === isFirst;
    const isUpTo = record.block <= header.number && last.number >= number && (last.number === BigInt(number)) === (last.size === record.size);
    if (!follows || !isUpTo) refuse("the record does not stand between the one before, the last one and the block of the state");
    of.record = record;
    return reason("record {number} of {last}, by the state of block {block}", { number, last: last.number, block: header.number });
  },
};

// As many witnesses as the policy asks for state that the block is final. A note that does not hold does not count.
function blockNote(text, statement, policy) {
  if (text === undefined) lack("the trust file does not name it, and there is no block note: name it there once a node of yours has it, or ask for a newer proof");
  const note = log.parseNote(text);
  if (note.text !== statement) refuse("the block note states something else");
  return log.cosigned(note, policy).at ? reason("the quorum vouches for it") : lack("the block note has not the quorum");
}

// The verification of a bundle: the steps about it, and the entries that others rest on. What does not hold of these counts as left out.
class Verification {
  constructor(bundle, trust) {
    Object.assign(this, { bundle, trust, results: new Map(), about: new Map(), cosigned: {}, steps: [] });
    // By what they are about: each of a case's thousands of events asks for some.
    for (const entry of bundle.entries.filter(({ payload }) => payload)) {
      const { envelope: { event_type: type, stream }, payload: { body } } = entry;
      const key = type === "section.erased" ? erasureOf(stream, body.concerns, body.label) : this.isMirror(entry) && `${type} ${body.key_id ?? body.agency}`;
      if (key) this.about.set(key, this.about.get(key) ?? []).get(key).push(entry);
    }
    this.steps = this.perform(BUNDLE_STEPS, {});
    this.suites = [...new Set(bundle.entries.map(({ envelope: { suite } }) => suite))].filter((suite) => suite !== SUITE).join(", ");
    if (this.suites) this.assuming = Object.assign(Object.create(Verification.prototype), this, { assumes: true, results: new Map() });
  }

  isOfLedger({ envelope: { suite, agency, key_id: key }, payload, index }) {
    return agency === "ledger" && this.trust.suites.includes(suite) && key === serviceKeyAt(this.trust, index) && (payload?.officer ?? "service") === "service";
  }

  isMirror(entry) {
    const { envelope: { event_type: type, stream }, payload: { body } } = entry;
    return Object.hasOwn(MIRRORED, type) && stream.kind === "system" && this.isOfLedger(entry) && MIRRORED[type](body);
  }

  // Whether another entry is in the tree, signed, and with its payload if that is shown: a result like a step's.
  resultOf(entry) {
    const isAssumed = this.assumes && entry.envelope.suite !== SUITE;
    const look = () => {
      EVENT_STEPS.inclusion({ of: this, entry });
      if (!isAssumed && !signatureHolds(entry.envelope, this.trust.log_id)) refuse("not signed by the key it names");
      return entry.payload ? EVENT_STEPS.payload({ entry }) : "";
    };
    if (!this.results.has(entry)) this.results.set(entry, attempt(look));
    return this.results.get(entry);
  }

  // The entries about something that hold, in the order of the log.
  held(about) {
    return (this.about.get(about) ?? []).filter((entry) => this.resultOf(entry).status === "checked");
  }

  // Steps after those before. Nobody can say here whether an entry is signed by a suite that this program lacks, so they are performed as
  // if none of those were, and again as if all were: one with another status then is not checked.
  perform(steps, run) {
    const { suites, assuming } = this;
    const done = (on) => Object.entries(steps).map(([name, step], at) => ({ number: this.steps.length + at + 1, name, ...attempt(() => step(on)) }));
    const again = assuming && done({ ...run, of: assuming });
    const lackSuite = () => lack("it rests on an entry of suite {suites}, which this program does not verify", "unverifiable", { suites });
    const own = done(Object.assign(run, { of: this }));
    return [...this.steps, ...own.map((step, at) => (!again || step.status === again[at].status ? step : { ...step, ...attempt(lackSuite) }))];
  }

  event(entry) {
    const run = { entry };
    const steps = this.perform(EVENT_STEPS, run);
    const statements = { conformity: unshown("this verifier does not check whether the event fits its type and the role of its key"), completeness: unshown("one event says nothing of those after it") };
    return { verdict: verdictOf(steps), ...statements, development: this.trust.development, steps, envelope: entry.envelope, index: run.index, payload: run.payload };
  }
}

const erasureOf = (stream, concerns, label) => canonical(["section.erased", stream, concerns?.event_id ?? null, concerns?.payload_digest ?? null, label ?? null]);

// What a step does sees what those before it accepted: `payload`, `index`, `grounds`.
const EVENT_STEPS = {
  signature({ of, entry: { envelope } }) {
    if (envelope.suite !== SUITE) lack("a signature of a suite that this program has not");
    return signatureHolds(envelope, of.bundle.log_id) ? reason("signed by {key_id}", { key_id: envelope.key_id }) : refuse("not signed by the key it names");
  },

  payload(run) {
    const { envelope, payload } = run.entry;
    if (!payload) lack("the payload is withheld");
    if (digest(payload) !== envelope.payload_digest) refuse("the payload's digest is not the signed one");
    run.payload = payload;
    return envelope.payload_digest;
  },

  inclusion(run) {
    const { of, entry: { envelope, index } } = run;
    const head = headOf(of);
    const isIn = log.included(of.bundle.nodes, log.leafHash(envelope), index, head) ?? lack("the bundle lacks a node of the tree");
    if (!isIn) refuse("not in this tree");
    run.index = index;
    return reason("entry {index} of {size}", { index, size: head.size });
  },

  sections({ of, entry: { envelope, sections: shown = {} }, payload }) {
    if (!payload) lack("the payload that commits to them is not here", "intact");
    const committed = payload.confidential ?? {};
    const label = Object.keys(shown).find((name) => digest(shown[name]) !== committed[name]);
    if (label) refuse("the section {label} is not the one committed to", { label });
    const missing = Object.keys(committed).filter((name) => !Object.hasOwn(shown, name));
    const isErased = (name) => of.held(erasureOf(envelope.stream, envelope, name)).length > 0;
    const fates = missing.map((name) => (isErased(name) ? reason("{label} erased", { label: name }) : reason("{label} withheld", { label: name })));
    return fates.length ? lack(fates.reduce(both), "intact") : reason("{count} shown", { count: Object.keys(committed).length });
  },

  authority(run) {
    const { of, entry: { envelope }, payload } = run;
    const index = indexOf(run);
    if (envelope.agency === "ledger" && !of.isOfLedger({ envelope, payload, index })) refuse("only the ledger's own key signs this");
    if (envelope.agency === "ledger") return reason("signed by the ledger's own key");
    const grants = of.held(`registry.key_granted ${envelope.key_id}`);
    const covering = grants.filter(({ index: at, payload: { body } }) => at < index && body.agency === envelope.agency && body.suite === envelope.suite
      && of.trust.suites.includes(body.suite) && body.valid_from <= envelope.signed_at && envelope.signed_at < body.valid_until
      && (payload?.officer ?? body.officer) === body.officer);
    if (grants.length && !covering.length) refuse("the grant is not of this agency, officer and time");
    const [admission] = of.held(`registry.agency_admitted ${envelope.agency}`);
    run.grounds = covering.filter((grant) => admission?.index < grant.index);
    const [first] = run.grounds;
    return first ? reason("granted at entry {index}", { index: first.index }) : lack("no grant of the key, after an admission of the agency, that holds");
  },

  revocation(run) {
    const { of, entry: { envelope: { agency, key_id: key } }, grounds = [] } = run;
    const index = indexOf(run);
    if (agency === "ledger") lack("the ledger's own key is not revoked: the trust file names another", "intact");
    if (!grounds.length) lack("there is no grant to go by", "intact");
    const revocations = of.held(`registry.key_revoked ${key}`);
    if (!of.states && revocations.at(-1)?.index < index) refuse("revoked at entry {index}", { index: revocations[0].index });
    const { words, revoked } = statesOf(of).grant(key);
    if (!grounds.some(({ payload: { body } }) => grantWords(body).join() === words.join())) refuse("the registry's grant is another");
    // The slot decides. An entry that the registry does not bear out spoils nothing: without it the verdict were the same.
    const good = (why, stray) => both(why, stray && reason("entry {index} mirrors a revocation that does not count: tell the witnesses", { index: stray.index }));
    if (revoked === 0n) return good(reason("not revoked, by the registry's slot"), revocations[0]);
    const { record = lack("there is no record with whose time the revocation could be compared"), bundle: { anchor } } = of;
    if (revoked > record.time) return good(reason("revoked after the anchor"), revocations[0]);
    // The first record after the revocation rests on a log that has its mirror: an entry at or above its size is a second one.
    const number = anchor.revocations?.[key] ?? anchor.number;
    const { record: first, before } = of.states.record(number);
    const isFirst = (number === 1 || before.time <= revoked) && (number === anchor.number || (number < anchor.number && revoked < first.time));
    if (!isFirst) lack("the anchor does not name the first record after the revocation");
    const above = revocations.find(({ index: at }) => at > index && at < first.size);
    if (above) return good(reason("revoked at entry {index}, above", { index: above.index }), revocations.find(({ index: at }) => at < index));
    if (revocations.length) refuse("revoked at entry {index}: none shown is after this one and before the next record", { index: revocations[0].index });
    return revoked < record.time ? refuse("revoked before the anchor, and the bundle hides it") : lack("revoked in the block of the anchor");
  },

  time(run) {
    const { of: { cosigned, record, bundle }, entry: { envelope } } = run;
    indexOf(run);
    const stamps = bundle.timestamps.length > 0 && reason("RFC 3161 timestamps are not checked by this verifier");
    const earliest = [cosigned.at, record?.time].reduce((a, b) => (a === undefined || b < a ? b : a));
    if (earliest === undefined) lack(both(reason("no quorum and no block proves a time"), stamps), "intact");
    // Not by the quorum's time, which a courier can move by leaving out a line: with fewer co-signatures the latest is no later.
    const late = [cosigned.at && cosigned.last, record?.time].find((time) => time !== undefined && BigInt(envelope.signed_at) > time + TOLERANCE);
    if (late !== undefined) refuse("signed at {signed}, later than {logged}, when it was in the log", { signed: moment(envelope.signed_at), logged: moment(late) });
    // One witness that dates late is enough for that, so it is only reported.
    const isAhead = cosigned.at !== undefined && BigInt(envelope.signed_at) > cosigned.at + TOLERANCE;
    return both(both(reason("known to exist at {time}", { time: moment(earliest) }), stamps), isAhead && reason("it says to be signed after the quorum of witnesses"));
  },
};

const moment = (seconds) => reason("{seconds} (unix seconds)", { seconds });
const unshown = (id) => ({ result: "not_checked", detail: reason(id) });

// -- a stream ----------------------------------------------------------------------------------------------------------

const ABSENCE_STEPS = {
  // What the head map has for the stream, by an entry of the ledger that holds and commits to its root.
  map(run) {
    const { of, of: { bundle: { map, commitment, commitment: { envelope, index } } }, stream } = run;
    // As the signature of an event: signed for another ledger than it names, the bundle contradicts itself.
    if (isOther(of) && envelope.suite === SUITE && !signatureHolds(envelope, of.bundle.log_id)) refuse("not signed by the key it names");
    const { status, detail, verdict } = of.resultOf(commitment);
    if (status !== "checked") lack(detail, verdict);
    if (envelope.event_type !== "heads.mapped" || envelope.stream.kind !== "system" || !of.isOfLedger(commitment)) refuse("not the ledger's entry of a head map");
    const { root, count, head } = log.mappedHead(stream, map);
    const at = new Date(envelope.signed_at * 1000);
    if (!(at.getUTCFullYear() <= 2999)) refuse("the head map's entry was signed at no possible time");
    const payload = { body: { root }, occurred_at: at.toISOString().replace(".000Z", "Z"), officer: "service", salt: "0".repeat(32) };
    if (digest(payload) !== envelope.payload_digest) refuse("the entry commits to another head map");
    run.mapped = { size: index, count, head };
    return reason("the head map of the first {size} entries", run.mapped);
  },

  absence({ of, mapped = lack("there is no head map to go by") }) {
    if (mapped.count) refuse("the head map has {count} events of the stream", mapped);
    return of.cosigned.at ? upTo(mapped, of, reason("none of the first {size} entries is of this stream", mapped)) : lack(OWN_WORD, "intact");
  },
};

const STREAM_STEPS = {
  events({ events }) {
    const verdict = verdictOf(events);
    const number = events.filter((event) => event.verdict === verdict).length;
    return verdict === "intact" ? reason("each holds") : lack("{number} of {count} events: {verdict}", verdict, { number, count: events.length, verdict });
  },

  order({ of: { bundle: { subjects } }, events }) {
    let previous = null;
    for (const [at, { envelope }] of subjects.entries()) {
      const event = reason("event {number} of {count}", { number: at + 1, count: subjects.length });
      if (envelope.sequence !== at || envelope.previous !== previous) refuse("{event} is not on the one before", { event });
      if (events[at].index === undefined) lack("{event} has no index that its proof shows", "unverifiable", { event });
      previous = `sha256:${hex(log.leafHash(envelope))}`;
    }
    return reason("sequence 0 to {last} without a gap", { last: subjects.length - 1 });
  },

  custody: () => lack("this verifier does not know the custody rules", "intact"),

  // What does not hold of a head map counts as left out.
  end(run) {
    const { bundle: { map, subjects }, cosigned } = run.of;
    if (!map) lack("that nothing came after event {sequence} is not shown: there is no head map", "intact", { sequence: subjects.length - 1 });
    const { status, detail: why } = attempt(() => ABSENCE_STEPS.map(run));
    if (status !== "checked") lack("the head map does not hold: {why}", "intact", { why });
    const { size, count, head } = run.mapped;
    const covered = subjects.filter(({ index }) => index < size);
    if (count !== covered.length || (count && head !== `0x${hex(log.leafHash(covered.at(-1).envelope))}`)) {
      refuse("the head map of entry {size} has {count} events of the stream, not these {shown}", { size, count, shown: covered.length });
    }
    // The map has their number and the last: what is between follows from their order.
    if (attempt(() => STREAM_STEPS.order(run)).status !== "checked") lack("there is no order of the events to go by", "intact");
    return cosigned.at ? upTo(run.mapped, run.of, reason("these {count} events are all of the stream among the first {size} entries", run.mapped)) : lack(OWN_WORD, "intact");
  },
};

// Whoever passes a bundle on can put an older map under the same tree head.
function upTo({ size }, { checkpoint }, shown) {
  const later = Number(checkpoint.size) - size;
  return both(shown, later > 1 && reason("nothing is shown of the {later} entries after those", { later }));
}

const OWN_WORD = reason("no quorum of witnesses has co-signed the tree: whether it has other events is the log's own word");
const STATED = { checked: "shown", failed: "contradicted", not_checked: "not_checked" };

// A bundle and a trust file, as bytes. Throws Refused where a file is none of these. `progress` hears, before each event of several,
// how many are done and how many there are.
export function verifyFile(bundleBytes, trustBytes, progress = () => {}) {
  const of = new Verification(readBundle(bundleBytes), readTrust(trustBytes));
  const { subjects, stream, absent } = of.bundle;
  // The digest does not cover the blocks, which whoever passed the trust file on can have added.
  const trusted = { trust_digest: of.trust.digest, trusted_blocks: of.trust.blocks };
  if (!stream && !absent) return { ...of.event(subjects[0]), ...trusted };
  const events = subjects.map((entry, at) => {
    progress(at, subjects.length);
    return of.event(entry);
  });
  const steps = of.perform(absent ? ABSENCE_STEPS : STREAM_STEPS, { stream: stream ?? absent, events });
  if (stream?.id.startsWith("model-") && stream.kind === "supervision") steps.at(-2).name = "versions";
  const { status, detail } = steps.at(-1);
  const conformity = absent ? unshown("there is no act to judge") : unshown("this verifier does not know the custody rules");
  const verdict = verdictOf(stream ? steps.slice(0, -1) : steps);
  return { verdict, conformity, completeness: { result: STATED[status], detail }, development: of.trust.development, steps, events, stream: stream ?? absent, ...trusted };
}
