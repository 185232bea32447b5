//! Canonical JSON (RFC 8785) of a text: what the digest of an answer is over.
//!
//! An answer is read and written by other people's programs, which space it, order its fields, and
//! spell its numbers in their own ways; the digest must not depend on that. Numbers are read as
//! IEEE 754 doubles and written as ECMAScript does, so that a browser finds the same bytes.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Returns the canonical form of a JSON text. `without` names a field of the outermost object that
/// is left out. Nothing is returned of a text that is not JSON, or not in one way: a field that
/// comes twice, a number that no double holds.
pub(crate) fn canonical(text: &[u8], without: Option<&str>) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let value: &RawValue = serde_json::from_str(text).ok()?;
    let mut out = String::with_capacity(text.len());
    write(value, without, 0, &mut out)?;
    Some(out)
}

fn write(value: &RawValue, without: Option<&str>, depth: usize, out: &mut String) -> Option<()> {
    let text = value.get();
    if DEPTH_MAX < depth {
        return None;
    }
    match text.as_bytes().first()? {
        b'{' => {
            let Fields(mut fields) = serde_json::from_str(text).ok()?;
            fields.retain(|(name, _)| Some(name.as_str()) != without);
            // RFC 8785, 3.2.3: by UTF-16 units.
            fields.sort_by(|left, right| left.0.encode_utf16().cmp(right.0.encode_utf16()));
            out.push('{');
            for (at, (name, value)) in fields.iter().enumerate() {
                if 0 < at {
                    out.push(',');
                }
                out.push_str(&string(name)?);
                out.push(':');
                write(value, None, depth + 1, out)?;
            }
            out.push('}');
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if 0 < at {
                    out.push(',');
                }
                write(item, None, depth + 1, out)?;
            }
            out.push(']');
        }
        b'"' => out.push_str(&string(&serde_json::from_str::<String>(text).ok()?)?),
        b't' | b'f' | b'n' => out.push_str(text),
        _ => out.push_str(&number(text.parse().ok()?)?),
    }
    Some(())
}

/// The library escapes what RFC 8785, 3.2.2.2 asks for, in the same way, and nothing else.
fn string(text: &str) -> Option<String> {
    serde_json::to_string(text).ok()
}

/// ECMA-262, Number::toString. The library gives the shortest digits that read back as the same
/// number, and of two such the even ones, as ECMAScript does and `{:e}` does not.
fn number(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    if value == 0.0 {
        return Some("0".to_owned());
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let text = serde_json::to_string(&value.abs()).ok()?;
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    let leading = i32::try_from(digits.len() - significant.len()).ok()?;
    let whole = i32::try_from(whole.len()).ok()?;
    // The value is 0.DIGITS times ten to the power of `point`.
    let point = exponent.parse::<i32>().ok()?.checked_add(whole - leading)?;
    let digits = significant.trim_end_matches('0');
    let count = i32::try_from(digits.len()).ok()?;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let plain = match point {
        _ if count <= point && point <= 21 => format!("{digits}{}", zeros(point - count)),
        1..=21 => {
            let (whole, rest) = digits.split_at(usize::try_from(point).ok()?);
            format!("{whole}.{rest}")
        }
        -5..=0 => format!("0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            format!("{first}{dot}{rest}e{:+}", point - 1)
        }
    };
    Some(format!("{sign}{plain}"))
}

/// The fields of an object, each once.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut names = std::collections::BTreeSet::new();
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom("a field comes twice"));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Answers are four levels deep; each level is read once more, so depth is bounded.
const DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::{canonical, number};

    fn form(text: &str) -> Option<String> {
        canonical(text.as_bytes(), None)
    }

    /// The examples of RFC 8785, appendix B.
    #[test]
    fn numbers_are_written_as_ecmascript_writes_them() {
        let cases: &[(u64, &str)] = &[
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ];
        for (bits, text) in cases {
            assert_eq!(number(f64::from_bits(*bits)).as_deref(), Some(*text));
        }
    }

    /// The example of RFC 8785, 3.2.3.
    #[test]
    fn fields_are_ordered_by_utf_16_units() {
        let text = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",
            "1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let form = form(text).unwrap();
        let order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"];
        let places: Vec<_> = order.iter().map(|word| form.find(word).unwrap()).collect();
        assert!(places.is_sorted(), "{form}");
    }

    #[test]
    fn spelling_does_not_matter_and_content_does() {
        let one = form(r#"{ "b": [1.0, 1e0, "\u0041\n"], "a": {"x": true, "y": null} }"#).unwrap();
        assert_eq!(one, "{\"a\":{\"x\":true,\"y\":null},\"b\":[1,1,\"A\\n\"]}");
        assert_ne!(form(r#"{"a":37.1}"#), form(r#"{"a":37.2}"#));
        assert_eq!(form(r#"{"a":37.10}"#), form(r#"{"a":3.71e1}"#));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_read() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":1}}"#,
            r#"{"a":1e999}"#,
            r#"{"a":1} x"#,
            r#"{"a":01}"#,
            r#"{"a":NaN}"#,
            r#""\ud800""#,
            "",
        ] {
            assert_eq!(form(text), None, "{text}");
        }
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(form(&deep(30)).is_some());
        assert!(form(&deep(40)).is_none() && form(&deep(100_000)).is_none());
    }

    #[test]
    fn a_field_of_the_outermost_object_is_left_out() {
        let text = br#"{"receipt":1,"a":{"receipt":2}}"#;
        assert_eq!(canonical(text, Some("receipt")).unwrap(), r#"{"a":{"receipt":2}}"#);
    }
}
