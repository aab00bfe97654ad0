// node scripts/verify/batch.js FILE: many checks in one process. FILE has lines {"trust", "bundle"}, both in base64; each is answered by
// a line [verdict, status of step 1, ...], or ["refused"] for what is no bundle.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { Refused, verifyFile } from "../../api/console/verify/verifier/verify.js";

function answer(line) {
  const { trust, bundle } = JSON.parse(line);
  try {
    const { verdict, steps } = verifyFile(Buffer.from(bundle, "base64"), Buffer.from(trust, "base64"));
    return [verdict, ...steps.map((step) => step.status)];
  } catch (error) {
    if (error instanceof Refused) return ["refused"];
    throw error;
  }
}

for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) console.log(JSON.stringify(answer(line)));
