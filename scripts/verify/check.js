// node scripts/verify/check.js BUNDLE --trust TRUST [--json]: exit codes 0 intact, 1 tampered, 2 usage, 3 unverifiable, 4 not yet anchored,
// 6 intact, but events of the stream are left out, 8 of another ledger than the trust file.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readTrust } from "../../api/console/verify/verifier/files.js";
import { Refused, verifyFile } from "../../api/console/verify/verifier/verify.js";

const USAGE = "usage: check.js BUNDLE --trust TRUST [--json]";

const EXIT = { intact: 0, tampered: 1, other_ledger: 8, unverifiable: 3, not_yet_anchored: 4 };
const INCOMPLETE = 6;

const LAST = 253402300799; // unix seconds of the last moment with four digits for its year

// A reason in English, which its id is, with slots.
function english({ id, slots }) {
  if (slots.seconds <= LAST) return new Date(Number(slots.seconds) * 1000).toISOString().replace(".000", "");
  return id.replace(/{(\w+)}/g, (_, slot) => (slots[slot].slots ? english(slots[slot]) : slots[slot]));
}

const plain = (key, value) => (typeof value === "bigint" ? Number(value) : key === "detail" && value.slots ? english(value) : value);

// Of two files, an error names the one that it is of.
function naming(file, read) {
  try {
    return read();
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Refused ? english(error.detail) : error.message}`);
  }
}

function main() {
  const options = { trust: { type: "string" }, json: { type: "boolean" }, help: { type: "boolean" } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.help) return console.log(USAGE);
  if (positionals.length !== 1 || !values.trust) throw new Error(USAGE);
  const trust = naming(values.trust, () => readFileSync(values.trust));
  naming(values.trust, () => readTrust(trust));
  const result = naming(positionals[0], () => verifyFile(readFileSync(positionals[0]), trust));
  if (values.json) console.log(JSON.stringify(result, plain));
  else {
    for (const { number, name, status, detail } of result.steps) {
      console.log(`${String(number).padStart(2)} ${name.padEnd(11)} ${status.padEnd(12)} ${english(detail)}`);
    }
    for (const { envelope, steps } of result.events ?? []) {
      const { status, detail } = steps.find(({ name }) => name === "sections");
      if (status !== "checked") console.log(`   sections of event ${envelope.sequence}: ${english(detail)}`);
    }
    console.log(`\ntrust file (SHA-256 without trusted blocks): ${result.trust_digest}`);
    if (result.trusted_blocks.length) console.log(`blocks that it names, which this digest does not cover (chain, number, hash): ${result.trusted_blocks.join(", ")}`);
    console.log(`verdict: ${result.verdict}${result.development ? " (development)" : ""}`);
    for (const name of ["conformity", "completeness"]) console.log(`${name}: ${result[name].result} (${english(result[name].detail)})`);
  }
  return result.verdict === "intact" && result.completeness.result === "contradicted" ? INCOMPLETE : EXIT[result.verdict];
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
