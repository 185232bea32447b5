//! Keys that stand in the configuration: compared with what clients send, or sent to upstreams.

use std::collections::BTreeSet;

use super::proves_who;
use crate::facts::nginx::StaticKey;
use crate::parse::nginx::tree::Node;

/// Finds them in these directives and in all that is inside.
pub(super) fn collect(nodes: &[Node], found: &mut Vec<StaticKey>) {
    let mut wanted = BTreeSet::new();
    compared_with(nodes, &mut wanted);
    within(nodes, &wanted, found);
}

/// The variables that have to be what a client sends: what they are set to is a key.
fn compared_with(nodes: &[Node], wanted: &mut BTreeSet<String>) {
    for node in nodes.iter().filter(|node| node.is("if")) {
        let condition = node.words().join(" ");
        let words = condition.split(['(', ')', ' ', '"']).filter(|word| !word.is_empty());
        if let [one, "=" | "!=", other] = words.collect::<Vec<_>>()[..] {
            for (sent, kept) in [(one, other), (other, one)] {
                if sent_by_client(sent) && kept.starts_with('$') {
                    wanted.insert(kept.to_owned());
                }
            }
        }
    }
    for node in nodes {
        compared_with(node.children(), wanted);
    }
}

fn within(nodes: &[Node], wanted: &BTreeSet<String>, found: &mut Vec<StaticKey>) {
    for node in nodes {
        match node.name.text.as_str() {
            "if" => compared(node, found),
            "map" => {
                mapped(node, found);
                for entry in node.children().iter().filter(|entry| !entry.is("include")) {
                    let (name, value) = (node.argument(1), entry.argument(0));
                    set(name.zip(value), wanted, entry, found);
                }
            }
            "set" => {
                set(node.argument(0).zip(node.argument(1)), wanted, node, found);
                asked(node, found);
            }
            "proxy_pass" | "grpc_pass" | "rewrite" | "return" | "error_page" | "try_files" => {
                asked(node, found);
            }
            "proxy_set_header" | "grpc_set_header" | "fastcgi_param" | "uwsgi_param" => {
                sent(node, found);
                asked(node, found);
            }
            _ => {}
        }
        within(node.children(), wanted, found);
    }
}

/// `if ($http_x_api_key != "literal")`, in any spacing.
fn compared(node: &Node, found: &mut Vec<StaticKey>) {
    let words = node.words();
    let condition = words.join(" ");
    let condition = condition.trim().trim_start_matches('(').trim_end_matches(')').trim();
    let mut parts = condition.splitn(3, ' ').filter(|part| !part.is_empty());
    let (Some(variable), Some(operator), Some(literal)) =
        (parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let literal = literal.trim().trim_matches(['"', '\'']);
    let is_key = match operator {
        "=" | "!=" => is_literal(literal),
        "~" | "~*" | "!~" | "!~*" => has_long_run(literal),
        _ => false,
    };
    if is_key && sent_by_client(variable) {
        found.push(StaticKey::new(variable, node));
    }
}

/// `map $http_x_api_key $known { "literal" 1; }`
fn mapped(node: &Node, found: &mut Vec<StaticKey>) {
    let Some(variable) = node.argument(0).filter(|variable| sent_by_client(variable)) else {
        return;
    };
    for entry in node.children() {
        let name = entry.name.text.as_str();
        let special = matches!(name, "default" | "hostnames" | "volatile" | "include");
        let literal = match name.strip_prefix('~') {
            Some(pattern) => has_long_run(pattern),
            None => is_literal(name),
        };
        if !special && literal {
            found.push(StaticKey::new(variable, entry));
        }
    }
}

/// `set $api_key "literal";`, or what a `map` sets a variable to.
fn set(
    pair: Option<(&str, &str)>,
    wanted: &BTreeSet<String>,
    at: &Node,
    found: &mut Vec<StaticKey>,
) {
    if let Some((variable, value)) = pair
        && is_literal(value)
        && (wanted.contains(variable) || proves_who(variable) && has_long_run(value))
    {
        found.push(StaticKey::new(variable, at));
    }
}

/// `proxy_set_header X-API-Key "literal";`
fn sent(node: &Node, found: &mut Vec<StaticKey>) {
    if let (Some(name), Some(value)) = (node.argument(0), node.argument(1))
        && proves_who(name)
        && is_literal(value)
        && has_long_run(value)
    {
        found.push(StaticKey::new(name, node));
    }
}

/// `proxy_pass https://host/path?api_key=literal;`, and whatever else has a query: of all that it
/// says, one key is enough.
fn asked(node: &Node, found: &mut Vec<StaticKey>) {
    let of_query = |name: &str| matches!(name, "$args" | "$query_string" | "QUERY_STRING");
    let whole = node.argument(0).is_some_and(of_query);
    for word in &node.words() {
        let query = match word.split_once('?') {
            Some((_, query)) => query,
            None if whole => word.as_str(),
            None => continue,
        };
        for (name, value) in query.split(['&', ';', '?']).filter_map(|it| it.split_once('=')) {
            let short = ["sig", "signature"].contains(&name.to_ascii_lowercase().as_str());
            if (short || proves_who(name)) && is_literal(value) && has_long_run(value) {
                found.push(StaticKey::new(name, node));
            }
        }
    }
}

/// Whether a variable is something that a client sends to prove who it is.
fn sent_by_client(variable: &str) -> bool {
    ["$http_", "$arg_", "$cookie_"]
        .iter()
        .any(|prefix| variable.strip_prefix(prefix).is_some_and(proves_who))
}

/// Whether a word is a value, and not made of variables.
fn is_literal(word: &str) -> bool {
    !word.is_empty() && !word.contains('$') && !word.starts_with('~')
}

/// Whether a word has a run of letters and digits that is long enough for a key, and is more than
/// a word of the language: `Bearer` and `multipart` are not.
fn has_long_run(word: &str) -> bool {
    word.split(|character: char| !character.is_ascii_alphanumeric() && !"-_+/=".contains(character))
        .any(|run| {
            let digits = run.bytes().filter(u8::is_ascii_digit).count();
            RUN_LETTERS_MIN <= run.len() && (digits > 0 || RUN_WORD_MAX < run.len())
        })
}

/// Shorter runs of letters and digits are no keys.
const RUN_LETTERS_MIN: usize = 8;

/// Longer runs without a digit are no words.
const RUN_WORD_MAX: usize = 20;
