// Reads the attachments of a PDF file such as a certificate, for people without a PDF reader that can.
const STREAM = /\/Type\s*\/EmbeddedFile\b(?!s)[\s\S]{0,1000}?>>\s*stream\r?\n/g;

// Yield the bytes of each attachment. Skips those larger than `largest` or compressed in another way.
export async function* attachments(bytes, largest) {
  const text = new TextDecoder("latin1").decode(bytes); // one character a byte
  for (const match of text.matchAll(STREAM)) {
    const start = match.index + match[0].length;
    const dictionary = text.slice(text.lastIndexOf(" obj", match.index), start);
    const length = /\/Length\s+(\d+)(?!\s+\d+\s+R)/.exec(dictionary)?.[1];
    const packed = dictionary.includes("/Filter");
    if (length === undefined || (packed && !/\/Filter\s*\[?\s*\/FlateDecode\s*\]?/.test(dictionary))) continue;
    const stream = bytes.subarray(start, start + Number(length));
    const plain = packed ? await inflated(stream, largest) : stream;
    if (plain && plain.length <= largest) yield plain;
  }
}

// Return nothing if the data is broken or expands beyond `largest` bytes.
async function inflated(stream, largest) {
  const parts = [];
  let size = 0;
  try {
    for (const reader = new Blob([stream]).stream().pipeThrough(new DecompressionStream("deflate")).getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
      size += value.length;
      if (size > largest) return await reader.cancel();
      parts.push(value);
    }
  } catch {
    return undefined;
  }
}

// Return what a file is by its own format, which what was signed in it cannot change: "trust", "bundle" or "file"; with its text, and
// what that says as JSON, if it does. A broken file that has the format of one of ours is left to the verifier to refuse as a bundle,
// but not a PDF, to which one may be attached as it is.
export function kindOf(bytes) {
  const text = new TextDecoder().decode(bytes);
  try {
    const document = JSON.parse(text) ?? {};
    const [, kind] = /^tallystick\/(trust|bundle)@v[0-9]+$/.exec(document.format) ?? [];
    return { kind: kind ?? "file", text, document };
  } catch {
    return { kind: !text.startsWith("%PDF-") && /"format"\s*:\s*"tallystick\/(trust|bundle)@v[0-9]+"/.test(text) ? "bundle" : "file", text, document: {} };
  }
}
