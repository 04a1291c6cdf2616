//! Many requests at once: one JSON object a line in, one a line out, in the same order.

use serde::Deserialize;
use serde_json::Value;
use std::io::{BufRead, Write};
use tollgate::pipeline::explain::{Explainer, Question};

/// Longest line, in bytes.
const LONGEST: u64 = 1 << 20;

/// A request as a line has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: Headers,
    address: Option<String>,
    now: Option<u64>,
    #[serde(default)]
    certificate: bool,
    #[serde(default)]
    body: Value,
}

fn get() -> String {
    "GET".to_owned()
}

/// Header fields: an object of names to a text or several, or a list of pairs.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Headers {
    #[default]
    None,
    Pairs(Vec<(String, String)>),
    Named(serde_json::Map<String, Value>),
}

/// Answers the lines of `input`; whether all of them could be read. `now`: the moment of those that name none.
pub fn run(
    explainer: &Explainer,
    mut input: impl BufRead,
    output: &mut impl Write,
    now: u64,
) -> std::io::Result<bool> {
    let (mut line, mut good) = (Vec::new(), true);
    loop {
        line.clear();
        let read = std::io::Read::take(&mut input, LONGEST).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(good);
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let question = if line.ends_with(b"\n") || (read as u64) < LONGEST {
            read_line(&line, now)
        } else {
            skip(&mut input)?;
            Err(format!("the line is longer than {LONGEST} bytes"))
        };
        match question {
            Ok(question) => serde_json::to_writer(&mut *output, &explainer.decide(&question))?,
            Err(error) => {
                good = false;
                serde_json::to_writer(&mut *output, &serde_json::json!({ "error": error }))?;
            }
        }
        output.write_all(b"\n")?;
    }
}

/// Leaves out the rest of a line.
fn skip(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let held = input.fill_buf()?;
        let end = held.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(held.len(), |end| end + 1);
        let done = end.is_some() || held.is_empty();
        input.consume(used);
        if done {
            return Ok(());
        }
    }
}

fn read_line(line: &[u8], now: u64) -> Result<Question, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let mut headers = match line.headers {
        Headers::None => Vec::new(),
        Headers::Pairs(pairs) => pairs,
        Headers::Named(named) => {
            let mut pairs = Vec::with_capacity(named.len());
            for (name, value) in named {
                match value {
                    Value::String(value) => pairs.push((name, value)),
                    Value::Array(values) => {
                        for value in values {
                            let Value::String(value) = value else { return Err(no_text(&name)) };
                            pairs.push((name.clone(), value));
                        }
                    }
                    _ => return Err(no_text(&name)),
                }
            }
            pairs
        }
    };
    if let Some((name, _)) = headers.iter().find(|(name, _)| !tollgate::header::is_token(name)) {
        return Err(format!("`{}` is no header name", name.escape_debug()));
    }
    let broken = |value: &str| value.bytes().any(|b| b.is_ascii_control() && b != b'\t');
    if let Some((name, _)) = headers.iter().find(|(_, value)| broken(value)) {
        return Err(format!("header field `{name}`: its value holds a control character"));
    }
    let length = match &line.body {
        Value::Null => None,
        Value::String(text) => Some(text.len()),
        other => Some(other.to_string().len()),
    };
    let declared = headers.iter().any(|(name, _)| {
        name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
    });
    if let (Some(length), false) = (length, declared) {
        headers.push(("content-length".to_owned(), length.to_string()));
    }
    Ok(Question {
        method: line.method,
        url: super::absolute(&line.url)?,
        headers,
        address: line.address.unwrap_or_else(|| super::ADDRESS.to_owned()),
        now: line.now.unwrap_or(now),
        certificate: line.certificate,
        body: length.is_some_and(|length| length > 0),
    })
}

fn no_text(name: &str) -> String {
    format!("header field `{name}`: its value is a text, or a list of texts")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(lines: &str) -> (bool, Vec<Value>) {
        let mut output = Vec::new();
        let good = run(&Explainer::new(Vec::new()), lines.as_bytes(), &mut output, 0).unwrap();
        let output = String::from_utf8(output).unwrap();
        (good, output.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    #[test]
    fn each_line_has_its_answer_in_order() {
        let (good, answers) = answers(
            "{\"url\":\"/a\"}\n\n{\"method\":\"PUT\",\"url\":\"https://x.test/\",\"headers\":{\"a\":[\"1\",\"2\"]},\"body\":\"x\"}\n{\"url\":\"/\",\"headers\":[[\"a\",\"b\"]]}",
        );
        assert!(good);
        assert_eq!(answers.len(), 3);
        assert!(answers.iter().all(|answer| answer["reason"] == "plan-unusable"), "{answers:?}");
    }

    #[test]
    fn bad_lines_say_why() {
        for (line, part) in [
            ("{", "EOF"),
            ("{}", "url"),
            ("{\"url\":\"ftp://x\"}", "http"),
            ("{\"url\":\"/\",\"headers\":{\"a\":1}}", "`a`"),
            ("{\"url\":\"/\",\"headers\":{\"a b\":\"\"}}", "`a b`"),
            ("{\"url\":\"/\",\"headers\":{\"a\":\"1\\nb: 2\"}}", "control"),
            ("{\"url\":\"/\",\"hedders\":{}}", "hedders"),
            ("\u{7f}", "expected"),
        ] {
            let (good, answers) = answers(&format!("{line}\n{{\"url\":\"/\"}}\n"));
            assert!(!good && answers.len() == 2, "{line}");
            assert!(answers[0]["error"].as_str().unwrap().contains(part), "{line}: {answers:?}");
            assert!(answers[1].get("error").is_none());
        }
    }

    #[test]
    fn lines_without_end_are_bounded() {
        let long = format!("{{\"url\":\"/{}\"}}\n{{\"url\":\"/\"}}\n", "a".repeat(3 << 20));
        let (good, answers) = answers(&long);
        assert!(!good && answers.len() == 2, "{}", answers.len());
        assert!(answers[0]["error"].as_str().unwrap().contains("longer"));
    }
}
