// Runs the verifier in a context that has the globals of a page and none of Node's; prints the verdict of the example.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import vm from "node:vm";

const root = process.argv[2];
const context = vm.createContext({ TextEncoder, TextDecoder, atob, btoa, crypto });
const loaded = new Map();

function load(path) {
  if (!loaded.has(path)) loaded.set(path, new vm.SourceTextModule(readFileSync(path, "utf8"), { context, identifier: path }));
  return loaded.get(path);
}

const link = (name, from) => load(name.startsWith("@") ? fileURLToPath(import.meta.resolve(name)) : join(from.identifier, "..", name));
const verifier = load(join(root, "api/console/verify/verifier/verify.js"));
await verifier.link(link);
await verifier.evaluate();
const file = (name) => readFileSync(join(root, "docs/examples", name));
console.log(verifier.namespace.verifyFile(file("bundle.json"), file("trust.json")).verdict);
