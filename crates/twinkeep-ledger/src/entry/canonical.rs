//! Canonical JSON (RFC 8785), for values without floating point.
//!
//! Written here and not left to a JSON library: the order of keys there depends on how other
//! crates of a build configure it, and these bytes are hashed and signed.

use serde_json::Value;

/// Writes a value in its one canonical form.
///
/// Numbers must be whole; the entry was checked before. Keys are ASCII, so that sorting bytes
/// is sorting UTF-16 units, as RFC 8785, 3.2.3 asks.
pub(super) fn write(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    text
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
            let write_field = |(name, value): &(&String, &Value), text: &mut String| {
                write_string(name, text);
                text.push(':');
                write_value(value, text);
            };
            write_list('{', &fields, '}', text, write_field);
        }
        Value::Array(items) => write_list('[', items, ']', text, write_value),
        Value::String(string) => write_string(string, text),
        Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
    }
}

fn write_list<T>(
    open: char,
    items: &[T],
    close: char,
    text: &mut String,
    write_item: impl Fn(&T, &mut String),
) {
    text.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_item(item, text);
    }
    text.push(close);
}

/// RFC 8785, 3.2.2.2: only what JSON requires is escaped, in the shortest way.
fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            control if control < ' ' => {
                text.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            plain => text.push(plain),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn keys_are_sorted_and_only_what_must_be_is_escaped() {
        let json = serde_json::json!({"b": [1, -2, null, true], "a": "€\"\\\n\u{1}/", "A": {}});
        assert_eq!(
            write(&json),
            "{\"A\":{},\"a\":\"€\\\"\\\\\\n\\u0001/\",\"b\":[1,-2,null,true]}"
        );
    }
}
