// Says of files what kind the page takes them for, and of events whether a code on paper leads to them. Reads {files, codes} from its
// input; of a code, the address' end, what the verifier said of the events, and the ledger of the bundle.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const { root, files, codes } = JSON.parse(readFileSync(0, "utf8"));
globalThis.location = { hash: "" };
const says = Object.fromEntries(["found", "found_failed", "found_other", "not_found"].map((word) => [word, word]));
globalThis.document = { getElementById: () => ({ dataset: { words: JSON.stringify({ says }) } }), body: { dataset: {} }, documentElement: {} };
const { kindOf } = await import(join(root, "api/console/verify/attachment.js"));
const { compared } = await import(join(root, "api/console/verify/verify-code.js"));
const outcomes = codes.map(({ hash, events, log }) => {
  location.hash = hash;
  return compared(events, log);
});
console.log(JSON.stringify({ kinds: files.map((text) => kindOf(new TextEncoder().encode(text)).kind), outcomes }));
