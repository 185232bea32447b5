//! Names of others, as they are shown to people: nothing in them moves a cursor, begins a line, or
//! turns what is read around.

use std::borrow::Cow;

/// Writes characters that nobody sees as their numbers: `\u{202e}`.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match is_unseen(char) {
            true => shown.extend(char.escape_unicode()),
            false => shown.push(char),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character is a control, changes the direction of text, or has no shape at all.
fn is_unseen(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_nobody_sees_is_written_as_its_number() {
        assert_eq!(plain("a/b ü 病历.csv"), "a/b ü 病历.csv");
        assert_eq!(plain("\u{202e}vsc.exe\u{2066}\u{200b}"), "\\u{202e}vsc.exe\\u{2066}\\u{200b}");
        assert_eq!(plain("\u{1b}[2J\n\u{9b}"), "\\u{1b}[2J\\u{a}\\u{9b}");
        for hidden in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert!(!plain(&hidden.to_string()).contains(hidden));
        }
    }
}
