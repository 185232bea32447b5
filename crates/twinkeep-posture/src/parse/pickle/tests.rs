//! Pickles that Python itself wrote, in every protocol, and ones that no loader would finish.

use std::process::Command;

use super::{Pickle, REBUILDERS, scan};

/// What Python pickles of an expression, with a class `Calls` whose objects call when loaded.
fn python(expression: &str, protocol: u8) -> Vec<u8> {
    let script = format!(
        "import pickle, sys, os, collections, datetime\n\
         class Calls:\n    def __init__(self, *call): self.call = call\n    \
         def __reduce__(self): return self.call\n\
         sys.stdout.buffer.write(pickle.dumps({expression}, protocol={protocol}))"
    );
    let output = Command::new("python3").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn look(bytes: &[u8]) -> Option<Pickle> {
    scan(&mut &*bytes).unwrap()
}

fn called(pickle: &Pickle) -> Vec<&str> {
    pickle.names.iter().filter(|name| name.called).map(|name| name.name.as_str()).collect()
}

#[test]
fn calls_are_seen_in_every_protocol() {
    for protocol in 0..=5 {
        let bytes = python("[1, 2.5, 'text', Calls(os.system, ('true',))]", protocol);
        let pickle = look(&bytes).unwrap();
        assert_eq!(called(&pickle), ["posix.system"], "{protocol}: {pickle:?}");
        assert_eq!(pickle.broken, None, "{protocol}");
        assert!(!pickle.names[0].rebuilds_data);
    }
}

#[test]
fn data_alone_calls_nothing_but_what_rebuilds_it() {
    let expression = "{'a': [1, 2**80, -3, True, None, b'x' * 300, 'é' * 300, (1,), (1, 2), {4}], \
                      'b': collections.OrderedDict(c=1.5), 'd': datetime.date(2026, 1, 2)}";
    for protocol in 0..=5 {
        let pickle = look(&python(expression, protocol)).unwrap();
        assert_eq!(pickle.broken, None, "{protocol}");
        let others: Vec<_> = pickle.names.iter().filter(|name| !name.rebuilds_data).collect();
        // The first protocols write a date and a set by a helper of their own.
        assert!(
            others.iter().all(|name| protocol < 2 && name.name.contains("copy_reg")),
            "{others:?}"
        );
    }
}

/// A loader has called before it finds that the file is broken.
#[test]
fn a_call_before_the_break_counts() {
    for protocol in [0, 2, 4] {
        let bytes = python("Calls(os.system, ('true',))", protocol);
        let cut = look(&bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(called(&cut), ["posix.system"]);
        assert!(cut.broken.is_some());
        let garbage = [&bytes[..bytes.len() - 1], b"\xff\xff"].concat();
        assert_eq!(called(&look(&garbage).unwrap()), ["posix.system"]);
    }
}

/// The name is put together from parts that are remembered, or by another call.
#[test]
fn hidden_names_are_found_or_said_to_be_hidden() {
    let remembered = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93\x8c\x04true\x85R.";
    assert_eq!(called(&look(remembered).unwrap()), ["os.system"]);
    let made = b"\x80\x04cbuiltins\nchr\nK\x41\x85R\x8c\x06system\x93\x8c\x04true\x85R.";
    let pickle = look(made).unwrap();
    assert_eq!(called(&pickle), ["builtins.chr", "a name that is put together while loading"]);
    let old = b"(S'true'\nios\nsystem\n.";
    assert_eq!(called(&look(old).unwrap()), ["os.system"]);
    let object = b"(cos\nsystem\nS'true'\no.";
    assert_eq!(called(&look(object).unwrap()), ["os.system"]);
}

#[test]
fn what_is_no_pickle_is_none() {
    let texts: [&[u8]; 7] = [
        b"",
        b".",
        b"config\nvalue\nmore text\n",
        b"{\"a\": 1}",
        b"# Heading\n\nText.\n",
        b"\x89PNG\r\n",
        b"\x08\0\0\0\0\0\0\0{}      ",
    ];
    for text in texts {
        assert_eq!(look(text), None, "{text:?}");
    }
}

#[test]
fn what_was_made_to_break_is_survived() {
    let bytes = python("[Calls(os.system, ('true',)), {'a': (1, 2)}]", 4);
    for at in 0..bytes.len() {
        for flip in [0x01, 0x10, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            look(&changed);
            look(&changed[..at]);
        }
    }
    // A length that is not there, and a stack that grows by itself.
    assert!(look(b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f").unwrap().broken.is_some());
    let mut high = b"\x80\x02N".to_vec();
    high.extend(std::iter::repeat_n(b'2', 5_000_000));
    assert_eq!(look(&high).unwrap().broken, Some("its stack is too high"));
}

#[test]
fn names_have_no_marks_that_a_terminal_would_obey() {
    let pickle = look(b"c\x1b[2J\nsys\x07tem\n(S'true'\ntR.").unwrap();
    assert_eq!(called(&pickle), ["2J.system"]);
}

#[test]
fn the_table_is_sorted() {
    assert!(REBUILDERS.is_sorted());
}
