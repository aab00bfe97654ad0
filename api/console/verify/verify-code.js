// The code on paper, #log=…&of=…&digest=…, which stays in the browser. It names what to look for.
import { say } from "./verify-words.js";

const FORMS = { log: /^0x[0-9a-f]{64}$/, of: /^[a-z0-9][a-z0-9-]{0,63}$/, digest: /^blake3:[0-9a-f]{64}$/ };
const EVENT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

// Return {log, of, digest}, null if the address has no code, or undefined if the code is not one of ours.
function read() {
  const text = location.hash.slice(1);
  if (!text.includes("=")) return null;
  const code = Object.fromEntries(new URLSearchParams(text));
  return Object.entries(FORMS).every(([name, form]) => form.test(code[name] ?? "")) ? code : undefined;
}

export function showCode() {
  const [part, code] = [document.getElementById("looked-for"), read()];
  part.hidden = code === null;
  const put = (name, text) => { part.querySelector(`[data-${name}]`).textContent = text; };
  for (const name of Object.keys(FORMS)) put(name, code?.[name] ?? "—");
  const isOurs = code?.log === document.body.dataset.logId;
  put("ledger", code === undefined ? say("bad_code") : code === null || isOurs ? "" : say("another_ledger", { log: code.log }));
  put("command", !code ? "tally proof get" : EVENT.test(code.of) ? `tally proof get ${code.of}` : `tally proof get --case ${code.of}`);
}

// Return in words whether a bundle of this ledger is the one on the paper, and its event, or nothing without a code. Only a signed and
// logged event is, which the code names with its digest: two events may have one payload.
export function compared(results, logId) {
  const code = read();
  if (!code) return null;
  const same = results.filter(({ envelope }) => envelope.payload_digest === code.digest);
  const isNamed = ({ envelope: { event_id: event, stream } }) => logId === code.log && (event === code.of || (stream.kind === "case" && stream.id === code.of));
  const named = same.filter(isNamed);
  const isFound = named.some(({ verdict }) => ["intact", "not_yet_anchored"].includes(verdict));
  if (isFound || named.length || !same.length) return { isFound, event: isFound ? named[0] : null, text: say(isFound ? "found" : named.length ? "found_failed" : "not_found", code) };
  const [{ envelope: { event_id: event, stream } }] = same;
  return { isFound, text: say("found_other", { event, stream: stream.id, log: logId }) };
}
