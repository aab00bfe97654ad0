// node scripts/verify/check.js BUNDLE --trust TRUST [--json]: exit codes 0 intact, 1 tampered, 2 usage, 3 unverifiable, 4 not yet anchored.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { EXIT, Refused, verifyFile } from "../../api/console/verify/verifier/verify.js";

function main() {
  const { values, positionals } = parseArgs({ options: { trust: { type: "string" }, json: { type: "boolean" } }, allowPositionals: true });
  if (positionals.length !== 1 || !values.trust) throw new Refused("usage: check.js BUNDLE --trust TRUST [--json]");
  const result = verifyFile(readFileSync(positionals[0]), readFileSync(values.trust));
  if (values.json) console.log(JSON.stringify(result, (_, value) => (typeof value === "bigint" ? Number(value) : value)));
  else {
    for (const { number, name, status, detail } of result.steps) {
      console.log(`${String(number).padStart(2)} ${name.padEnd(11)} ${status.padEnd(12)} ${detail}`);
    }
    console.log(`\nverdict: ${result.verdict}${result.development ? " (development)" : ""}`);
    for (const name of ["conformity", "completeness"]) console.log(`${name}: ${result[name].result} (${result[name].detail})`);
  }
  return EXIT[result.verdict];
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
