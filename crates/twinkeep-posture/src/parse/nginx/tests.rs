//! How words are cut, and what is refused.

use super::{Directive, parse, parse_within};

/// Directives as nested words, for comparison.
fn shape(directives: &[Directive]) -> String {
    let shown = directives.iter().map(|directive| {
        let mut words = vec![directive.name.text.clone()];
        words.extend(directive.arguments.iter().map(|word| word.text.clone()));
        let block = directive.block.as_ref();
        let inside = block.map(|block| format!("{{{}}}", shape(&block.directives)));
        format!("{}{}", words.join("|"), inside.unwrap_or_default())
    });
    shown.collect::<Vec<_>>().join(";")
}

#[track_caller]
fn check(text: &str, wanted: &str) {
    let said = match parse(text.as_bytes()) {
        Ok(directives) => shape(&directives),
        Err(error) => error.to_string(),
    };
    assert_eq!(said, wanted, "{text}");
}

#[test]
fn words_are_cut_as_nginx_cuts_them() {
    check("a b  c; # d;\ne;", "a|b|c;e");
    check("a \"b c\" 'd;{' e\\ f;", "a|b c|d;{|e\\ f");
    check("a \"\\\"b\\\\c\";", "a|\"b\\c");
    check("a ${b}c$d;", "a|${b}c$d");
    check("a b#c;", "a|b#c");
    check("if ($a = \"b\") { c; }", "if|($a|=|b|){c}");
    check("location ~ \\.(a|b)$ { c; }", "location|~|\\.(a|b)$|{c}".replace("|{", "{").as_str());
    check("a{b{c;}}", "a{b{c}}");
    check("a b}c;", "a|b}c");
}

#[test]
fn braces_in_lua_end_nothing() {
    check(
        "content_by_lua_block { a = '}' -- }\n b = [[}]] if x { } } c;",
        "content_by_lua_block{};c",
    );
    check("content_by_lua_block { --[[ } ]] }", "content_by_lua_block{}");
}

#[test]
fn what_is_no_configuration_is_refused_with_its_place() {
    check("a {", "line 1, column 4: a block is not closed");
    check("a;\n}", "line 2, column 2: `}` closes no block");
    check("a \"b", "line 1, column 3: a quote is not closed");
    check("a \"b\"c;", "line 1, column 6: something stands right after a closing quote");
    check(";", "line 1, column 2: `;` or `{` follows no directive");
    check("a", "line 1, column 2: a directive does not end with `;`");
    check(&"a{".repeat(100_000), "line 1, column 131: blocks are nested too deep");
}

#[test]
fn columns_count_characters() {
    let directives = parse("ä ü; b;".as_bytes()).unwrap();
    assert_eq!((directives[1].name.line, directives[1].name.column), (1, 6));
    assert_eq!(directives[1].name.start, 7);
}

#[test]
fn any_bytes_give_directives_or_an_error() {
    let text = "http { server { listen 443 ssl; if ($a = \"b\") { return 403; } x_by_lua_block { '}' } } }";
    for end in 0..text.len() {
        let _ = parse(&text.as_bytes()[..end]);
        let mut broken = text.as_bytes().to_vec();
        broken[end] = 0xff;
        let _ = parse(&broken);
    }
}

#[test]
fn words_are_bounded_in_number_and_length() {
    let mut left = 5;
    assert_eq!(parse_within(b"a b; c d;", &mut left).unwrap().len(), 2);
    assert_eq!(left, 1, "what was read is taken from what may be");
    let error = parse_within(b"a b;", &mut left).unwrap_err().to_string();
    assert_eq!(error, "line 1, column 4: there are more words than are read");
    let long = format!("a {};", "b".repeat(4097));
    assert!(parse(long.as_bytes()).unwrap_err().what.contains("longer than nginx takes"));
    assert!(parse(format!("a {};", "b".repeat(4096)).as_bytes()).is_ok());
}
