//! Format 2: values of header edits are templates. Before, braces in them were braces.

use super::Step;

/// From format 1.
pub const STEP: Step =
    Step { before: "braces in values of `headers` are literal text", concerns: is_value, text: doubled };

/// Whether a path leads to a value of an edit.
fn is_value(path: &[&str]) -> bool {
    let (["defaults", settings @ ..] | ["routes", _, settings @ ..]) = path else { return false };
    let edits = match settings {
        ["headers", "request" | "response", edits @ ..]
        | ["headers", "add", "request" | "response", edits @ ..]
        | ["backends", _, "headers", "request" | "response", edits @ ..]
        | ["mirror", _, "headers", edits @ ..] => edits,
        _ => return false,
    };
    matches!(edits, ["set" | "add", _] | ["set" | "add", _, super::ITEM])
}

fn doubled(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_header_edits_are_concerned_and_nothing_else() {
        for (path, concerned) in [
            ("defaults headers response set x-a", true),
            ("routes r headers add request add x-a []", true),
            ("routes r backends b headers request set x-a", true),
            ("routes r mirror [] headers set x-a", true),
            ("routes r headers response remove []", false),
            ("routes r respond headers x-a", false),
            ("routes r rewrite", false),
            ("routes headers response set x-a", false),
            ("tests t [] request headers x-a", false),
            ("fixtures upstreams a headers x-a", false),
        ] {
            let path: Vec<&str> = path.split(' ').collect();
            assert_eq!(is_value(&path), concerned, "{path:?}");
        }
    }
}
