"use strict";
// Checks a receipt as docs/formats/receipt.md says, with nothing but the browser's own cryptography.
// The same code runs in Node, where the tests hold it against the vectors in conformance/receipt.

const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE = "https://twinkeep.local/receipt/v1";
const PROOF_MAGIC = "c2sp.org/tlog-proof@v1";
const DEPTH_MAX = 32;

/** Why a receipt does not hold: `code` is the one that the program gives. */
class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// --- JSON, read strictly: a field that comes twice is refused, as two readers may see two things.

/** Reads JSON into maps, arrays, strings, numbers, booleans, and null. */
function readJson(text) {
  let at = 0;
  const fail = () => { throw new Refusal("receipt-malformed", "the file is not JSON that can be read in one way only"); };
  const space = () => { while (at < text.length && " \t\n\r".includes(text[at])) at++; };
  const take = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) fail();
    at = pattern.lastIndex;
    return found[0];
  };
  const string = () => {
    const value = JSON.parse(take(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y));
    if (/\p{Surrogate}/u.test(value)) fail();
    return value;
  };
  const list = (close, item) => {
    at++;
    space();
    if (text[at] === close) { at++; return; }
    for (;;) {
      item();
      space();
      const next = text[at++];
      if (next === close) return;
      if (next !== ",") fail();
      space();
    }
  };
  const value = (depth) => {
    if (DEPTH_MAX < depth) fail();
    space();
    const first = text[at];
    if (first === "{") {
      const fields = new Map();
      list("}", () => {
        if (text[at] !== '"') fail();
        const name = string();
        if (fields.has(name)) fail();
        space();
        if (text[at++] !== ":") fail();
        fields.set(name, value(depth + 1));
      });
      return fields;
    }
    if (first === "[") {
      const items = [];
      list("]", () => items.push(value(depth + 1)));
      return items;
    }
    if (first === '"') return string();
    const word = take(/true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y);
    if (word === "true") return true;
    if (word === "false") return false;
    if (word === "null") return null;
    const number = Number(word);
    if (!Number.isFinite(number)) fail();
    return number;
  };
  const result = value(0);
  space();
  if (at !== text.length) fail();
  return result;
}

/** Writes what `readJson` read in its canonical form (RFC 8785), without a field of the outermost. */
function canonical(value, without) {
  if (value instanceof Map) {
    const names = [...value.keys()].filter((name) => name !== without).sort();
    return "{" + names.map((name) => JSON.stringify(name) + ":" + canonical(value.get(name))).join(",") + "}";
  }
  if (Array.isArray(value)) return "[" + value.map((item) => canonical(item)).join(",") + "]";
  return JSON.stringify(value);
}

/** Returns the fields, if an object has these and, but for optional ones, no others. */
function fields(value, names, optional = []) {
  if (!(value instanceof Map)) return null;
  const known = [...names, ...optional];
  if (![...value.keys()].every((name) => known.includes(name))) return null;
  if (!names.every((name) => value.has(name))) return null;
  return Object.fromEntries(value);
}

// --- Bytes.

const utf8 = (text) => new TextEncoder().encode(text);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const join = (...parts) => Uint8Array.from(parts.flatMap((part) => Array.from(part)));
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

function base64(text) {
  try {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    // One spelling only.
    return typeof text === "string" && btoa(String.fromCharCode(...bytes)) === text ? bytes : null;
  } catch {
    return null;
  }
}

/** Reads a public key: `public/ledger.pub`, or a verifier key with its name (C2SP signed-note). */
async function readKey(text) {
  const wrong = () => new Refusal("ledger-key", "this is not the public key of a ledger");
  const trimmed = text.trim();
  if (/^[0-9a-fA-F]{64}$/.test(trimmed)) {
    return { origin: null, bytes: Uint8Array.from(trimmed.match(/../g), (pair) => parseInt(pair, 16)) };
  }
  const parts = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(trimmed);
  const key = parts && base64(parts[3]);
  if (!key || key.length !== 33 || key[0] !== 1) throw wrong();
  if (hex(await keyId(parts[1], key.slice(1))) !== parts[2]) throw wrong();
  return { origin: parts[1], bytes: key.slice(1) };
}

async function keyId(name, key) {
  return (await sha256(join(utf8(name), [10, 1], key))).slice(0, 4);
}

async function signed(key, message, signature) {
  if (!signature || signature.length !== 64) return false;
  const imported = await crypto.subtle.importKey("raw", key.bytes, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", imported, signature, message);
}

// --- The ledger: tlog-proof, checkpoint, inclusion (RFC 9162, 2.1.3.2).

function decimal(text) {
  return /^(0|[1-9][0-9]{0,18})$/.test(text) ? BigInt(text) : null;
}

function readProof(text) {
  const cut = text.indexOf("\n\n");
  if (cut < 0) return null;
  const lines = text.slice(0, cut).split("\n");
  const note = text.slice(cut + 2);
  if (lines[0] !== PROOF_MAGIC || !lines[1]?.startsWith("extra ") || !lines[2]?.startsWith("index ")) return null;
  const entry = base64(lines[1].slice(6));
  const index = decimal(lines[2].slice(6));
  const hashes = lines.slice(3).map(base64);
  if (!entry || index === null || !hashes.every((hash) => hash && hash.length === 32)) return null;
  return { entry, index, hashes, note };
}

/** Returns size and root of a checkpoint that the key signed for `origin`. */
async function readCheckpoint(note, origin, key) {
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0 || !note.endsWith("\n")) return null;
  const text = note.slice(0, cut + 1);
  const [name, sizeText, rootText] = text.split("\n");
  const size = decimal(sizeText ?? "");
  const root = base64(rootText ?? "");
  if (name !== origin || size === null || !root || root.length !== 32) return null;
  const wanted = hex(await keyId(origin, key.bytes));
  let held = false;
  for (const line of note.slice(cut + 2, -1).split("\n")) {
    const parts = /^\u2014 (\S+) (\S+)$/.exec(line);
    const bytes = parts && base64(parts[2]);
    if (!bytes || bytes.length < 4) return null;
    if (parts[1] !== origin || hex(bytes.slice(0, 4)) !== wanted) continue;
    if (!(await signed(key, utf8(text), bytes.slice(4)))) return null;
    held = true;
  }
  return held ? { size, root } : null;
}

async function included(proof, state) {
  if (state.size <= proof.index) return false;
  let [node, last] = [proof.index, state.size - 1n];
  let hash = await sha256(join([0], proof.entry));
  for (const sibling of proof.hashes) {
    if (last === 0n) return false;
    if ((node & 1n) === 1n || node === last) {
      hash = await sha256(join([1], sibling, hash));
      while ((node & 1n) === 0n && node !== 0n) { node >>= 1n; last >>= 1n; }
    } else {
      hash = await sha256(join([1], hash, sibling));
    }
    node >>= 1n;
    last >>= 1n;
  }
  return last === 0n && hex(hash) === hex(state.root);
}

// --- The receipt.

async function openEnvelope(envelope, key) {
  const outer = fields(envelope, ["payloadType", "payload", "signatures"]);
  const [only, ...others] = Array.isArray(outer?.signatures) ? outer.signatures : [];
  const signature = fields(only, ["keyid", "sig"]);
  const payload = outer && base64(outer.payload);
  if (!payload || !signature || others.length || outer.payloadType !== PAYLOAD_TYPE) return null;
  const head = utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `);
  return (await signed(key, join(head, payload), base64(signature.sig))) ? payload : null;
}

function readStatement(payload, key) {
  const whole = fields(readJson(new TextDecoder("utf-8", { fatal: true }).decode(payload)), ["_type", "subject", "predicateType", "predicate"]);
  const [only, ...others] = Array.isArray(whole?.subject) ? whole.subject : [];
  const output = fields(only, ["name", "digest"]);
  const digest = fields(output?.digest, ["sha256"]);
  const predicate = fields(whole?.predicate, ["keep", "time", "action", "model", "data", "input", "decision"], ["person"]);
  const model = fields(predicate?.model, ["version", "digest"]);
  const modelDigest = fields(model?.digest, ["sha256"]);
  const data = fields(predicate?.data, ["training_record", "store_epoch"]);
  const input = fields(predicate?.input, ["hmac_sha256"]);
  const decision = fields(predicate?.decision, ["result", "caller", "scope"]);
  const ours = whole && !others.length && digest && modelDigest && fields(data?.training_record, ["sha256"]) && input && decision
    && whole._type === STATEMENT_TYPE && whole.predicateType === PREDICATE_TYPE
    && output.name === "answer" && decision.result === "permit"
    && (key.origin === null || key.origin === predicate.keep);
  return ours ? { ...predicate, model: model.version, modelSha256: modelDigest.sha256, decision, answerSha256: digest.sha256 } : null;
}

async function entryBelongs(bytes, payload, statement) {
  const entry = readJson(new TextDecoder().decode(bytes));
  const at = (...path) => path.reduce((value, name) => (value instanceof Map ? value.get(name) : undefined), entry);
  const time = at("time");
  const seconds = new Date(Math.floor(time / 1000) * 1000).toISOString().replace(".000Z", "Z");
  return at("unmapped", "details", "receipt") === hex(await sha256(payload))
    && at("status_id") === 1
    && at("metadata", "event_code") === statement.action
    && at("actor", "user", "uid") === statement.decision.caller
    && at("unmapped", "subject") === statement.person
    && seconds === statement.time;
}

/** Checks a receipt, or an answer with one inside; `answerText` is the answer where it is apart. */
async function verifyReceipt(text, keyText, answerText) {
  const key = await readKey(keyText);
  const file = readJson(text);
  const inside = file instanceof Map && !file.has("statement") && file.has("receipt");
  const receipt = fields(inside ? file.get("receipt") : file, ["version", "statement", "proof"], ["opening"]);
  if (!receipt || receipt.version !== 1 || typeof receipt.proof !== "string") {
    throw new Refusal("receipt-malformed", "this is not a receipt");
  }
  const payload = await openEnvelope(receipt.statement, key);
  if (!payload) throw new Refusal("receipt-signature", "this key did not sign it: it was changed, or it is of another keep");
  const statement = readStatement(payload, key);
  if (!statement) throw new Refusal("receipt-statement", "it states something else than an answer of this keep");
  const proof = readProof(receipt.proof);
  const state = proof && (await readCheckpoint(proof.note, statement.keep, key));
  if (!state || !(await included(proof, state))) {
    throw new Refusal("receipt-proof", "the ledger of this keep does not hold its entry");
  }
  if (!(await entryBelongs(proof.entry, payload, statement))) {
    throw new Refusal("receipt-entry", "its audit entry is of something else");
  }
  const answer = answerText ? readJson(answerText) : inside ? file : null;
  if (answer !== null) {
    const digest = hex(await sha256(utf8(canonical(answer, "receipt"))));
    if (digest !== statement.answerSha256) throw new Refusal("receipt-answer", "the answer is another one: at least one digit was changed");
  }
  return { ...statement, index: proof.index, size: state.size, answerChecked: answer !== null };
}

// --- The page.

function show(place, title, rows) {
  place.replaceChildren();
  const heading = document.createElement("h2");
  heading.textContent = title;
  const list = document.createElement("dl");
  for (const [name, value] of rows) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = String(value);
    list.append(term, text);
  }
  place.append(heading, list);
}

async function check(form, place) {
  const text = async (name) => (form.elements[name].files[0] ? form.elements[name].files[0].text() : "");
  try {
    const held = await verifyReceipt(await text("receipt"), form.elements.key.value, await text("answer"));
    place.className = "holds";
    show(place, "The receipt holds", [
      ["What", `${held.action} at ${held.time}`],
      ["Keep", held.keep],
      ["Model", `${held.model}, SHA-256 ${held.modelSha256}`],
      ["Person", held.person ?? "nobody that the keep knows"],
      ["Asked by", `${held.decision.caller} under the scope ${held.decision.scope}`],
      ["Ledger", `entry ${held.index} of ${held.size}`],
      ["Answer", held.answerChecked ? "the one that this receipt is for" : "none was given to compare"],
    ]);
  } catch (error) {
    place.className = "refused";
    show(place, "The receipt does not hold", [["Why", error.message], ["Code", error.code ?? "receipt-malformed"]]);
  }
}

if (typeof document !== "undefined") {
  const form = document.querySelector("form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    check(form, document.querySelector("output"));
  });
} else {
  module.exports = { verifyReceipt };
}
