//! The outside by Node: questions and answers are JSON, bytes in it base64url. What is asked here,
//! `package/lib/outside.mjs` answers.
#![allow(unsafe_code)]

use super::{Answer, Ended, Failed, Pair, Program, Request};
use crate::sql::{SqlError, Value};
use crate::token::Algorithm;
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value as Json, json};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

#[link(wasm_import_module = "tollgate")]
unsafe extern "C" {
    /// Puts a question; gives the length of its answer, which waits to be taken.
    fn ask(question: *const u8, length: usize) -> usize;
    /// Writes the answer of the last question.
    fn take(answer: *mut u8);
}

/// The answer's member `ok`.
fn put(question: &Json) -> Result<Json, Failed> {
    let question = question.to_string();
    // SAFETY: the launcher reads `length` bytes of a text that lives until the call returns.
    let length = unsafe { ask(question.as_ptr(), question.len()) };
    let mut answer = vec![0; length];
    // SAFETY: the launcher writes exactly as many bytes as it has just said.
    unsafe { take(answer.as_mut_ptr()) };
    match serde_json::from_slice(&answer) {
        Ok(Json::Object(mut answer)) => match answer.remove("ok") {
            Some(value) => Ok(value),
            None => Err(Failed(text(answer.get("error")))),
        },
        _ => Err(Failed("the launcher does not answer in JSON".into())),
    }
}

fn text(value: Option<&Json>) -> String {
    value.and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

fn bytes(value: Option<&Json>) -> Result<Vec<u8>, Failed> {
    let text = value.and_then(Json::as_str).unwrap_or_default();
    Base64UrlUnpadded::decode_vec(text).map_err(|_| Failed("the launcher's answer is not base64url".into()))
}

/// To be called first thing in `main`: the launcher opens the whole file system, and relative paths start at PWD.
pub fn begin() {
    if let Some(folder) = std::env::var_os("PWD") {
        let _ = std::env::set_current_dir(folder);
    }
}

/// The path with all links followed, from the root.
///
/// # Errors
/// There is nothing at this path.
pub fn real_path(path: &Path) -> std::io::Result<PathBuf> {
    let real = put(&json!({ "real": path })).map_err(|why| std::io::Error::other(why.0))?;
    Ok(text(Some(&real)).into())
}

/// The paths of a list like PATH.
pub fn split_paths(list: &OsStr) -> Vec<PathBuf> {
    list.to_string_lossy().split(':').map(PathBuf::from).collect()
}

/// Asks another host.
///
/// # Errors
/// No answer, or one that is too long or late.
pub fn fetch(request: &Request) -> Result<Answer, Failed> {
    let asked = put(&json!({ "fetch": {
        "method": request.method, "url": request.url, "headers": request.headers, "body": encode(&request.body),
        "timeout": u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX), "longest": request.longest,
    }}));
    let answer = asked.map_err(|why| Failed(format!("{}: {why}", request.url)))?;
    let headers = answer.get("headers").cloned().unwrap_or_default();
    Ok(Answer {
        status: answer.get("status").and_then(Json::as_u64).and_then(|s| s.try_into().ok()).unwrap_or(0),
        headers: serde_json::from_value(headers).map_err(|error| Failed(error.to_string()))?,
        body: bytes(answer.get("body"))?,
    })
}

/// Runs another program to its end.
///
/// # Errors
/// It cannot be started.
pub fn run(program: &Program) -> Result<Ended, Failed> {
    let ended = put(&json!({ "run": {
        "name": program.name, "arguments": program.arguments, "folder": program.folder, "input": encode(&program.input),
    }}));
    let ended = ended.map_err(|why| Failed(format!("{}: {why}", program.name)))?;
    Ok(Ended {
        code: ended.get("code").and_then(Json::as_i64).and_then(|code| code.try_into().ok()),
        stdout: bytes(ended.get("stdout"))?,
        stderr: bytes(ended.get("stderr"))?,
    })
}

/// Leaves to the launcher what it is to do once the command has ended well: a JSON object.
///
/// # Errors
/// It does not take it.
pub fn hand_over(next: &Json) -> Result<(), Failed> {
    put(&json!({ "next": next })).map(|_| ())
}

/// An SQLite database in memory: Node's own.
pub struct Database(u64);

impl Database {
    /// A new one.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn open() -> Result<Self, SqlError> {
        let id = put(&json!({ "open": {} })).map_err(|why| SqlError(why.0))?;
        Ok(Database(id.as_u64().unwrap_or_default()))
    }

    /// Runs statements without parameters.
    ///
    /// # Errors
    /// The first that fails.
    pub fn execute(&self, sql: &str) -> Result<(), SqlError> {
        put(&json!({ "execute": { "id": self.0, "sql": sql } })).map(|_| ()).map_err(|why| SqlError(why.0))
    }

    /// Runs one statement and gives all rows. What is neither integer nor text becomes NULL.
    ///
    /// # Errors
    /// It fails.
    pub fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Vec<Value>>, SqlError> {
        let params: Vec<Json> = params
            .iter()
            .map(|value| match value {
                Value::Int(number) => (*number).into(),
                Value::Text(text) => text.as_str().into(),
                Value::Null => Json::Null,
            })
            .collect();
        let rows = put(&json!({ "query": { "id": self.0, "sql": sql, "params": params } }));
        let rows = rows.map_err(|why| SqlError(why.0))?;
        let cell = |value: &Json| match value {
            Json::String(text) => Value::Text(text.clone()),
            _ => value.as_i64().map_or(Value::Null, Value::Int),
        };
        let row = |row: &Json| row.as_array().into_iter().flatten().map(cell).collect();
        Ok(rows.as_array().into_iter().flatten().map(row).collect())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = put(&json!({ "close": { "id": self.0 } }));
    }
}

/// Whether `signature` is one of `message` under a JWK that fits the algorithm.
///
/// # Errors
/// A member of the key is missing or malformed.
pub fn verify(
    algorithm: Algorithm,
    jwk: &Map<String, Json>,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, Failed> {
    let said = put(&json!({ "verify": {
        "algorithm": algorithm.name(), "jwk": jwk, "message": encode(message), "signature": encode(signature),
    }}))?;
    said.as_bool().ok_or_else(|| Failed("the launcher does not say whether the signature is right".into()))
}

/// HMAC with SHA-256 (RFC 2104): 32 bytes.
///
/// # Errors
/// Node does not answer.
pub fn hmac_sha256(secret: &[u8], message: &[u8]) -> Result<Vec<u8>, Failed> {
    let tag = put(&json!({ "hmac": { "secret": encode(secret), "message": encode(message) } }))?;
    bytes(Some(&tag))
}

/// A private key of ES256.
pub struct PrivateKey(Json);

impl PrivateKey {
    /// A new pair from the system's randomness.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn generate() -> Result<Pair, Failed> {
        let jwk = put(&json!({ "generate": {} }))?;
        let scalar = bytes(jwk.get("d"))?.try_into();
        let scalar = scalar.map_err(|_| Failed("the generated key cannot be read".into()))?;
        Ok(Pair { scalar, point: [bytes(jwk.get("x"))?, bytes(jwk.get("y"))?].concat() })
    }

    /// The key of a pair.
    ///
    /// # Errors
    /// The private half does not belong to the public one.
    pub fn new(pair: &Pair) -> Result<Self, Failed> {
        let wrong = || Failed("the private key does not belong to the public one".into());
        let (x, y) = pair.point.split_at_checked(32).ok_or_else(wrong)?;
        let (x, y, d) = (encode(x), encode(y), encode(&pair.scalar));
        let key = PrivateKey(json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "d": d }));
        // A JWK is believed as it stands: what it signs must be right by its own public half.
        let signed = key.sign(b"a key that fits").map_err(|_| wrong())?;
        let public = key.0.as_object().cloned().unwrap_or_default();
        let public = public.into_iter().filter(|(name, _)| name != "d").collect();
        match verify(Algorithm::ES256, &public, b"a key that fits", &signed) {
            Ok(true) => Ok(key),
            _ => Err(wrong()),
        }
    }

    /// Signs by ES256: the two numbers, 64 bytes (RFC 7518 §3.4).
    ///
    /// # Errors
    /// Node cannot read the key.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failed> {
        bytes(Some(&put(&json!({ "sign": { "jwk": self.0, "message": encode(message) } }))?))
    }
}

/// A key that signs, of a made-up issuer.
pub struct Signer {
    algorithm: Algorithm,
    /// The private JWK; of a shared secret, that.
    key: Json,
}

impl Signer {
    /// A new key. `secret` is what signer and verifier share (HS*).
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn new(algorithm: Algorithm, secret: &[u8]) -> Result<Signer, Failed> {
        let key = match algorithm.is_symmetric() {
            true => json!({ "kty": "oct", "k": encode(secret) }),
            false => put(&json!({ "make": { "algorithm": algorithm.name() } }))?,
        };
        Ok(Signer { algorithm, key })
    }

    /// The public half as a JWK without an id; `None` for a shared secret, which nobody publishes.
    pub fn jwk(&self) -> Option<Json> {
        let members = self.key.as_object().filter(|_| !self.algorithm.is_symmetric())?;
        let public = |name: &str| matches!(name, "kty" | "crv" | "x" | "y" | "n" | "e");
        let public = members.iter().filter(|(name, _)| public(name));
        Some(Json::Object(public.map(|(name, value)| (name.clone(), value.clone())).collect()))
    }

    /// The signature of a signing input.
    ///
    /// # Errors
    /// Node cannot read the key.
    pub fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Failed> {
        let question =
            json!({ "algorithm": self.algorithm.name(), "jwk": self.key, "message": encode(input) });
        bytes(Some(&put(&json!({ "sign_by": question }))?))
    }
}
