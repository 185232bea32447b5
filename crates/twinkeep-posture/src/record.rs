//! The record of processing activities (GDPR, article 30(1)), as it is told: what the configuration
//! says, where it says it, and what nobody configured.
//!
//! # Invariants
//!
//! - A part that nobody configured is said to be missing, with the key to set; never left out.
//! - The same record gives the same bytes.

use maud::{DOCTYPE, Markup, html as markup};
use serde::Serialize;

use crate::report::plain;

#[cfg(test)]
mod tests;

/// The version of the form of records.
pub const RECORD_FORMAT: &str = "twinkeep-processing-record/1";

/// A record of processing activities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The version of this form: [`RECORD_FORMAT`].
    pub format: &'static str,
    /// What is processed here: the title of the pack.
    pub title: String,
    /// When it was made (RFC 3339).
    pub made: String,
    /// The parts that the article names, in its order.
    pub parts: Vec<Part>,
}

/// A part of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The letter that names it: `30(1)(a)`.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// What is said.
    pub says: Vec<Said>,
    /// What nobody configured.
    pub missing: Vec<Missing>,
}

/// Something that a record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// What it says.
    pub text: String,
    /// What it counts up, one by one: what each is called may have commas.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    /// Where that comes from: a key of the configuration, the pack, or a rule.
    pub from: String,
}

/// Something that nobody configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// What is missing.
    pub what: &'static str,
    /// The key to set.
    pub key: &'static str,
}

impl Part {
    /// A part that says nothing yet.
    pub fn new(id: &'static str, title: &'static str) -> Part {
        Part { id, title, says: Vec::new(), missing: Vec::new() }
    }

    /// Says something, from somewhere.
    #[must_use]
    pub fn says(mut self, text: impl Into<String>, from: impl Into<String>) -> Part {
        self.says.push(Said { text: text.into(), items: Vec::new(), from: from.into() });
        self
    }

    /// Counts something up, from somewhere.
    #[must_use]
    pub fn lists(
        mut self,
        text: impl Into<String>,
        items: impl IntoIterator<Item = String>,
        from: impl Into<String>,
    ) -> Part {
        let items = items.into_iter().collect();
        self.says.push(Said { text: text.into(), items, from: from.into() });
        self
    }

    /// Says each of what a key has, or that it is missing.
    #[must_use]
    pub fn configured(mut self, missing: Missing, texts: impl IntoIterator<Item = String>) -> Part {
        let before = self.says.len();
        for text in texts {
            self = self.says(text, missing.key);
        }
        if self.says.len() == before {
            self.missing.push(missing);
        }
        self
    }
}

impl Record {
    /// What nobody configured, in all parts.
    pub fn missing(&self) -> impl Iterator<Item = &Missing> {
        self.parts.iter().flat_map(|part| &part.missing)
    }

    /// Writes it for programs.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Writes it for people at a terminal.
    pub fn text(&self) -> String {
        let mut out = format!("{}, {}\n", plain(&self.title), self.made);
        for part in &self.parts {
            out.push_str(&format!("\n{}  {}\n", part.id, part.title));
            for said in &part.says {
                out.push_str(&format!("  {}  ({})\n", plain(&said.text), plain(&said.from)));
                for item in &said.items {
                    out.push_str(&format!("    - {}\n", plain(item)));
                }
            }
            for missing in &part.missing {
                out.push_str(&format!("  missing: {}; set `{}`\n", missing.what, missing.key));
            }
        }
        out
    }

    /// Writes it as a page that loads nothing and runs nothing.
    pub fn html(&self) -> String {
        let page = markup! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy"
                        content="default-src 'none'; style-src 'unsafe-inline'";
                    title { "Record of processing activities" }
                    style { (STYLE) }
                }
                body {
                    h1 { "Record of processing activities" }
                    p { (plain(&self.title)) ", as of " (self.made) ". Regulation (EU) 2016/679, article 30(1)." }
                    @for part in &self.parts { (part_of(part)) }
                }
            }
        };
        page.into_string()
    }
}

fn part_of(part: &Part) -> Markup {
    markup! {
        h2 { (part.id) " " (part.title) }
        table {
            @for said in &part.says { (line(said)) }
            @for missing in &part.missing {
                tr.missing { td { "Missing: " (missing.what) } td.from { "set " code { (missing.key) } } }
            }
        }
    }
}

fn line(said: &Said) -> Markup {
    markup! {
        tr {
            td {
                (plain(&said.text))
                @if !said.items.is_empty() {
                    ul { @for item in &said.items { li { (plain(item)) } } }
                }
            }
            td.from { (plain(&said.from)) }
        }
    }
}

const STYLE: &str = "body{font:16px/1.4 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}td{border:1px solid #999;padding:.3rem .5rem;text-align:\
left;vertical-align:top}.from{color:#555;width:30%}.missing td{color:#a00}@media print{body{margin:0}}";
