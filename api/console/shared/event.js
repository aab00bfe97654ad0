// An event as defined in docs/protocol/event.md: the draft's payload, its digest, the envelope, and the typed data to sign.
import { blake3 } from "../vendor/blake3.js";
import { canonical, hex, utf8 } from "../vendor/forms.js";

const SHARED = ["version", "event_id", "event_type", "stream", "sequence", "previous", "agency"];
const string = (name) => ({ name, type: "string" });
const TYPES = {
  EIP712Domain: [string("name"), string("version"), { name: "salt", type: "bytes32" }],
  Event: [
    string("summary"), string("eventId"), string("eventType"), string("streamKind"), string("streamId"),
    { name: "sequence", type: "uint64" }, { name: "previous", type: "bytes32" }, string("agency"),
    { name: "payloadBlake3", type: "bytes32" }, { name: "signedAt", type: "uint64" }, { name: "signer", type: "address" },
  ],
};
const bytes32 = (digest) => (digest === null ? `0x${"0".repeat(64)}` : `0x${digest.slice("blake3:".length)}`);

// Return the unsigned envelope of a payload's canonical text. Throws if the text is not canonical.
export function envelopeOf(text, keyId, signedAt) {
  const payload = JSON.parse(text);
  if (canonical(payload) !== text) throw new Error("the draft is not in canonical form");
  const shared = Object.fromEntries(SHARED.map((name) => [name, payload[name]]));
  return { ...shared, key_id: keyId, payload_digest: `blake3:${hex(blake3(utf8(text)))}`, signed_at: signedAt };
}

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

// Return the submission: the text exactly as it was signed, with its envelope.
export function submissionOf(text, envelope, signature) {
  return `{"envelope":${canonical({ ...envelope, signature: lowV(signature) })},"payload":${text},"sections":{}}`;
}

// Some wallets return 0 or 1 where others return 27 or 28.
function lowV(signature) {
  const v = parseInt(signature.slice(130), 16);
  return signature.slice(0, 130).toLowerCase() + (v < 27 ? v + 27 : v).toString(16);
}
