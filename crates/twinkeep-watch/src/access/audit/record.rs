//! One line of an audit log: its kind, which event it belongs to, and its fields.
//!
//! Names that have a space, a quote, or a control character are in hexadecimal; what `auditd` adds
//! for people (`ENRICHED`) comes after a separator, with names in capitals.

/// Which event a record belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// The kernel's number of it.
    pub serial: u64,
    /// The host, where the log has several.
    pub node: String,
}

/// A record, as it is in its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Which event it belongs to.
    pub id: EventId,
    /// What kind it is: `SYSCALL`, `PATH`, …
    pub kind: &'a str,
    /// Its fields.
    body: &'a str,
    /// What `auditd` adds for people.
    enriched: &'a str,
}

impl<'a> Record<'a> {
    /// Reads a line; none if it is no record.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (node, line) = match line.strip_prefix("node=") {
            Some(rest) => rest.split_once(' ')?,
            None => ("", line),
        };
        let (kind, line) = line.strip_prefix("type=")?.split_once(' ')?;
        let (stamp, body) = line.strip_prefix("msg=audit(")?.split_once("):")?;
        let (time, serial) = stamp.split_once(':')?;
        let (seconds, millis) = time.split_once('.')?;
        if millis.len() != 3 {
            return None;
        }
        let time_ms = seconds.parse::<i64>().ok()?.checked_mul(1000)?;
        let time_ms = time_ms.checked_add(i64::from(millis.parse::<u16>().ok()?))?;
        let (body, enriched) = body.split_once(SEPARATOR).unwrap_or((body, ""));
        let id = EventId { time_ms, serial: serial.parse().ok()?, node: node.to_owned() };
        Some(Self { id, kind, body: body.trim(), enriched })
    }

    /// The fields as they are written, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        Fields(self.body)
    }

    /// A field as it is written.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        self.fields().find(|field| field.0 == name).map(|field| field.1)
    }

    /// What `auditd` added for people about a field.
    pub fn enriched(&self, name: &str) -> Option<&'a str> {
        let name = name.to_ascii_uppercase();
        Fields(self.enriched).find(|field| field.0 == name).map(|field| unquoted(field.1))
    }

    /// The keys of the rules that made it.
    pub fn keys(&self) -> Vec<String> {
        if !matches!(self.kind, "SYSCALL" | "CONFIG_CHANGE" | "URINGOP") {
            return Vec::new();
        }
        let Some(written) = self.field("key").filter(|key| *key != "(null)") else {
            return Vec::new();
        };
        // Several keys are one text, with a control character between.
        text(written).split('\u{1}').map(str::to_owned).collect()
    }

    /// Returns whether one of its keys contains `key`, as `ausearch -k` takes it.
    pub fn has_key(&self, key: &str) -> bool {
        // Most records have no key, and need not be taken apart.
        self.body.contains("key=") && self.keys().iter().any(|its| its.contains(key))
    }
}

/// `name=value` by `name=value`; a value in quotes may have spaces.
struct Fields<'a>(&'a str);

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.0 = self.0.trim_start();
            if self.0.is_empty() {
                return None;
            }
            let word_end = self.0.find(' ').unwrap_or(self.0.len());
            let Some(equals) = self.0[..word_end].find('=') else {
                // A word of its own, as some kinds have.
                self.0 = &self.0[word_end..];
                continue;
            };
            let (name, value) = (&self.0[..equals], &self.0[equals + 1..]);
            let end = match value.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    value[1..].find(quote).map_or(value.len(), |at| at + 2)
                }
                _ => value.find(' ').unwrap_or(value.len()),
            };
            self.0 = &value[end..];
            return Some((name, &value[..end]));
        }
    }
}

fn unquoted(written: &str) -> &str {
    let inner = |quote: char| written.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(written)
}

/// A text as it was before it was written: in quotes, or in hexadecimal.
pub(super) fn text(written: &str) -> String {
    if written.starts_with(['"', '\'']) {
        return unquoted(written).to_owned();
    }
    match from_hex(written) {
        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        None => written.to_owned(),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()).collect()
}

/// Between a record and what `auditd` adds to it.
const SEPARATOR: char = '\u{1d}';
