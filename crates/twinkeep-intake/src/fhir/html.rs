//! The text of an HTML note: what a reader would see, without its markup.
//!
//! Nothing here is shown again as HTML, so this needs no parser that agrees with a browser; it
//! must only lose no words, keep words apart, and end.

/// Takes out tags, comments, scripts, and styles, and decodes character references.
pub(super) fn text_of_html(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    // Behind it no tag can end; found once, so that time does not grow with the square of the text.
    let last_end = html.rfind('>').unwrap_or(0);
    while let Some(at) = rest.find('<') {
        push_decoded(&mut text, &rest[..at]);
        let tag = &rest[at..];
        let begins_at = html.len() - tag.len();
        let Some(length) = tag_length(tag, begins_at < last_end) else {
            // A sign for "less than", as in `BP <120`.
            text.push('<');
            rest = &tag[1..];
            continue;
        };
        let name = tag_name(tag);
        if BREAKING.contains(&name.as_str()) {
            text.push('\n');
        }
        rest = &tag[length..];
        if HIDDEN.contains(&name.as_str()) && !tag.starts_with("</") {
            rest = rest_after_hidden(rest, &name);
        }
    }
    push_decoded(&mut text, rest);
    tidy(&text)
}

/// Returns how long the tag or comment is that begins here; `None` if none does.
fn tag_length(text: &str, may_end: bool) -> Option<usize> {
    if let Some(comment) = text.strip_prefix("<!--") {
        return Some(comment.find("-->").map_or(text.len(), |end| 4 + end + 3));
    }
    let next = text[1..].chars().next()?;
    if !(next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?')) {
        return None;
    }
    if !may_end {
        return None;
    }
    let mut quote = None;
    for (at, char) in text.char_indices().take(QUOTES_LEN_MAX) {
        match (quote, char) {
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') => quote = Some(char),
            (Some(open), _) if open == char => quote = None,
            _ => {}
        }
    }
    // An image inside of an attribute, or a quote that never ends.
    text.find('>').map(|at| at + 1)
}

fn tag_name(tag: &str) -> String {
    let name = tag.trim_start_matches(['<', '/']);
    let end = name.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(name.len());
    name[..end].to_ascii_lowercase()
}

/// Skips to behind the tag that closes a script or style.
fn rest_after_hidden<'t>(rest: &'t str, name: &str) -> &'t str {
    let closing = |at: usize| {
        let tag = &rest[at..];
        tag.starts_with("</") && tag_name(tag) == name
    };
    let found = rest.match_indices("</").map(|(at, _)| at).find(|&at| closing(at));
    found.map_or("", |at| &rest[at..])
}

fn push_decoded(text: &mut String, mut part: &str) {
    while let Some(at) = part.find('&') {
        text.push_str(&part[..at]);
        part = &part[at..];
        let end = part.char_indices().take(REFERENCE_LEN_MAX).find(|(_, char)| *char == ';');
        let decoded = end.and_then(|(end, _)| Some((decode(&part[1..end])?, end + 1)));
        let (char, length) = decoded.unwrap_or(('&', 1));
        text.push(char);
        part = &part[length..];
    }
    text.push_str(part);
}

fn decode(name: &str) -> Option<char> {
    let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    });
    if let Some(char) = number.and_then(char::from_u32) {
        return Some(char).filter(|char| *char != '\0');
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "deg" => '°',
        "micro" => 'µ',
        "plusmn" => '±',
        "ndash" => '–',
        "mdash" => '—',
        _ => return None,
    })
}

/// Ends lines without blanks, and leaves at most one empty line between two others.
fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let mut empty_count = 0;
    for line in text.lines().map(str::trim_end) {
        empty_count = if line.is_empty() { empty_count + 1 } else { 0 };
        if empty_count <= 1 && !(tidy.is_empty() && line.is_empty()) {
            tidy.push_str(line);
            tidy.push('\n');
        }
    }
    tidy.truncate(tidy.trim_end().len());
    tidy
}

/// Tags that begin a new line.
const BREAKING: [&str; 17] = [
    "br", "p", "div", "li", "ul", "ol", "tr", "td", "th", "table", "h1", "h2", "h3", "h4", "h5",
    "h6", "section",
];

/// Tags whose content nobody sees.
const HIDDEN: [&str; 3] = ["script", "style", "title"];

/// How far quotes are followed: no attribute with a `>` in it is longer.
const QUOTES_LEN_MAX: usize = 512;

/// The longest character reference that is decoded, with both of its signs.
const REFERENCE_LEN_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::text_of_html;

    #[test]
    fn what_a_reader_sees_is_left() {
        let html = "<html><head><title>x</title><style>p{}</style></head><body><p>BP &lt;120 &amp; \
                    stable</p><script>if (a < b) {}</script><ul><li>one<li title='a>b'>two</ul>\
                    <!-- no --> 3 < 4 &#176;C &unknown; &</body></html>";
        assert_eq!(text_of_html(html), "BP <120 & stable\n\none\ntwo\n 3 < 4 °C &unknown; &");
    }

    #[test]
    fn markup_that_never_ends_loses_no_words() {
        assert_eq!(text_of_html("a <b c"), "a <b c");
        assert_eq!(text_of_html("a <!-- b"), "a");
        assert_eq!(text_of_html("a <script>b"), "a");
        assert_eq!(text_of_html("a <b title='x>y"), "a y");
        let image = format!("a <img src='data:{}'> b", "A".repeat(5000));
        assert_eq!(text_of_html(&image), "a  b");
    }

    #[test]
    fn time_does_not_grow_with_the_square_of_the_text() {
        for part in ["<a ", "<a '", "<!-", "</", "&", "<script>", "<script></", "<a>\n", "<"] {
            let text = text_of_html(&part.repeat((4 << 20) / part.len()));
            assert!(text.len() <= 4 << 20);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(html in "[<>&;#/!\\-'\"a-z é\n]{0,200}") {
            let _ = text_of_html(&html);
        }
    }
}
