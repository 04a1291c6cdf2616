// What the command as wasm asks of Node, see src/outside/node.rs: one question at a time, answered at once, as JSON;
// bytes in it are base64url.
import { spawnSync } from "node:child_process";
import { constants, createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign, timingSafeEqual, verify } from "node:crypto";
import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { parse, relative, sep } from "node:path";
import { MessageChannel, Worker, receiveMessageOnPort } from "node:worker_threads";
import { withoutWarning } from "./command.mjs";

const bytes = (/** @type {string} */ text) => Buffer.from(text, "base64url");
const text = (/** @type {Uint8Array} */ octets) => Buffer.from(octets).toString("base64url");

/** The other side of the imports of one run. */
export function outside() {
  /** @type {Buffer} */
  let waiting = Buffer.alloc(0);
  /** @type {Map<number, { database: any, statements: Map<string, any> }>} */
  const databases = new Map();
  let opened = 0;
  /** @type {{ worker: Worker, port: MessagePort, signal: Int32Array } | null} */
  let fetcher = null;

  /** @type {Record<string, (asked: any) => unknown>} */
  const answers = {
    next: (asked) => (host.next = asked, true),
    real: (path) => "/" + relative(parse(process.cwd()).root, realpathSync(path)).split(sep).join("/"),
    run: ({ name, arguments: args, folder, input }) => {
      const { error, status, stdout, stderr } = spawnSync(name, args, { cwd: folder ?? undefined, input: bytes(input), maxBuffer: 1 << 30 });
      if (error && status === null && !stdout?.length) throw error;
      return { code: status, stdout: text(stdout), stderr: text(stderr) };
    },
    // Asked for in a thread, while this one waits: the command is synchronous.
    fetch: (asked) => {
      fetcher ??= start();
      Atomics.store(fetcher.signal, 0, 0);
      fetcher.worker.postMessage(asked);
      Atomics.wait(fetcher.signal, 0, 0);
      const { error, ok } = /** @type {any} */ (receiveMessageOnPort(/** @type {any} */ (fetcher.port))).message;
      if (error !== undefined) throw new Error(error);
      return ok;
    },
    open: () => {
      const { DatabaseSync } = withoutWarning(() => createRequire(import.meta.url)("node:sqlite"));
      databases.set(++opened, { database: new DatabaseSync(":memory:"), statements: new Map() });
      return opened;
    },
    close: ({ id }) => {
      databases.get(id)?.database.close();
      return databases.delete(id);
    },
    execute: ({ id, sql }) => (opening(id).database.exec(sql), true),
    query: ({ id, sql, params }) => {
      const { database, statements } = opening(id);
      let statement = statements.get(sql);
      if (!statement) {
        statement = database.prepare(sql);
        statement.setReturnArrays(true);
        statements.set(sql, statement);
      }
      return statement.all(...params).map((/** @type {unknown[]} */ row) => row.map((cell) => (typeof cell === "string" || Number.isSafeInteger(cell) ? cell : null)));
    },
    hmac: ({ secret, message }) => text(createHmac("sha256", bytes(secret)).update(bytes(message)).digest()),
    generate: () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }),
    sign: ({ jwk, message }) => text(signs("ES256", jwk, bytes(message))),
    make: ({ algorithm }) => /** @type {any} */ (generateKeyPairSync)(...family(algorithm)).privateKey.export({ format: "jwk" }),
    sign_by: ({ algorithm, jwk, message }) => text(signs(algorithm, jwk, bytes(message))),
    verify: ({ algorithm, jwk, message, signature }) => verifies(algorithm, jwk, bytes(message), bytes(signature)),
  };

  /** @param {number} id */
  function opening(id) {
    const found = databases.get(id);
    if (!found) throw new Error(`no database ${id}`);
    return found;
  }

  function start() {
    const { port1, port2 } = new MessageChannel();
    const signal = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(new URL("./fetcher.mjs", import.meta.url), { workerData: { port: port2, signal }, transferList: [/** @type {any} */ (port2)] });
    worker.unref();
    return { worker, port: /** @type {any} */ (port1), signal };
  }

  const host = {
    /** What the command leaves to be done after it. @type {any} */
    next: null,
    /** @type {WebAssembly.Memory | null} */
    memory: null,
    imports: {
      ask: (/** @type {number} */ at, /** @type {number} */ length) => {
        const memory = /** @type {WebAssembly.Memory} */ (host.memory).buffer;
        let said;
        try {
          const [[what, asked]] = Object.entries(JSON.parse(Buffer.from(memory, at, length).toString("utf8")));
          said = { ok: answers[what](asked) };
        } catch (error) {
          said = { error: error instanceof Error ? error.message : String(error) };
        }
        waiting = Buffer.from(JSON.stringify(said), "utf8");
        return waiting.length;
      },
      take: (/** @type {number} */ at) => void waiting.copy(new Uint8Array(/** @type {WebAssembly.Memory} */ (host.memory).buffer), at),
    },
    end() {
      for (const { database } of databases.values()) database.close();
      databases.clear();
      void fetcher?.worker.terminate();
      fetcher = null;
    },
  };
  return host;
}

const HASHES = { 256: "sha256", 384: "sha384", 512: "sha512" };

/** What a key of an algorithm is made by. @param {string} algorithm */
function family(algorithm) {
  if (algorithm === "EdDSA") return ["ed25519", {}];
  if (algorithm.startsWith("ES")) return ["ec", { namedCurve: `P-${algorithm.slice(2)}` }];
  return ["rsa", { modulusLength: 2048 }];
}

/** How a key signs and verifies by an asymmetric algorithm. @param {string} algorithm */
function manner(algorithm) {
  if (algorithm.startsWith("ES")) return { dsaEncoding: /** @type {const} */ ("ieee-p1363") };
  if (algorithm.startsWith("PS")) return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return algorithm.startsWith("RS") ? { padding: constants.RSA_PKCS1_PADDING } : {};
}

/** @param {string} algorithm */
const hash = (algorithm) => (algorithm === "EdDSA" ? null : HASHES[/** @type {256} */ (Number(algorithm.slice(2)))]);

/** Signs under a private JWK, or a shared secret. @param {string} algorithm @param {any} jwk @param {Buffer} message */
function signs(algorithm, jwk, message) {
  if (algorithm.startsWith("HS")) return createHmac(String(hash(algorithm)), bytes(jwk.k)).update(message).digest();
  return sign(hash(algorithm), message, { key: createPrivateKey({ key: jwk, format: "jwk" }), ...manner(algorithm) });
}

/** Whether a signature is right under a JWK that fits the algorithm (RFC 7518 §3.1). @param {string} algorithm @param {any} jwk @param {Buffer} message @param {Buffer} signature */
function verifies(algorithm, jwk, message, signature) {
  if (algorithm.startsWith("HS")) {
    const tag = signs(algorithm, jwk, message);
    return tag.length === signature.length && timingSafeEqual(tag, signature);
  }
  return verify(hash(algorithm), message, { key: createPublicKey({ key: jwk, format: "jwk" }), ...manner(algorithm) }, signature);
}
