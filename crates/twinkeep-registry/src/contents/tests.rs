//! What is data only, and what is not: by content, under whatever name it comes.

use proptest::prelude::{any, prop_assert_eq, proptest};
use safetensors::SafeTensors;

use super::{Content, Format, Inspector};

/// Looks at a file that comes in pieces of a size.
fn inspect_in(name: &str, bytes: &[u8], piece: usize) -> Content {
    let mut inspector = Inspector::new(name);
    bytes.chunks(piece).for_each(|piece| inspector.feed(piece));
    inspector.finish()
}

/// Looks at a file, and makes sure that it makes no difference in which pieces it comes.
#[track_caller]
fn inspect(name: &str, bytes: &[u8]) -> Content {
    let whole = inspect_in(name, bytes, bytes.len().max(1));
    for piece in [1, 3, 7, 64, 1000] {
        assert_eq!(inspect_in(name, bytes, piece), whole, "in pieces of {piece}");
    }
    whole
}

fn tensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

const SAFETENSORS: Content = Content::Checked(Format::Safetensors);
const JSON: Content = Content::Checked(Format::Json);
const TEXT: Content = Content::Checked(Format::Text);

fn unsound(content: Content) -> bool {
    matches!(content, Content::Unsound(_))
}

fn unsupported(content: Content) -> bool {
    matches!(content, Content::Unsupported(_))
}

#[test]
fn tensors_that_fill_the_file_are_data_under_any_name() {
    let header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I8","shape":[3],"data_offsets":[8,11]},"none":{"dtype":"F64","shape":[0,4],"data_offsets":[11,11]}}"#;
    let file = tensors(header, &[0; 11]);
    for name in ["model.safetensors", "model.pkl", "README.md", "a/b"] {
        assert_eq!(inspect(name, &file), SAFETENSORS);
    }
    // In any order, with room behind the header, and with the one entry that is known.
    let header = r#"{"__metadata__":{"format":"pt"},"b":{"dtype":"BOOL","shape":[],"data_offsets":[1,2]},"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}    "#;
    assert_eq!(inspect("m", &tensors(header, &[1, 0])), SAFETENSORS);
}

#[test]
fn what_the_format_leaves_open_is_refused() {
    let entry = |text: &str, data: usize| inspect("m", &tensors(text, &vec![0; data]));
    let a = r#""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    assert_eq!(entry(&format!("{{{a}}}"), 4), SAFETENSORS);
    for (header, data) in [
        // Too few and too many bytes, none, and a second file behind.
        (format!("{{{a}}}"), 3),
        (format!("{{{a}}}"), 5),
        (format!("{{{a}}}"), 0),
        ("{}".to_owned(), 0),
        // One name twice; a field twice; a field that nobody knows.
        (format!(r#"{{{a},"a":{{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}}}"#), 8),
        (a.replacen('{', r#"{"dtype":"I32","#, 1), 4),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"code":1}}"#.to_owned(), 4),
        // A hole, and an overlap.
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#.to_owned(), 8),
        (format!(r#"{{{a},"b":{{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}}}"#), 6),
        (format!(r#"{{{a},"b":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#), 4),
        // Shapes that do not fit, overflow, or run backwards.
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#.to_owned(), 4),
        (r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#.into(), 0),
        (r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#.to_owned(), 4),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#.to_owned(), 4),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#.to_owned(), 4),
        (r#"{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}"#.to_owned(), 1),
        // Types that are not on the list.
        (r#"{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}"#.to_owned(), 1),
        (r#"{"a":{"dtype":"O","shape":[1],"data_offsets":[0,8]}}"#.to_owned(), 8),
        // Texts that somebody may act on.
        (format!(r#"{{"__metadata__":{{"run":"import os"}},{a}}}"#), 4),
        (format!(r#"{{"__metadata__":{{"format":"pt","run":"import os"}},{a}}}"#), 4),
        (format!(r#"{{"__metadata__":{{"format":"import os"}},{a}}}"#), 4),
        (
            format!(r#"{{"__metadata__":{{"format":"pt"}},"__metadata__":{{"format":"pt"}},{a}}}"#),
            4,
        ),
        // A name that is none.
        (a.replacen("\"a\"", "\"\"", 1), 4),
        (a.replacen("\"a\"", r#""a\u0007""#, 1), 4),
    ] {
        let header = if header.starts_with('{') { header } else { format!("{{{header}}}") };
        assert!(unsound(entry(&header, data)), "{header}");
    }
}

#[test]
fn a_header_that_is_cut_off_or_far_too_long_is_refused_without_reading_it() {
    let header = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    let file = tensors(header, &[0]);
    for length in 9..file.len() {
        assert!(unsound(inspect("m", &file[..length])), "{length}");
    }
    let mut long = file.clone();
    for length in [1_u64 << 20 | 1, u64::from(u32::MAX)] {
        long[..8].copy_from_slice(&length.to_le_bytes());
        assert!(unsound(inspect("m", &long)));
    }
    // A length that no file has: these bytes are of some other format.
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(unsupported(inspect("m", &long)));
    long[..8].copy_from_slice(&0_u64.to_le_bytes());
    assert!(unsound(inspect("m", &long)));
}

#[test]
fn a_value_that_is_no_finite_number_is_found_wherever_it_lies() {
    let cases: [(&str, &[u8], &[u8]); 7] = [
        ("F64", &f64::MAX.to_le_bytes(), &f64::NAN.to_le_bytes()),
        ("F64", &f64::MIN.to_le_bytes(), &f64::NEG_INFINITY.to_le_bytes()),
        ("F32", &f32::MAX.to_le_bytes(), &f32::INFINITY.to_le_bytes()),
        ("F16", &[0xff, 0x7b], &[0x00, 0x7c]),
        ("BF16", &[0x7f, 0x7f], &[0x80, 0x7f]),
        ("F8_E4M3", &[0x7e], &[0xff]),
        ("BOOL", &[1], &[2]),
    ];
    for (dtype, sound, bad) in cases {
        let count = 300;
        let size = count * sound.len();
        let header = format!(
            r#"{{"pad":{{"dtype":"U8","shape":[1],"data_offsets":[0,1]}},"a":{{"dtype":"{dtype}","shape":[{count}],"data_offsets":[1,{}]}}}}"#,
            size + 1
        );
        let mut data = vec![0xff];
        data.extend(sound.repeat(count));
        assert_eq!(inspect("m", &tensors(&header, &data)), SAFETENSORS, "{dtype}");
        for place in [0, 1, 150, count - 1] {
            let mut data = data.clone();
            let at = 1 + place * sound.len();
            data[at..at + sound.len()].copy_from_slice(bad);
            assert!(unsound(inspect("m", &tensors(&header, &data))), "{dtype} at {place}");
        }
    }
}

#[test]
fn a_configuration_of_numbers_and_words_is_data() {
    for text in [
        "{}",
        " [1, 2.5, -3e7, true, null]",
        r#"{"architectures":["BertForMaskedLM"],"hidden_size":128,"transformers_version":"4.6.0.dev0"}"#,
        r#"{"_name_or_path":"group/model-name","weight_map":{"layer.0.weight":"model-00001-of-00002.safetensors"}}"#,
    ] {
        assert_eq!(inspect("weights.pkl", text.as_bytes()), JSON, "{text}");
    }
    let tokenizer = r#"{"version":"1.0","added_tokens":[{"id":0,"content":"<s>"}],"model":{"type":"BPE","vocab":{"Ġ{{":1,"rm -rf /":2,"\n":3}}}"#;
    assert_eq!(inspect("t", tokenizer.as_bytes()), Content::Checked(Format::Tokenizer));
    let long = tokenizer.replace("<s>", &"x".repeat(1025));
    assert!(unsupported(inspect("t", long.as_bytes())));
    let other = tokenizer.replace("added_tokens", "chat_template");
    assert!(unsupported(inspect("t", other.as_bytes())));
}

#[test]
fn a_configuration_that_tells_programs_what_to_run_or_fetch_is_not_data() {
    for text in [
        r#"{"chat_template":"{{ x.__class__ }}"}"#,
        r#"{"chat_template":""}"#,
        r#"{"auto_map":{"AutoModel":"modeling.Model"}}"#,
        r#"{"a":[{"Class_Name":"Lambda"}]}"#,
        r#"{"_target_":"os.system"}"#,
        r#"{"__class__":"x"}"#,
        r#"{"py/object":"x"}"#,
        r#"{"debug":"rm -rf /"}"#,
        r#"{"url":"http://evil.example/x"}"#,
        r#"{"a":"import os"}"#,
        r#"{"a":"os.system()"}"#,
        r#"{"a":"../../etc/passwd"}"#,
        r#"{"a":"/etc/passwd"}"#,
        r#"{"a":"gASVIAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAVlY2hvIJSFlFKULg=="}"#,
    ] {
        assert!(unsupported(inspect("config.json", text.as_bytes())), "{text}");
    }
    let encoded = format!(r#"{{"a":"{}"}}"#, "A".repeat(97));
    assert!(unsupported(inspect("config.json", encoded.as_bytes())));
}

#[test]
fn json_that_two_readers_read_differently_is_refused() {
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        "{\"a\":1}{}",
        "{\"a\":1",
        "[1e999]",
        "{'a':1}",
        &deep,
    ] {
        assert!(unsound(inspect("config.json", text.as_bytes())), "{text}");
    }
    assert!(unsound(inspect("config.json", b"{\"a\":\"\xff\"}")));
    assert!(unsound(inspect("config.json", b"{\"a\":1}\0PK\x03\x04")));
}

/// Few bytes of a document can take much memory.
#[test]
fn a_document_of_endless_values_is_refused_before_it_fills_the_memory() {
    let many = |value: &str, count: usize| format!("[{}0]", format!("{value},").repeat(count));
    let enough = many("0", 1 << 20);
    assert_eq!(inspect_in("c", enough.as_bytes(), 1 << 20), JSON);
    for value in ["0", "[]", r#""a""#] {
        let endless = many(value, 1 << 22);
        assert!(unsupported(inspect_in("c", endless.as_bytes(), 1 << 20)), "{value}");
    }
}

#[test]
fn prose_is_data_only_under_the_names_of_prose() {
    let prose = b"# A model\n\nIt was trained with care.\n";
    assert_eq!(inspect("README.md", prose), TEXT);
    assert_eq!(inspect("sub/LICENSE", prose), TEXT);
    assert_eq!(inspect("README.md", b""), TEXT);
    for name in ["modeling.py", "readme.md.py", "model.pkl", "config.json", "README.MD", ""] {
        assert!(unsupported(inspect(name, prose)), "{name}");
    }
    assert!(unsupported(inspect("model.bin", b"")));
}

#[test]
fn what_is_no_prose_is_not_data_even_under_the_names_of_prose() {
    for bytes in [
        b"cos\nsystem\n(S'id'\ntR.".as_slice(),
        b"(S'id'\nios\nsystem\n.",
        b"(lp0\nI1\nacos\nsystem\np1\n(S'id'\ntR.",
        b"(lp0\nVa\np1\na.",
        b"cposix\r\nsystem\r\n(S'id'\r\ntR.",
        b"K\x41U\x01acos\nsystem\n.",
        b"#!/bin/sh\nid\n",
        b"\x80\x04\x95.",
        b"PK\x03\x04 and more",
        b"\x93NUMPY",
        b"\x89HDF\r\n\x1a\n",
        b"text with \x1b[2J in it",
        b"text with a \0 in it",
        "text that \u{202e}turns".as_bytes(),
        b"\xff\xfe",
        b"# Model\n{{ cycler.__init__ }}\n",
        b"a: !!python/object/apply:os.system [id]\n",
        b"# Model\n<SCRIPT>fetch()</script>\n",
    ] {
        for name in ["README.md", "model.safetensors", "config.json", "pack.toml"] {
            assert!(unsupported(inspect(name, bytes)), "{name} {bytes:?}");
        }
    }
    let endless = vec![b'a'; (1 << 20) + 1];
    assert!(unsupported(inspect("README.md", &endless)));
}

proptest! {
    /// What is taken for tensors here, the library that everybody uses takes, too.
    #[test]
    fn nothing_is_tensors_that_is_none_to_others(
        shapes in proptest::collection::vec(0_usize..5, 1..4),
        at in any::<proptest::sample::Index>(),
        value in any::<u8>(),
    ) {
        let (mut entries, mut end) = (Vec::new(), 0);
        for (number, length) in shapes.iter().enumerate() {
            let stop = end + length * 2;
            entries.push(format!(
                r#""t{number}":{{"dtype":"F16","shape":[{length}],"data_offsets":[{end},{stop}]}}"#
            ));
            end = stop;
        }
        let mut file = tensors(&format!("{{{}}}", entries.join(",")), &vec![0; end]);
        prop_assert_eq!(inspect("m", &file), SAFETENSORS);
        let at = at.index(file.len());
        file[at] = value;
        if inspect("m", &file) == SAFETENSORS {
            prop_assert_eq!(SafeTensors::deserialize(&file).map(drop).map_err(|e| e.to_string()), Ok(()));
        }
    }
}
