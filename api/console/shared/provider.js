// EIP-1193 providers: the signer on this computer, or a wallet in the browser. Both sign, but they show different things.
const TOKEN = "tallystick-signer-token"; // pairs this browser with the signer; worth nothing once the signer ends
const CHOICE = "tallystick-provider";

export const DECLINED = 4001;
export const UNANSWERED = "not_answered"; // the signer's own code beside it: nobody said no
export const UNPAIRED = 4100;
export const BUSY = -32002;
export const NO_WALLET = "no_wallet";
export const OTHER_ACCOUNT = "other_account";

class ProviderError extends Error {
  constructor({ code, message, data }) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

// The signer at a loopback address. request() is that of EIP-1193; a call waits until the officer has answered.
export class SignerProvider {
  isSigner = true;

  constructor(url) {
    this.url = url;
  }

  async request({ method, params = [] }) {
    const token = localStorage.getItem(TOKEN) ?? "";
    const { result, error } = await this.#post("/rpc", { jsonrpc: "2.0", id: 1, method, params }, token);
    if (error) throw new ProviderError(error);
    return result;
  }

  async pair(code) {
    const { token, error } = await this.#post("/pair", { code });
    if (error) throw new ProviderError(error);
    localStorage.setItem(TOKEN, token);
  }

  async #post(path, body, token) {
    const headers = { "content-type": "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) };
    const answer = await fetch(this.url + path, { method: "POST", headers, body: JSON.stringify(body), credentials: "omit" });
    return answer.json();
  }
}

export const wallet = () => window.ethereum;

export function remember(provider) {
  localStorage.setItem(CHOICE, provider.isSigner ? "signer" : "wallet");
}

// Return the provider that the officer signed in with. Throws if that was a wallet which this browser no longer has.
export function chosen() {
  if (localStorage.getItem(CHOICE) !== "wallet") return new SignerProvider(document.body.dataset.signer);
  if (wallet()) return wallet();
  throw new ProviderError({ code: NO_WALLET, message: "this browser has no wallet" });
}

// Sign a list of events, each [typed data, what it discloses], by one consent at the signer. Returns the signatures.
export function signTogether(provider, keyId, documents) {
  return provider.request({ method: "tallystick_signEvents", params: [keyId, documents] });
}

// Sign with the session's key. A wallet lists accounts in any order, and its user may have switched accounts since signing in.
export async function signTyped(provider, keyId, data, beside) {
  if (provider.isSigner) return provider.request({ method: "eth_signTypedData_v4", params: [keyId, data, beside] });
  const accounts = await provider.request({ method: "eth_requestAccounts" });
  const account = accounts.find((each) => each.toLowerCase() === keyId);
  if (!account) throw new ProviderError({ code: OTHER_ACCOUNT, message: `the wallet is at ${accounts[0] ?? "no account"}` });
  return provider.request({ method: "eth_signTypedData_v4", params: [account, data] });
}
