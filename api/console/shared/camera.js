// The camera in a scanner's place: what it reads goes into the field that a scanner would type into.
const SAME_AGAIN_MS = 2_500; // a code that stays before the camera counts once
const PAUSE_MS = 120; // between two pictures, so that the phone stays cool
const ENDED_TRACK = "ended";

let reading = null; // the worker, and the camera that runs

// Return the worker, which is given the reader's code since it may fetch nothing itself.
async function startWorker() {
  const wasm = fetch(new URL("../vendor/zxing_reader.wasm", import.meta.url)).then((answer) => answer.arrayBuffer());
  const worker = new Worker(new URL("./scan-worker.js", import.meta.url), { type: "module" });
  const wasmBinary = await wasm;
  worker.postMessage({ wasmBinary }, [wasmBinary]);
  return worker;
}

function read(worker, picture) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data: { code, failure } }) => (failure ? reject(new Error(failure)) : resolve(code));
    worker.onerror = reject;
    worker.postMessage({ picture }, [picture.data.buffer]);
  });
}

// Tell by sound and vibration what came of a scan: whoever scans looks at the thing, not at the screen.
function signal(sound, isFound) {
  navigator.vibrate?.(isFound ? 80 : [80, 80, 240]);
  const [tone, now] = [sound.createOscillator(), sound.currentTime];
  tone.frequency.value = isFound ? 1_320 : 220;
  tone.connect(sound.destination);
  tone.start(now);
  tone.stop(now + (isFound ? 0.09 : 0.35));
}

function refusedWords({ dataset }, { name }) {
  if (name === "NotAllowedError" || name === "SecurityError") return dataset.denied;
  if (name === "NotFoundError" || name === "OverconstrainedError") return dataset.missing;
  return name === "NotReadableError" || name === "AbortError" ? dataset.occupied : dataset.failed;
}

function stop(running = reading) {
  if (!running) return;
  if (reading === running) reading = null;
  const { panel, stream, worker, sound, light } = running;
  for (const track of stream?.getTracks() ?? []) track.stop();
  worker?.terminate();
  if (sound.state !== "closed") sound.close();
  light?.remove();
  panel.querySelector(".sight").hidden = true;
  panel.querySelector("[data-start]").hidden = false;
}

// Add the button of the torch where the camera has one.
function addTorch(panel, track) {
  if (!track.getCapabilities?.().torch) return null;
  const button = Object.assign(document.createElement("button"), { type: "button", className: "second", textContent: panel.dataset.torch });
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", async () => {
    const torch = button.getAttribute("aria-pressed") === "false";
    await track.applyConstraints({ advanced: [{ torch }] });
    button.setAttribute("aria-pressed", torch);
  });
  panel.querySelector("[data-stop]").before(button);
  return button;
}

// Return the code, or of a paper's link to its proof what the paper is of.
const named = (code) => (code.includes("#") && new URLSearchParams(code.split("#")[1]).get("of")) || code;

// Give the code to whoever listens to scans of this field, who tells what came of it; else send the field's form.
async function give(field, code) {
  field.value = named(code);
  let outcome = true; // or its promise
  const scanned = new CustomEvent("scanned", { bubbles: true, cancelable: true, detail: { tell: (promised) => (outcome = promised) } });
  if (field.dispatchEvent(scanned)) field.form.requestSubmit();
  return outcome;
}

async function watch(panel, { stream, worker, sound }) {
  const [video, canvas] = [panel.querySelector("video"), document.createElement("canvas")];
  const field = document.getElementById(panel.dataset.camera);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const [track] = stream.getVideoTracks();
  const last = { code: null, at: -Infinity };
  while (reading?.stream === stream && track.readyState !== ENDED_TRACK) {
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    pen.drawImage(video, 0, 0);
    const code = await read(worker, pen.getImageData(0, 0, canvas.width, canvas.height));
    const now = performance.now();
    if (code && (code !== last.code || now - last.at > SAME_AGAIN_MS)) signal(sound, await give(field, code));
    if (code) Object.assign(last, { code, at: now });
    await new Promise((next) => setTimeout(next, PAUSE_MS));
  }
}

async function start(panel) {
  stop();
  const status = panel.querySelector(".camera-status");
  if (!isSecureContext || !navigator.mediaDevices?.getUserMedia) {
    status.textContent = panel.dataset.insecure;
    return;
  }
  status.textContent = panel.dataset.starting;
  const running = { panel, sound: new AudioContext() };
  reading = running;
  try {
    const video = { facingMode: "environment", width: { ideal: 1_280 }, height: { ideal: 720 } };
    running.stream = await navigator.mediaDevices.getUserMedia({ video });
    running.worker = await startWorker();
    if (reading !== running) return stop(running);
    const place = panel.querySelector("video");
    place.srcObject = running.stream;
    panel.querySelector("[data-start]").hidden = true;
    panel.querySelector(".sight").hidden = false;
    await place.play();
    running.light = addTorch(panel, running.stream.getVideoTracks()[0]);
    status.textContent = panel.dataset.aim;
    await watch(panel, running);
  } catch (error) {
    if (reading === running) status.textContent = refusedWords(panel, error);
    stop(running);
  }
}

document.addEventListener("click", ({ target }) => {
  const panel = target.closest("[data-camera]");
  if (!panel) return;
  if (target.closest("[data-start]")) return start(panel);
  if (!target.closest("[data-stop]")) return;
  stop();
  panel.querySelector(".camera-status").textContent = "";
});
// A page that nobody sees must not film.
document.addEventListener("visibilitychange", () => document.hidden && stop());
addEventListener("pagehide", () => stop());
