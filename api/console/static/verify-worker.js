// The verifier beside the page, so that the page stays awake while a long case is checked.
import { verifyFile } from "./vendor/verify.js";

addEventListener("message", ({ data: { number, bundle, trust } }) => {
  try {
    postMessage({ number, result: verifyFile(bundle, trust) });
  } catch (error) {
    postMessage({ number, refused: error.message });
  }
});
postMessage({ ready: true });
