//! Trees with places, and what functions come to.

use super::{Kind, NODES_MAX, Node, parse, resolve};
use crate::facts::cfn::{Says, Template, Value};

fn template(text: &str) -> Template {
    resolve::template("t.yaml", &parse(text).unwrap())
}

/// A value as text, for comparison.
fn shown(value: &Value) -> String {
    let many = |values: &[Value]| values.iter().map(shown).collect::<Vec<_>>().join(", ");
    match &value.says {
        Says::Nothing => "nothing".to_owned(),
        Says::Text(text) => format!("'{text}'"),
        Says::List(items) => format!("[{}]", many(items)),
        Says::Map(entries) => {
            let entries = entries.iter().map(|it| format!("{}: {}", it.key, shown(&it.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Says::Resource { name, attribute: None } => format!("<{name}>"),
        Says::Resource { name, attribute: Some(attribute) } => format!("<{name}.{attribute}>"),
        Says::OneOf(values) => format!("({})", many(values)),
        Says::Unknown(_) => "?".to_owned(),
    }
}

/// Works out one property of a resource.
#[track_caller]
fn check(value: &str, wanted: &str) {
    let text = format!(
        "Parameters:\n  Free: {{Type: String}}\n  Port: {{Type: Number, Default: 443}}\n  \
         Yes: {{Type: String, AllowedValues: ['true', 'false'], Default: 'true'}}\n  \
         Lists: {{Type: CommaDelimitedList, Default: 'a, b'}}\n\
         Mappings:\n  Regions:\n    eu: {{key: one, open: 'no'}}\n    us: {{key: two, open: 'no'}}\n\
         Resources:\n  Group: {{Type: 'AWS::EC2::SecurityGroup'}}\n  Own:\n    Type: A\n    \
         Properties:\n      It: {value}\n"
    );
    let template = template(&text);
    let own = template.resources.iter().find(|resource| resource.name == "Own").unwrap();
    let said: Vec<String> = match &own.properties.says {
        Says::Map(entries) => entries.iter().map(|entry| shown(&entry.value)).collect(),
        _ => Vec::new(),
    };
    assert_eq!(said, [wanted], "{value}");
}

#[test]
fn functions_come_to_all_that_they_may() {
    check("!Ref Port", "'443'");
    check("{Ref: Port}", "'443'");
    check("!Ref Yes", "('true', 'false')");
    check("!Ref Free", "?");
    check("!Ref Lists", "['a', 'b']");
    check("!Ref Group", "<Group>");
    check("!Ref AWS::NoValue", "nothing");
    check("!Ref AWS::Region", "?");
    check("!GetAtt Group.GroupId", "<Group.GroupId>");
    check("{Fn::GetAtt: [Group, GroupId]}", "<Group.GroupId>");
    check("!Sub '${Group.GroupId}'", "<Group.GroupId>");
    check("!Sub 'a-${Port}-${!x}'", "'a-443-${x}'");
    check("!Sub ['${a}/${Port}', {a: !Ref Yes}]", "('true/443', 'false/443')");
    check("!Sub 'a-${AWS::Region}'", "?");
    check("!If [c, 1, !Ref AWS::NoValue]", "('1', nothing)");
    check("!If [c, 1, 1]", "'1'");
    check("!If [c, 1, !If [d, 2, 3]]", "('1', '2', '3')");
    check("!FindInMap [Regions, eu, key]", "'one'");
    check("!FindInMap [Regions, !Ref AWS::Region, key]", "('one', 'two')");
    check("!FindInMap [Regions, !Ref AWS::Region, open]", "'no'");
    check("!FindInMap [Nowhere, a, b]", "?");
    check("!Join ['-', [a, !Ref Port]]", "'a-443'");
    check("!Select [1, !Ref Lists]", "'b'");
    check("!Select [1, !Split ['|', 'a|b']]", "'b'");
    check("!Select [9, [a]]", "?");
    check("!ImportValue other", "?");
    check("!GetAZs ''", "?");
    check("!If [c]", "?");
    check("[!Ref AWS::NoValue, a]", "['a']");
}

#[test]
fn places_are_those_of_the_file() {
    let root = parse("Resources:\n  B:\n    Type: !Sub 'x'\n").unwrap();
    let bucket = &root.get("Resources").unwrap().entries()[0];
    assert_eq!((bucket.0.at.line, bucket.0.at.column), (2, 3));
    let kind = bucket.1.get("Type").unwrap();
    assert!(matches!(&kind.kind, Kind::Call(name, _) if name == "Fn::Sub"));
    assert_eq!(kind.at.line, 3);
}

#[test]
fn json_is_read_with_tabs_and_its_places() {
    let root =
        parse("{\n\t\"Resources\": {\n\t\t\"B\": {\"Type\": \"AWS::S3::Bucket\"}\n\t}\n}").unwrap();
    let (key, node) = &root.get("Resources").unwrap().entries()[0];
    assert_eq!((key.text.as_str(), key.at.line, key.at.column), ("B", 3, 3));
    assert_eq!(node.get("Type").and_then(Node::text), Some("AWS::S3::Bucket"));
    let long = parse("{\"a\": \"\\u00e4\\/\\\"\", \"b\": null, \"c\": 1e3}").unwrap();
    assert_eq!(long.get("a").and_then(Node::text), Some("ä/\""));
    assert_eq!(long.get("b").unwrap().kind, Kind::Null);
}

#[test]
fn a_name_that_occurs_twice_is_refused() {
    let error = parse("a: 1\nb: 2\na: 3\n").unwrap_err();
    assert_eq!(error.to_string(), "line 3, column 1: a name occurs twice");
}

#[test]
fn aliases_do_not_explode() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = format!("*a{},", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    assert_eq!(parse(&text).unwrap_err().what, "there is too much in it");
    assert!(10_usize.pow(9) > NODES_MAX, "the text would be too much");
}

#[test]
fn depth_is_limited_and_broken_text_is_an_error() {
    assert!(parse(&"[".repeat(100_000)).is_err());
    let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
    assert_eq!(parse(&deep).unwrap_err().what, "it is nested too deep");
    for text in ["", "a: [", "a: *x", "a: 1\n---\nb: 2\n", "{\"a\": }}", "a: 'b"] {
        assert!(parse(text).is_err(), "{text:?}");
    }
    let text = "Resources:\n  B:\n    Type: !If [a, {b: [c]}, \"d\"]\n";
    for end in 0..text.len() {
        if let Ok(root) = parse(&text[..end]) {
            resolve::template("t", &root);
        }
    }
}

#[test]
fn deep_values_survive_the_way_through_a_file() {
    let deep = format!("{}x{}", "{a: ".repeat(36), "}".repeat(36));
    let text = format!("Resources:\n  B: {{Type: A, Properties: {deep}}}\n");
    let template = template(&text);
    let json = serde_json::to_string(&template).unwrap();
    assert_eq!(serde_json::from_str::<Template>(&json).unwrap(), template);
}
