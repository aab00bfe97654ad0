// Runs the verifier in a worker, so that the page stays responsive while a long case is checked.
import { verifyFile } from "../vendor/verify.js";

addEventListener("message", ({ data: { number, bundle, trust } }) => {
  const told = (done, of) => postMessage({ number, done, of });
  try {
    postMessage({ number, result: verifyFile(bundle, trust, told) });
  } catch (error) {
    postMessage({ number, refused: error.detail ?? { id: error.message, slots: {} } });
  }
});
postMessage({ ready: true });
