// An event as defined in docs/protocol/event.md: the draft's payload, its digest, the envelope, and the typed data to sign.
import { blake3 } from "../vendor/blake3.js";
import { canonical, hex, joined, utf8 } from "../vendor/forms.js";
import { sha256 } from "../vendor/sha2.js";

const string = (name) => ({ name, type: "string" });
const TYPES = {
  EIP712Domain: [string("name"), string("version"), { name: "salt", type: "bytes32" }],
  Event: [
    string("summary"), string("eventId"), string("eventType"), string("streamKind"), string("streamId"),
    { name: "sequence", type: "uint64" }, { name: "previous", type: "bytes32" }, string("agency"),
    { name: "payloadBlake3", type: "bytes32" }, { name: "signedAt", type: "uint64" }, { name: "signer", type: "address" },
  ],
};
const bytes32 = (digest) => (digest === null ? `0x${"0".repeat(64)}` : `0x${digest.split(":")[1]}`);

// Return the envelope that this key is to sign: the draft's, about this payload. Throws if the payload's text is not canonical.
export function envelopeOf(drafted, payload, keyId, signedAt) {
  if (canonical(JSON.parse(payload)) !== payload) throw new Error("the draft is not in canonical form");
  const { signature, ...place } = JSON.parse(drafted);
  return { ...place, key_id: keyId, payload_digest: `blake3:${hex(blake3(utf8(payload)))}`, signed_at: signedAt };
}

// Return the envelope, to follow what was signed before it in its stream. heads has the leaf hash by stream.
export function following(envelope, heads) {
  const head = heads.get(streamOf(envelope));
  return head ? { ...envelope, previous: head } : envelope;
}

// Note an envelope as the last one that was signed in its stream.
export function follow(envelope, signature, heads) {
  const entry = utf8(canonical({ ...envelope, signature: lowV(signature) }));
  heads.set(streamOf(envelope), `sha256:${hex(sha256(joined(LEAF, entry)))}`);
}

const LEAF = new Uint8Array([0]); // before an entry's bytes, RFC 6962 section 2.1
const streamOf = ({ stream }) => `${stream.kind}/${stream.id}`;

export function typedData(e, logId) {
  return {
    types: TYPES,
    primaryType: "Event",
    domain: { name: "Tallystick", version: "1", salt: logId },
    message: {
      summary: `${e.event_type} as entry ${e.sequence} of ${e.stream.kind} ${e.stream.id} for ${e.agency}`,
      eventId: e.event_id, eventType: e.event_type, streamKind: e.stream.kind, streamId: e.stream.id, sequence: e.sequence,
      previous: bytes32(e.previous), agency: e.agency, payloadBlake3: bytes32(e.payload_digest), signedAt: e.signed_at, signer: e.key_id,
    },
  };
}

// Return the canonical text of each confidential section, by its label.
export function textsOf(sections) {
  return Object.fromEntries(Object.entries(JSON.parse(sections)).map(([label, section]) => [label, canonical(section)]));
}

// Return the submission: the payload and the sections exactly as they were signed, with their envelope.
export function submissionOf(payload, envelope, signature, sections) {
  return `{"envelope":${canonical({ ...envelope, signature: lowV(signature) })},"payload":${payload},"sections":${sections}}`;
}

// Some wallets return 0 or 1 where others return 27 or 28.
function lowV(signature) {
  const v = parseInt(signature.slice(130), 16);
  return signature.slice(0, 130).toLowerCase() + (v < 27 ? v + 27 : v).toString(16);
}
