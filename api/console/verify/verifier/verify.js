// A second verifier of Tallystick's proofs, written from docs/protocol.md alone. Bytes in, numbered steps and a verdict out.
import { blake3 } from "@noble/hashes/blake3.js";
import { fits, hex, isListOf, isObject, parseJson, reason, Refused, refuse, spelled, utf8 } from "./forms.js";
import { treeHeadOf } from "./log.js";
import { checked, failed, hasFields, readBundle, readTrust, unchecked, unshown, verdictOf, verify, WORST_FIRST } from "./steps.js";

export { Refused };
export const EXIT = { intact: 0, tampered: 1, unverifiable: 3, not_yet_anchored: 4 };
const LARGEST_BUNDLE = 4 * 1024 * 1024; // bytes
const TOO_LARGE = reason("a bundle has at most 4 MiB");
const LARGEST_PACKAGE = 16 * 1024 * 1024; // bytes
const MOST_VERSIONS = 100;

// The verifications of several bundles as one step.
function ofAll(results) {
  const verdict = WORST_FIRST.find((one) => results.some((result) => result.verdict === one));
  const concerned = inRanges(results.flatMap((result, at) => (result.verdict === verdict ? [at + 1] : [])));
  if (verdict === "intact") return checked("each holds");
  const step = unchecked(reason("events {numbers} of {count}: {verdict}", { numbers: concerned, count: results.length, verdict }), verdict);
  return verdict === "tampered" ? failed(step.detail) : step;
}

// Of two tree heads each could be of a fork of its own.
const treeHead = ({ proof }) => treeHeadOf(proof.split("\n\n").slice(1).join("\n\n"));
const isUnderOneTreeHead = (bundles) => bundles.every((one) => treeHead(one) === treeHead(bundles[0]));

function order(events, results) {
  let [previous, last] = [null, -1n];
  for (const [at, { envelope }] of events.entries()) {
    const { index } = results[at];
    const event = reason("event {number} of {count}", { number: at + 1, count: events.length });
    if (envelope.sequence !== at || envelope.previous !== previous) return failed("{event} is not on the one before", { event });
    if (index === undefined) return unchecked(reason("{event} has no index that its proof shows", { event }), "unverifiable");
    if (index <= last) return failed("{event} does not stand above the one before", { event });
    [previous, last] = [envelope.payload_digest, index];
  }
  return checked("sequence 0 to {last} without a gap", { last: events.length - 1 });
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

function verifyEach(parts, trust, told) {
  if (parts.some((part) => isObject(part) && utf8(spelled.get(part) ?? "").length > LARGEST_BUNDLE)) refuse(TOO_LARGE);
  const events = parts.map(readBundle);
  const results = events.map((event, at) => {
    told(at, events.length);
    return verify(event, trust);
  });
  return [events, results];
}

function report(named, results, trust, conformity, completeness) {
  const steps = Object.entries(named).map(([name, result], at) => ({ number: at + 1, name, ...result }));
  return { verdict: verdictOf(steps), conformity, completeness, development: trust.development, steps, events: results };
}

const MOST_CARRIED = 256; // entries about procedures, which only a verifier of conformity reads

// The steps over a case bundle; step 4 asks for the rules of section 8, which this verifier does not have.
function verifyCase(file, trust, told) {
  if (!hasFields(file, ["format", "log_id", "case_id", "events"], ["procedures"]) || !fits(file.log_id, "Bytes32") || !fits(file.case_id, "CaseId")
    || !Array.isArray(file.events) || file.events.length === 0 || !isListOf(file.procedures ?? [], () => true, MOST_CARRIED)) refuse("no case bundle");
  const [events, results] = verifyEach(file.events, trust, told);
  const isOurs = file.log_id === trust.log_id && events.every(({ log_id: id, envelope: { stream } }) => id === file.log_id && stream.kind === "case" && stream.id === file.case_id);
  const form = () => {
    if (!isOurs) return failed("an event of another ledger or case");
    return isUnderOneTreeHead(events) ? checked("{count} events of {case_id}", { count: events.length, case_id: file.case_id }) : failed("the proofs stand under several tree heads");
  };
  const steps = {
    form: form(), events: ofAll(results), order: order(events, results),
    custody: unchecked("this verifier does not know the custody rules"), end: unchecked("no entries of the log were given"),
  };
  const completeness = unshown("that nothing came after event {sequence} is not shown", { sequence: events.at(-1).envelope.sequence });
  return report(steps, results, trust, unshown("this verifier does not know the custody rules"), completeness);
}

// The publications of a model, as far as each was accepted; none where one is missing.
function versions(file, events, bodies, results) {
  if (bodies.length < events.length) return NO_PUBLICATION;
  const first = file.version - events.length + 1;
  let last = -1n;
  for (const [at, body] of bodies.entries()) {
    const { index } = results[at];
    const event = reason("publication {number} of {count}", { number: at + 1, count: events.length });
    if (body.model_id !== file.model_id || body.version !== first + at) return failed("{event} is not version {version}", { event, version: first + at });
    if (events[at].envelope.agency !== events[0].envelope.agency) return failed("{event} is by another agency", { event });
    if (index === undefined) return unchecked(reason("{event} has no index that its proof shows", { event }), "unverifiable");
    if (index <= last) return failed("{event} does not stand above the one before", { event });
    last = index;
  }
  return checked("versions {first} to {last}", { first, last: file.version });
}

const NO_PUBLICATION = unchecked("a publication is withheld, or is not what it says", "unverifiable");

function texts(events, bodies) {
  if (bodies.length < events.length) return NO_PUBLICATION;
  const wrong = bodies.findIndex((body) => body.model_digest !== `blake3:${hex(blake3(utf8(body.definition)))}`);
  if (wrong < 0) return checked("each definition has the digest that was signed");
  return failed("publication {number} of {count} has another definition than was signed", { number: wrong + 1, count: events.length });
}

// The steps over a model package.
function verifyPackage(file, trust, told) {
  if (!hasFields(file, ["format", "log_id", "model_id", "version", "publications"]) || !fits(file.log_id, "Bytes32") || !fits(file.model_id, "ModelId")
    || !fits(file.version, "Count") || !isListOf(file.publications, () => true, MOST_VERSIONS) || file.publications.length === 0) refuse("no model package");
  const [events, results] = verifyEach(file.publications, trust, told);
  const bodies = results.flatMap(({ payload }) => (payload?.event_type === "model.published" ? [payload.body] : []));
  const isOurs = events.every(({ log_id: id, envelope: { stream, event_type: type } }) =>
    id === file.log_id && stream.kind === "supervision" && stream.id === `model-${file.model_id}` && type === "model.published");
  const form = () => {
    if (!isOurs) return failed("a publication of another ledger or model");
    return isUnderOneTreeHead(events) ? checked("{count} versions of {model_id}", { count: events.length, model_id: file.model_id }) : failed("the proofs stand under several tree heads");
  };
  const steps = { form: form(), events: ofAll(results), versions: versions(file, events, bodies, results), texts: texts(events, bodies) };
  return report(steps, results, trust, unshown("the custody rules judge a case, not a model"), unshown("no later version or retirement is excluded"));
}

// A bundle, case bundle or model package and a trust file, as bytes. Throws Refused where a file is none of these. `told`
// hears, before each event of several, how many are done and how many there are.
export function verifyFile(bundleBytes, trustBytes, told = () => {}) {
  const trust = readTrust(trustBytes);
  const file = parseJson(bundleBytes);
  if (isObject(file) && file.format === "tallystick/case-bundle@v1") return verifyCase(file, trust, told);
  if (isObject(file) && file.format === "tallystick/model-package@v1") {
    return bundleBytes.length > LARGEST_PACKAGE ? refuse("a package has at most 16 MiB") : verifyPackage(file, trust, told);
  }
  if (bundleBytes.length > LARGEST_BUNDLE) refuse(TOO_LARGE);
  return verify(readBundle(file), trust);
}
