// The two files of a verification (docs/protocol/trust-file.md, bundle.md): their types and rules. Any other bytes are refused.
import {
  canonical, hex, integer, isBytes32, isDistinct, isEnvelope, isHash, isKeyId, isLabel, isLine, isPayload, isPositive, isSafeInt, isSection, isStream,
  isSuite, like, listOf, mapOf, oneOf, parseCanonical, refuse, same, struct, text, utf8,
} from "./forms.js";
import * as log from "./log.js";
import { sha256 } from "@noble/hashes/sha2.js";

const [LARGEST_BUNDLE, LARGEST_TRUST] = [64 * 1024 * 1024, 16 * 1024 * 1024]; // bytes
const LONGEST_ENTRY = 65535; // bytes
const LONGEST_NOTE = 262144; // characters, of a policy too
const MOST = 16; // of most lists
const isText = text(Infinity);
const isNote = text(LONGEST_NOTE);
const HISTORY = { chain_id: isSafeInt, deployment_block_number: isSafeInt, deployment_block_hash: isBytes32 };
const isFinality = (value) => oneOf("safe", "finalized")(value) || integer(0, 10000)(value);

const isTrust = struct({
  format: oneOf("tallystick/trust@v1"), log_id: isBytes32, origin: isLine, log_key: isText, service_key_id: isKeyId, witness_policy: isNote,
  development: oneOf(true, false), chains: listOf(struct({
    ...HISTORY, registry: isKeyId, anchor: isKeyId, registry_code_hash: isBytes32, anchor_code_hash: isBytes32, finality: isFinality,
    "trusted_blocks?": listOf(struct({ number: isSafeInt, hash: isBytes32 }), 1024),
  }), 64),
  suites: listOf(isSuite, MOST, 1), "timestamp_roots?": listOf((value) => text(16384, 1)(value) && log.base64(value), MOST),
  "earlier_log_keys?": listOf(struct({ key: isText, until: isSafeInt }), MOST), "earlier_service_keys?": listOf(struct({ key_id: isKeyId, until: isSafeInt }), MOST),
});

// A later version is no fault of the file's.
function requireRelease(file) {
  const format = file?.format;
  if (/^tallystick\/(?:bundle|trust)@v(?!1$)[1-9][0-9]*$/.test(format)) refuse("of a newer release, whose format is {format}: take a newer verifier", { format });
}

const rise = (numbers, least = 1) => numbers.every((number, at) => at === 0 || number - numbers[at - 1] >= least);

export function readTrust(bytes) {
  const file = parseCanonical(bytes, LARGEST_TRUST);
  requireRelease(file);
  if (!isTrust(file)) refuse("no trust file");
  const trust = { earlier_log_keys: [], earlier_service_keys: [], ...file };
  const untils = (keys) => keys.map(({ until }) => until);
  if (!rise(trust.suites) || !rise(untils(trust.earlier_log_keys), 0) || !rise(untils(trust.earlier_service_keys))) refuse("suites or earlier keys are out of order");
  const logKeys = [{ key: trust.log_key, until: Infinity }, ...trust.earlier_log_keys].map(({ key, until }) => ({ ...log.logKey(key), until }));
  const policy = log.parsePolicy(trust.witness_policy);
  log.requireDistinct([...logKeys, ...policy.witnesses]);
  const own = [trust.service_key_id, ...trust.earlier_service_keys.map((key) => key.key_id)];
  if (!trust.chains.every(({ registry, anchor }) => isDistinct([registry, anchor, ...own])) || !isDistinct(own)) refuse("an address has two roles");
  if (!isDistinct(trust.chains.map((chain) => [...Object.keys(HISTORY), "anchor"].map((name) => chain[name]).join()))) refuse("a chain stands twice with the same anchor");
  if (logKeys.some(({ name }) => name !== trust.origin)) refuse("the log's key is not named by the origin");
  if (policy.logs.length && !policy.logs.some(({ name, key }) => name === trust.origin && same(key, logKeys[0].key))) refuse("the policy is of other logs");
  if (policy.quorum === null && !trust.development) refuse("a quorum of none is for development only");
  const blocks = file.chains.flatMap(({ chain_id: id, trusted_blocks: named = [] }) => named.map(({ number, hash }) => `${id} ${number} ${hash}`));
  return { ...trust, logKeys, policy, blocks, digest: `sha256:${hex(sha256(utf8(canonical(unblocked(file)))))}` };
}

// What publishers of a trust file compare: trusted blocks are each reader's own.
const unblocked = (file) => ({ ...file, chains: file.chains.map(({ trusted_blocks: _, ...chain }) => chain) });

// The ledger's own key at an index: an earlier one below its `until`.
export const serviceKeyAt = (trust, index) => trust.earlier_service_keys.find(({ until }) => index < until)?.key_id ?? trust.service_key_id;

const isHex = (most) => (value) => text(2 + 2 * most)(value) && /^0x(?:[0-9a-f]{2})*$/.test(value);
const isBundle = struct({
  format: oneOf("tallystick/bundle@v1"), log_id: isBytes32, "event?": isSafeInt, "stream?": isStream, "absent?": isStream, note: isNote,
  entries: listOf(struct({ index: isSafeInt, envelope: isEnvelope, "payload?": isPayload, "sections?": mapOf(isLabel, isSection) }), Infinity, 1),
  "nodes?": mapOf(like(/^(?:0|[1-9][0-9]?)\/(?:0|[1-9][0-9]{0,15})$/), isHash),
  "map?": struct({ index: isSafeInt, "siblings?": listOf(isHash, 256), "leaf?": struct({ key: isBytes32, count: isPositive, head: isBytes32 }) }),
  "anchor?": struct({
    chain: struct(HISTORY), contract: isKeyId, number: isPositive, header: isHex(16384), state: listOf(isHex(1024)), "block_note?": isNote,
    "revocations?": mapOf(isKeyId, isPositive),
  }),
  "timestamps?": listOf(struct({ size: isSafeInt, root: isHash, "consistency?": listOf(isHash, 64), response: isText }), MOST),
});

// The bundle, with its subjects, the entries that it is about, and the commitment, the entry of its head map.
export function readBundle(bytes) {
  const file = parseCanonical(bytes, LARGEST_BUNDLE);
  requireRelease(file);
  if (!isBundle(file) || !rise(file.entries.map(({ index }) => index))) refuse("no bundle");
  const { event, stream, absent, map, entries } = file;
  const about = canonical(stream ?? absent ?? {});
  const isSubject = event === undefined ? ({ envelope }) => canonical(envelope.stream) === about : ({ index }) => index === event;
  const [subjects, commitment] = [entries.filter(isSubject), entries.find(({ index }) => index === map?.index)];
  const keepsRules = [event, stream, absent].filter((subject) => subject !== undefined).length === 1 && !(map && event !== undefined) && !(absent && !map)
    && Boolean(map) === Boolean(commitment) && Boolean(absent) === (subjects.length === 0)
    && entries.every((entry) => !entry.sections || (entry.payload && isSubject(entry))) && entries.every(({ envelope }) => utf8(canonical(envelope)).length <= LONGEST_ENTRY);
  return keepsRules ? { nodes: {}, timestamps: [], ...file, subjects, commitment } : refuse("no bundle");
}
