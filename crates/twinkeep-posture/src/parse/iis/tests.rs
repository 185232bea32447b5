//! What is read of the files, where it stands, and what is refused.

use super::edit::{insert, remove, set_attribute};
use super::parse;

#[test]
fn elements_have_places_and_attributes_their_meaning() {
    let text = "\u{feff}<?xml version=\"1.0\"?>\r\n<configuration>\n <!-- ä --><a b='c &amp; d' ü=\"e\"/>\n</configuration>\n";
    let root = parse(text).unwrap();
    let a = &root.children[0];
    assert_eq!((a.line, a.column), (3, 12));
    assert_eq!(a.attribute("b"), Some("c & d"));
    assert_eq!(&text[a.start..a.end], "<a b='c &amp; d' ü=\"e\"/>");
    assert_eq!(&text[root.close.unwrap()..root.end], "</configuration>");
}

#[test]
fn what_is_no_configuration_is_refused_with_its_place() {
    let said = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(said("<other/>"), "line 1, column 1: its root is no `configuration`");
    assert_eq!(said("<configuration>\n<a>"), "line 2, column 4: an element is not closed");
    assert_eq!(said("<configuration></a>").split(": ").nth(1), Some("it is no XML"));
    assert_eq!(said("").split(": ").nth(1), Some("an element is not closed"));
    let entity = "<!DOCTYPE a [<!ENTITY b \"c\">]><configuration/>";
    assert_eq!(said(entity).split(": ").nth(1), Some("it declares a document type"));
    assert!(said("<configuration a='&b;'/>").contains("not well-formed"));
    assert!(said("<configuration a='1' a='2'/>").contains("not well-formed"));
    assert!(said("<configuration/><configuration/>").contains("more than one root"));
    let deep = format!("<configuration>{}", "<a>".repeat(100_000));
    assert!(said(&deep).contains("more elements, or deeper ones"));
    let many = format!("<configuration>{}</configuration>", "<a/>".repeat(50_001));
    assert!(said(&many).contains("more elements, or deeper ones"));
}

#[test]
fn any_bytes_give_an_element_or_an_error() {
    let text = "<configuration><a b=\"c\"><d/></a><!-- e --><![CDATA[f]]></configuration>";
    for end in 0..text.len() {
        let _ = parse(&text[..end]);
        let turned: String =
            text.char_indices().map(|(at, c)| if at == end { '<' } else { c }).collect();
        let _ = parse(&turned);
    }
}

#[test]
fn an_edit_leaves_all_else_as_it_is() {
    let text =
        "<configuration>\n  <a b = 'c' d=\"e\">\n    <f />\n  </a>\n  <g/>\n</configuration>\n";
    let root = parse(text).unwrap();
    let (a, g) = (&root.children[0], &root.children[1]);
    assert_eq!(set_attribute(text, a, "d", "<").unwrap(), text.replace("\"e\"", "\"&lt;\""));
    assert_eq!(set_attribute(text, a, "b", "x").unwrap(), text.replace("'c'", "'x'"));
    assert_eq!(set_attribute(text, a, "none", "x"), None);
    assert_eq!(remove(text, &a.children[0]).unwrap(), text.replace("    <f />\n", ""));
    let wanted = text.replace("    <f />\n", "    <f />\n    <h />\n");
    assert_eq!(insert(text, a, &[], "<h />").unwrap(), wanted);
    let wanted = text.replace("  <g/>\n", "  <g>\n    <i>\n      <h />\n    </i>\n  </g>\n");
    assert_eq!(insert(text, g, &["i"], "<h />").unwrap(), wanted);
    let wanted = text.replace("<g/>\n", "<g/>\n  <i>\n    <h />\n  </i>\n");
    assert_eq!(insert(text, &root, &["i"], "<h />").unwrap(), wanted);
}
