// The verifier beside the page, so that the page stays awake while a long case is checked.
import { verifyFile } from "./vendor/verify.js";

addEventListener("message", ({ data: { number, bundle, trust } }) => {
  const told = (done, of) => postMessage({ number, done, of });
  try {
    postMessage({ number, result: verifyFile(bundle, trust, told) });
  } catch (error) {
    postMessage({ number, refused: error.message });
  }
});
postMessage({ ready: true });
