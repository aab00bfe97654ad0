// Reads barcodes in pictures of the camera: of several in one picture, the one nearest to its middle.
import { prepareZXingModule, readBarcodes } from "../vendor/zxing-reader.js";

const FORMATS = ["QRCode", "DataMatrix", "Code128", "Code39"]; // of labels, papers and seal tags
const MOST = 8; // symbols looked for: a sheet of labels has more in sight than the one that is meant

function fromMiddle({ position: { topLeft, bottomRight } }, { width, height }) {
  return Math.hypot(topLeft.x + bottomRight.x - width, topLeft.y + bottomRight.y - height);
}

addEventListener("message", async ({ data: { wasmBinary, picture } }) => {
  if (wasmBinary) return prepareZXingModule({ overrides: { wasmBinary } });
  try {
    const symbols = await readBarcodes(picture, { formats: FORMATS, maxNumberOfSymbols: MOST, textMode: "Plain" });
    symbols.sort((symbol, next) => fromMiddle(symbol, picture) - fromMiddle(next, picture));
    return postMessage({ code: symbols[0]?.text.trim() || null });
  } catch (error) {
    return postMessage({ failure: String(error) }); // else the page would wait for this picture for ever
  }
});
