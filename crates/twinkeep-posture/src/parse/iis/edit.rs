//! Edits of a text of XML that leave all else as it is.

use super::Element;

/// The element that stands at a line and column.
pub fn find(root: &Element, line: u32, column: u32) -> Option<&Element> {
    let mut open = vec![root];
    while let Some(element) = open.pop() {
        if (element.line, element.column) == (line, column) {
            return Some(element);
        }
        open.extend(&element.children);
    }
    None
}

/// The element that starts at a byte.
pub fn starting_at(root: &Element, start: usize) -> Option<&Element> {
    let mut open = vec![root];
    while let Some(element) = open.pop() {
        if element.start == start {
            return Some(element);
        }
        open.extend(&element.children);
    }
    None
}

/// Gives an attribute that is there another value.
pub fn set_attribute(text: &str, element: &Element, name: &str, value: &str) -> Option<String> {
    let tag = text.get(element.start..element.open_end)?;
    let (from, to) = value_of(tag, name)?;
    Some(spliced(text, element.start + from, element.start + to, &escaped(value)))
}

/// Takes an element away, with the line that it stands on if nothing else does.
pub fn remove(text: &str, element: &Element) -> Option<String> {
    let before = text.get(..element.start)?;
    let after = text.get(element.end..)?;
    let indent = before.len() - before.trim_end_matches([' ', '\t']).len();
    let alone = before[..before.len() - indent].ends_with('\n');
    let rest = after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n'));
    match rest.filter(|_| alone) {
        Some(rest) => Some(format!("{}{rest}", &before[..before.len() - indent])),
        None => Some(format!("{before}{after}")),
    }
}

/// Puts lines into the element at the end of a path of names, as its last, so that no `clear`
/// comes after them; elements of the path that are missing are made.
pub fn insert(text: &str, outer: &Element, path: &[&str], lines: &str) -> Option<String> {
    let mut element = outer;
    let mut missing = path;
    while let Some((name, rest)) = missing.split_first() {
        let Some(inner) = element.all(name).last() else { break };
        (element, missing) = (inner, rest);
    }
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let indent = |depth: usize| " ".repeat(element.column.saturating_sub(1) as usize + 2 * depth);
    let mut block = String::new();
    for (depth, name) in missing.iter().enumerate() {
        block.push_str(&format!("{newline}{}<{name}>", indent(depth + 1)));
    }
    for line in lines.lines() {
        block.push_str(&format!("{newline}{}{line}", indent(missing.len() + 1)));
    }
    for (depth, name) in missing.iter().enumerate().rev() {
        block.push_str(&format!("{newline}{}</{name}>", indent(depth + 1)));
    }
    if let Some(close) = element.close {
        let end = text.get(..close)?.trim_end().len().max(element.open_end);
        // A tag that is closed on its own line gets its end on a new one.
        let same_line = !text.get(end..close)?.contains('\n');
        let tail = if same_line { format!("{newline}{}", indent(0)) } else { String::new() };
        return Some(spliced(text, end, end, &format!("{block}{tail}")));
    }
    // An empty tag is opened: `<a b="c" />` becomes `<a b="c">…</a>`.
    let tag = text.get(element.start..element.open_end)?;
    let bare = tag.strip_suffix("/>")?.trim_end();
    let whole = format!("{bare}>{block}{newline}{}</{}>", indent(0), element.name);
    Some(spliced(text, element.start, element.open_end, &whole))
}

/// The bytes of the value of an attribute in a tag.
fn value_of(tag: &str, name: &str) -> Option<(usize, usize)> {
    let bytes = tag.as_bytes();
    let mut at = tag.find(|c: char| c.is_ascii_whitespace())?;
    loop {
        at += tag.get(at..)?.find(|c: char| !c.is_ascii_whitespace())?;
        let length = tag.get(at..)?.find(|c: char| c == '=' || c.is_ascii_whitespace())?;
        let found = tag.get(at..at + length)?;
        at += length;
        at += tag.get(at..)?.find(['"', '\''])?;
        let quote = char::from(*bytes.get(at)?);
        let start = at + 1;
        let end = start + tag.get(start..)?.find(quote)?;
        if found == name {
            return Some((start, end));
        }
        at = end + 1;
    }
}

fn escaped(value: &str) -> String {
    quick_xml::escape::escape(value).into_owned()
}

fn spliced(text: &str, from: usize, to: usize, with: &str) -> String {
    let (before, after) =
        (text.get(..from).unwrap_or_default(), text.get(to..).unwrap_or_default());
    format!("{before}{with}{after}")
}
