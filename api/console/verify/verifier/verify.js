// A second verifier of Tallystick's proofs, written from docs/protocol.md alone. Bytes in, numbered steps and a verdict out.
import { blake3 } from "@noble/hashes/blake3.js";
import { fits, hex, isListOf, isObject, parseJson, Refused, refuse, spelled, utf8 } from "./forms.js";
import { treeHeadOf } from "./log.js";
import { checked, failed, hasFields, readBundle, readTrust, unchecked, unshown, verdictOf, verify, WORST_FIRST } from "./steps.js";

export { Refused };
export const EXIT = { intact: 0, tampered: 1, unverifiable: 3, not_yet_anchored: 4 };
const LARGEST_BUNDLE = 4 * 1024 * 1024; // bytes
const TOO_LARGE = "a bundle has at most 4 MiB";
const LARGEST_PACKAGE = 16 * 1024 * 1024; // bytes
const MOST_VERSIONS = 100;

// The verifications of several bundles as one step.
function ofAll(results) {
  const verdict = WORST_FIRST.find((one) => results.some((result) => result.verdict === one));
  const concerned = inRanges(results.flatMap((result, at) => (result.verdict === verdict ? [at + 1] : [])));
  if (verdict === "intact") return checked("each holds");
  const step = unchecked(`events ${concerned} of ${results.length}: ${verdict}`, verdict);
  return verdict === "tampered" ? failed(step.detail) : step;
}

// Of two tree heads each could be of a fork of its own.
const treeHead = ({ proof }) => treeHeadOf(proof.split("\n\n").slice(1).join("\n\n"));
const isUnderOneTreeHead = (bundles) => bundles.every((one) => treeHead(one) === treeHead(bundles[0]));

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

// The steps over a case bundle; step 4 asks for the rules of section 8, which this verifier does not have.
function verifyCase(file, trust, told) {
  if (!hasFields(file, ["format", "log_id", "case_id", "events"]) || !fits(file.log_id, "Bytes32") || !fits(file.case_id, "CaseId")
    || !Array.isArray(file.events) || file.events.length === 0) refuse("no case bundle");
  const [events, results] = verifyEach(file.events, trust, told);
  const isOurs = file.log_id === trust.log_id && events.every(({ log_id: id, envelope: { stream } }) => id === file.log_id && stream.kind === "case" && stream.id === file.case_id);
  const form = () => {
    if (!isOurs) return failed("an event of another ledger or case");
    return isUnderOneTreeHead(events) ? checked(`${events.length} events of ${file.case_id}`) : failed("the proofs stand under several tree heads");
  };
  const steps = {
    form: form(), events: ofAll(results), order: order(events, results),
    custody: unchecked("this verifier does not know the custody rules"), end: unchecked("no entries of the log were given"),
  };
  const completeness = unshown(`that nothing came after event ${events.at(-1).envelope.sequence} is not shown`);
  return report(steps, results, trust, unshown("this verifier does not know the custody rules"), completeness);
}

// The publications of a model, as far as each was accepted; none where one is missing.
function versions(file, events, bodies, results) {
  if (bodies.length < events.length) return NO_PUBLICATION;
  const first = file.version - events.length + 1;
  let last = -1n;
  for (const [at, body] of bodies.entries()) {
    const { index } = results[at];
    const where = `publication ${at + 1} of ${events.length}`;
    if (body.model_id !== file.model_id || body.version !== first + at) return failed(`${where} is not version ${first + at}`);
    if (events[at].envelope.agency !== events[0].envelope.agency) return failed(`${where} is by another agency`);
    if (index === undefined) return unchecked(`${where} has no index that its proof shows`, "unverifiable");
    if (index <= last) return failed(`${where} does not stand above the one before`);
    last = index;
  }
  return checked(`versions ${first} to ${file.version}`);
}

const NO_PUBLICATION = unchecked("a publication is withheld, or is not what it says", "unverifiable");

function texts(events, bodies) {
  if (bodies.length < events.length) return NO_PUBLICATION;
  const wrong = bodies.findIndex((body) => body.model_digest !== `blake3:${hex(blake3(utf8(body.definition)))}`);
  return wrong < 0 ? checked("each definition has the digest that was signed") : failed(`publication ${wrong + 1} of ${events.length} has another definition than was signed`);
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
    return isUnderOneTreeHead(events) ? checked(`${events.length} versions of ${file.model_id}`) : failed("the proofs stand under several tree heads");
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
