//! Regular expressions as they are read at run time, and those of everything that can come: paths and values.

use super::automata::Kind;
use crate::routing::path::Leniency;
use regex_syntax::ast::{self, Ast, ClassAsciiKind, ClassPerlKind, ClassSet, ClassSetItem};
use regex_syntax::hir::{Hir, HirKind, translate::Translator};
use std::sync::LazyLock;

/// Reads an expression as `regex-lite` does: `\d`, `\w`, `\s` and `\b` are ASCII, `.` and other classes are characters.
/// `None` for one that cannot be read.
pub fn read(source: &str) -> Option<Hir> {
    let mut tree = ast::parse::ParserBuilder::new().build().parse(source).ok()?;
    ascii(&mut tree);
    Translator::new().translate(source, &tree).ok()
}

/// The literal text that everything begins with that fits an expression.
pub fn beginning(source: &str) -> String {
    let literal = |hir: &Hir| match hir.kind() {
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).unwrap_or_default(),
        _ => String::new(),
    };
    match read(source).map(|hir| (literal(&hir), hir)) {
        Some((_, hir)) if matches!(hir.kind(), HirKind::Concat(_)) => {
            let HirKind::Concat(parts) = hir.kind() else { return String::new() };
            parts
                .iter()
                .find(|part| !matches!(part.kind(), HirKind::Look(_)))
                .map(literal)
                .unwrap_or_default()
        }
        Some((literal, _)) => literal,
        None => String::new(),
    }
}

/// Makes the classes and word boundaries of a tree ASCII. Its depth is bounded by the parser.
fn ascii(tree: &mut Ast) {
    match tree {
        Ast::ClassPerl(class) => {
            let item = ClassSetItem::Ascii(perl(class));
            let class = ast::ClassBracketed { span: class.span, negated: false, kind: ClassSet::Item(item) };
            *tree = Ast::class_bracketed(class);
        }
        Ast::ClassBracketed(class) => set(&mut class.kind),
        Ast::Assertion(assertion) => {
            let span = assertion.span;
            let item = |kind| ast::FlagsItem { span, kind };
            let items = [ast::FlagsItemKind::Negation, ast::FlagsItemKind::Flag(ast::Flag::Unicode)];
            let flags = ast::Flags { span, items: items.map(item).into() };
            let inner = Box::new(tree.clone());
            *tree = Ast::group(ast::Group { span, kind: ast::GroupKind::NonCapturing(flags), ast: inner });
        }
        Ast::Repetition(repetition) => ascii(&mut repetition.ast),
        Ast::Group(group) => ascii(&mut group.ast),
        Ast::Alternation(alternation) => alternation.asts.iter_mut().for_each(ascii),
        Ast::Concat(concat) => concat.asts.iter_mut().for_each(ascii),
        Ast::Empty(_) | Ast::Flags(_) | Ast::Literal(_) | Ast::Dot(_) | Ast::ClassUnicode(_) => {}
    }
}

fn perl(class: &ast::ClassPerl) -> ast::ClassAscii {
    let kind = match class.kind {
        ClassPerlKind::Digit => ClassAsciiKind::Digit,
        ClassPerlKind::Space => ClassAsciiKind::Space,
        ClassPerlKind::Word => ClassAsciiKind::Word,
    };
    ast::ClassAscii { span: class.span, kind, negated: class.negated }
}

fn set(kind: &mut ClassSet) {
    match kind {
        ClassSet::Item(one) => item(one),
        ClassSet::BinaryOp(operation) => {
            set(&mut operation.lhs);
            set(&mut operation.rhs);
        }
    }
}

fn item(item_: &mut ClassSetItem) {
    match item_ {
        ClassSetItem::Perl(class) => *item_ = ClassSetItem::Ascii(perl(class)),
        ClassSetItem::Bracketed(class) => set(&mut class.kind),
        ClassSetItem::Union(union) => union.items.iter_mut().for_each(item),
        _ => {}
    }
}

/// Values of a kind. A field has no control characters, and no space around it (RFC 9110 §5.5); a cookie's value ends
/// at a semicolon (RFC 6265 §5.2), and where lines of HTTP/2 are joined, at a comma with a space; in quotes it has spaces
/// around it. Query parameters may be anything.
///
/// Two characters beyond ASCII that fold to ASCII letters in Unicode, and not for `regex-lite`, are left out.
pub fn values(kind: Kind) -> &'static str {
    match kind {
        Kind::Field => {
            "(?:[!-~\u{80}-\u{17E}\u{180}-\u{2129}\u{212B}-\u{10FFFF}](?:[\\t -~\u{80}-\u{17E}\u{180}-\u{2129}\u{212B}-\u{10FFFF}]*[!-~\u{80}-\u{17E}\u{180}-\u{2129}\u{212B}-\u{10FFFF}])?)?"
        }
        Kind::Cookie => {
            "(?:[\\t -+\\--:<-~\u{80}-\u{17E}\u{180}-\u{2129}\u{212B}-\u{10FFFF}]|,+[\\t!-+\\--:<-~\u{80}-\u{17E}\u{180}-\u{2129}\u{212B}-\u{10FFFF}])*,*"
        }
        Kind::Query => "[\\x00-\u{17E}\u{180}-\u{2129}\u{212B}-\u{10FFFF}]*",
    }
}

/// Every path of canonical characters without empty elements. Those of [`hidden_dots`] are among them.
pub fn paths(leniency: Leniency) -> &'static str {
    static STRICT: LazyLock<String> = LazyLock::new(|| elements(false));
    static LENIENT: LazyLock<String> = LazyLock::new(|| elements(true));
    if leniency.encoded_slashes { &LENIENT } else { &STRICT }
}

fn elements(encoded_slashes: bool) -> String {
    let one = r"[A-Za-z0-9\-._~!$&'()*+,=:@]";
    let is_unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    // Triplets that stay: of the other printable characters, and of each character beyond ASCII.
    let mut triplets: Vec<String> = (0x20..=0x7E_u8)
        .filter(|b| !is_unreserved(*b) && !b";\\".contains(b) && (*b != b'/' || encoded_slashes))
        .map(|b| format!("%{b:02X}"))
        .collect();
    let tail = "%[89AB][0-9A-F]";
    triplets.extend([
        format!("%(?:C[2-9A-F]|D[0-9A-F]){tail}"),
        format!("%E0%[AB][0-9A-F]{tail}"),
        format!("%E[1-9A-CEF]{tail}{tail}"),
        format!("%ED%[89][0-9A-F]{tail}"),
        format!("%F0%[9AB][0-9A-F]{tail}{tail}"),
        format!("%F[1-3]{tail}{tail}{tail}"),
        format!("%F4%8[0-9A-F]{tail}{tail}"),
    ]);
    let unit = format!("(?:{one}|{})", triplets.join("|"));
    // Not first in an element: a semicolon, plain or encoded.
    let element = format!("{unit}(?:{unit}|;|%3B)*");
    format!("/(?:{element}/)*(?:{element})?")
}

/// Paths with an element that a reader who decodes again takes for `.` or `..`.
pub fn hidden_dots() -> &'static str {
    r".*/(?:[^/]*%(?:25)*(?:2[Ff]|5[Cc]))?(?:\.|%(?:25)+2[Ee]){1,2}(?:(?:;|%(?:25)*(?:3[Bb]|2[Ff]|5[Cc]))[^/]*)?(?:/.*)?"
}
