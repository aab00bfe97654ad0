// Runs the verifier in a worker, so that the page stays responsive while a long case is checked.
import { verifyFile } from "../vendor/verify.js";

addEventListener("message", ({ data: { number, bundle, trust } }) => {
  const progress = (done, of) => postMessage({ number, done, of });
  try {
    postMessage({ number, result: verifyFile(bundle, trust, progress) });
  } catch (error) {
    postMessage({ number, refused: error.detail ?? { id: error.message, slots: {} } });
  }
});
postMessage({ ready: true });
