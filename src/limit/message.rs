//! Messages between the gateway and the object that counts.
//!
//! JSON text with short member names. Old isolates talk to new objects and the reverse whenever a deployment rolls
//! out or back, hence:
//! - a member that the reader does not know is ignored: what *must* be understood is a new [`VERSION`];
//! - a message of a newer version is refused with [`ObjectError::NewerMessage`], never guessed at;
//! - a limit whose row was written by newer code is answered with [`ObjectError::NewerRows`]: nothing is charged.
//!
//! Each message carries its limits' parameters: the object knows no plan.

use super::{Algorithm, Period, Verdict};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Version of the messages that this code writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// The longest message that an object reads, in bytes.
pub const MAX_BYTES: usize = 65_536;

/// The most limits that one message may carry.
pub const MAX_LIMITS: usize = 32;

/// The longest id of a charge, in bytes.
pub const MAX_ID: usize = 128;

/// What a gateway asks of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Message<'a> {
    /// Charge all limits, or none where one refuses.
    Charge {
        /// Set where the charge may have to be refunded: unique among the object's charges of a minute.
        id: Option<Cow<'a, str>>,
        /// The limits, all of the object's key, none twice.
        limits: Vec<Ask<'a>>,
    },
    /// Take back a charge that was admitted, also one that has not come yet.
    Refund {
        /// The charge's id.
        id: Cow<'a, str>,
    },
}

/// One limit of a charge.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask<'a> {
    /// The limit's id, under which its count is kept.
    pub limit: Cow<'a, str>,
    /// Its parameters.
    pub algorithm: Algorithm,
    /// How much is asked for, normally 1.
    pub cost: u32,
}

/// What an object answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A verdict for each limit of a charge, in its order. All were charged if all admit, otherwise none.
    Verdicts(Vec<Verdict>),
    /// Whether anything was taken back: `false` where the id is unknown (a charge of that id will count nothing) or was
    /// refunded before.
    Refunded(bool),
    /// Nothing was done.
    Refused(ObjectError),
}

/// Why an object did nothing. Each limit concerned is then answered by its [`super::Unreachable`].
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectError {
    /// The message is of a newer version than the object reads.
    NewerMessage,
    /// The message cannot be read.
    Malformed,
    /// Newer code wrote the rows of these limits (indexes into the charge), or they are damaged. The rest of the
    /// charge may be asked again without them.
    NewerRows(Vec<u16>),
    /// The charge's id was charged or refunded before: nothing more is charged.
    KnownId,
    /// The object's storage failed.
    Storage,
    /// A word of newer code.
    Unknown,
}

/// Why a reply cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// The object is of newer code.
    NewerReply,
    /// The reply does not answer the message.
    Malformed,
}

#[derive(Serialize, Deserialize)]
struct WireMessage<'a> {
    v: u32,
    #[serde(borrow)]
    op: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "is_empty")]
    id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    limits: Vec<WireAsk<'a>>,
}

#[derive(Serialize, Deserialize)]
struct WireAsk<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    rule: WireRule,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    cost: u32,
}

/// Apart from [`Algorithm`], whose serialised form belongs to the plan and may change with it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireRule {
    /// Rate, period, burst.
    Bucket(u32, u32, u32),
    /// Limit, window.
    Sliding(u32, u32),
    /// Limit, period.
    Quota(u64, WirePeriod),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WirePeriod {
    Hour,
    Day,
    Week,
    Month,
}

#[derive(Default, Serialize, Deserialize)]
struct WireReply<'a> {
    v: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    limits: Vec<WireVerdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refunded: Option<bool>,
    #[serde(borrow, default, skip_serializing_if = "is_empty")]
    error: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rows: Vec<u16>,
}

#[derive(Serialize, Deserialize)]
struct WireVerdict {
    left: u64,
    reset: u64,
    /// Present exactly where the limit refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry: Option<u64>,
}

/// All that is sure to be there in a message or reply of any version.
#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

fn is_empty(text: &str) -> bool {
    text.is_empty()
}
fn one() -> u32 {
    1
}
#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_one(cost: &u32) -> bool {
    *cost == 1
}
fn is_newer(text: &str) -> bool {
    serde_json::from_str::<Versioned>(text).is_ok_and(|message| message.v > VERSION)
}

impl Message<'_> {
    /// The message as text.
    pub fn encode(&self) -> String {
        let wire = match self {
            Message::Charge { id, limits } => WireMessage {
                v: VERSION,
                op: "charge".into(),
                id: id.as_deref().unwrap_or_default().into(),
                limits: limits
                    .iter()
                    .map(|ask| WireAsk {
                        id: ask.limit.as_ref().into(),
                        rule: ask.algorithm.into(),
                        cost: ask.cost,
                    })
                    .collect(),
            },
            Message::Refund { id } => {
                WireMessage { v: VERSION, op: "refund".into(), id: id.as_ref().into(), limits: Vec::new() }
            }
        };
        // Strings and numbers always serialise; an empty message would be refused as malformed.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`ObjectError::NewerMessage`] or [`ObjectError::Malformed`]: also one that is too long, has no limits, too
    /// many, or one twice, or whose numbers are out of range.
    pub fn decode(text: &str) -> Result<Message<'_>, ObjectError> {
        if text.len() > MAX_BYTES {
            return Err(ObjectError::Malformed);
        }
        let wire: WireMessage<'_> = match serde_json::from_str(text) {
            Ok(wire) => wire,
            // A newer message may well have another shape: say what is the matter.
            Err(_) if is_newer(text) => return Err(ObjectError::NewerMessage),
            Err(_) => return Err(ObjectError::Malformed),
        };
        if wire.v > VERSION {
            return Err(ObjectError::NewerMessage);
        }
        if wire.id.len() > MAX_ID {
            return Err(ObjectError::Malformed);
        }
        match wire.op.as_ref() {
            "charge" => {
                if wire.limits.is_empty() || wire.limits.len() > MAX_LIMITS {
                    return Err(ObjectError::Malformed);
                }
                let mut limits: Vec<Ask<'_>> = Vec::with_capacity(wire.limits.len());
                for ask in wire.limits {
                    let ask = Ask { limit: ask.id, algorithm: ask.rule.into(), cost: ask.cost };
                    if !ask.algorithm.is_valid() || limits.iter().any(|other| other.limit == ask.limit) {
                        return Err(ObjectError::Malformed);
                    }
                    limits.push(ask);
                }
                Ok(Message::Charge { id: (!wire.id.is_empty()).then_some(wire.id), limits })
            }
            "refund" if !wire.id.is_empty() => Ok(Message::Refund { id: wire.id }),
            _ => Err(ObjectError::Malformed),
        }
    }
}

impl Reply {
    /// The reply as text.
    pub fn encode(&self) -> String {
        let mut wire = WireReply { v: VERSION, ..WireReply::default() };
        match self {
            Reply::Verdicts(verdicts) => {
                wire.limits = verdicts
                    .iter()
                    .map(|verdict| WireVerdict {
                        left: verdict.remaining,
                        reset: verdict.reset_ms,
                        retry: (!verdict.admitted).then_some(verdict.retry_ms),
                    })
                    .collect();
            }
            Reply::Refunded(done) => wire.refunded = Some(*done),
            Reply::Refused(error) => {
                wire.error = match error {
                    ObjectError::NewerMessage => "version",
                    ObjectError::Malformed => "malformed",
                    ObjectError::KnownId => "known",
                    ObjectError::NewerRows(rows) => {
                        wire.rows.clone_from(rows);
                        "rows"
                    }
                    ObjectError::Storage => "storage",
                    ObjectError::Unknown => "unknown",
                }
                .into();
            }
        }
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// Reads the reply to a charge of `limits` limits (0: to a refund).
    ///
    /// # Errors
    /// The reply is of a newer version, or does not answer the message: nothing is known of what the object did.
    pub fn decode(text: &str, limits: usize) -> Result<Reply, ReplyError> {
        let wire: WireReply<'_> = match serde_json::from_str(text) {
            Ok(wire) => wire,
            Err(_) if is_newer(text) => return Err(ReplyError::NewerReply),
            Err(_) => return Err(ReplyError::Malformed),
        };
        if wire.v > VERSION {
            return Err(ReplyError::NewerReply);
        }
        if !wire.error.is_empty() {
            return Ok(Reply::Refused(match wire.error.as_ref() {
                "version" => ObjectError::NewerMessage,
                "malformed" => ObjectError::Malformed,
                "known" => ObjectError::KnownId,
                "storage" => ObjectError::Storage,
                "rows" if wire.rows.iter().any(|row| usize::from(*row) < limits) => {
                    ObjectError::NewerRows(wire.rows)
                }
                _ => ObjectError::Unknown,
            }));
        }
        match wire.refunded {
            Some(done) if limits == 0 => Ok(Reply::Refunded(done)),
            None if limits > 0 && wire.limits.len() == limits => Ok(Reply::Verdicts(
                wire.limits
                    .iter()
                    .map(|verdict| Verdict {
                        admitted: verdict.retry.is_none(),
                        remaining: verdict.left,
                        reset_ms: verdict.reset,
                        retry_ms: verdict.retry.unwrap_or(0),
                    })
                    .collect(),
            )),
            _ => Err(ReplyError::Malformed),
        }
    }
}

impl From<Algorithm> for WireRule {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Bucket { rate, period, burst } => WireRule::Bucket(rate, period, burst),
            Algorithm::Sliding { limit, window } => WireRule::Sliding(limit, window),
            Algorithm::Quota { limit, period } => WireRule::Quota(
                limit,
                match period {
                    Period::Hour => WirePeriod::Hour,
                    Period::Day => WirePeriod::Day,
                    Period::Week => WirePeriod::Week,
                    Period::Month => WirePeriod::Month,
                },
            ),
        }
    }
}

impl From<WireRule> for Algorithm {
    fn from(rule: WireRule) -> Self {
        match rule {
            WireRule::Bucket(rate, period, burst) => Algorithm::Bucket { rate, period, burst },
            WireRule::Sliding(limit, window) => Algorithm::Sliding { limit, window },
            WireRule::Quota(limit, period) => Algorithm::Quota {
                limit,
                period: match period {
                    WirePeriod::Hour => Period::Hour,
                    WirePeriod::Day => Period::Day,
                    WirePeriod::Week => Period::Week,
                    WirePeriod::Month => Period::Month,
                },
            },
        }
    }
}

#[cfg(test)]
mod tests;
