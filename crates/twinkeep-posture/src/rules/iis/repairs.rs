//! What would be edited in the files of an IIS so that rules pass.
//!
//! Each rule has its edits on top of those of the rules before it in the table of rules. After each
//! edit the files are read again and judged, so that what one edit settles for many places is done
//! once, and what would not help is not done.

use std::collections::BTreeSet;

use super::REPAIRED;
use crate::facts::Check;
use crate::facts::iis::{Iis, Repair, Scope};
use crate::fix::{Change, Gate};
use crate::outcome::{Judged, Outcome, Place};
use crate::parse::iis::edit::{find as element_at, insert, remove, set_attribute, starting_at};
use crate::parse::iis::effective::{HEADERS, Innermost, Source, facts};
use crate::parse::iis::parse;
use crate::rule::Judge;

/// The changes of files that a rule asks for, if they make this resource pass.
pub(super) fn changes(facts: &Iis, judged: &Judged, rule: &str) -> Vec<Change> {
    let mine = facts
        .repairs
        .steps
        .iter()
        .filter(|step| step.rule == rule && step.resources.contains(&judged.resource));
    let change = |step: &Repair| Change::Rewrite {
        path: step.path.clone(),
        from: step.from.clone(),
        to: step.to.clone(),
        gate: Some(Gate::Iis { config: step.path.clone() }),
    };
    mine.map(change).collect()
}

/// Works out all edits of a configuration.
pub(crate) fn find(root: &str, documents: Vec<Source>, texts: Vec<String>) -> Vec<Repair> {
    let mut editor = Editor { root, documents, texts };
    let mut steps = Vec::new();
    for rule in REPAIRED {
        let Check::Iis(Judge { judge }) = &rule.check else { continue };
        let before = editor.texts.clone();
        let failed = editor.failing(*judge);
        editor.repair(rule.id, *judge);
        let left = editor.failing(*judge);
        let resources: Vec<String> = failed.difference(&left).cloned().collect();
        for ((document, from), to) in editor.documents.iter().zip(before).zip(&editor.texts) {
            if from != *to && !resources.is_empty() {
                let (rule, path) = (rule.id.to_owned(), document.path.clone());
                let (resources, to) = (resources.clone(), to.clone());
                steps.push(Repair { rule, resources, path, from, to });
            }
        }
    }
    steps
}

type Judging = fn(&Iis) -> Vec<Judged>;

struct Editor<'a> {
    root: &'a str,
    documents: Vec<Source>,
    texts: Vec<String>,
}

impl Editor<'_> {
    fn facts(&self) -> Option<(Iis, Vec<Innermost>)> {
        facts(self.root, &self.documents).ok()
    }

    fn failing(&self, judge: Judging) -> BTreeSet<String> {
        let judged = self.facts().map(|(facts, _)| judge(&facts)).unwrap_or_default();
        let failed = judged.into_iter().filter(|it| matches!(it.outcome, Outcome::Fail { .. }));
        failed.map(|it| it.resource).collect()
    }

    /// Edits until each place passes, or an edit for it was tried.
    fn repair(&mut self, rule: &str, judge: Judging) {
        let mut tried: BTreeSet<(String, Place)> = BTreeSet::new();
        while let Some((facts, innermost)) = self.facts() {
            let next = judge(&facts).into_iter().find_map(|judged| match judged.outcome {
                Outcome::Fail { at, .. } => {
                    let one = (judged.resource, at);
                    (!tried.contains(&one)).then_some(one)
                }
                _ => None,
            });
            let Some((resource, at)) = next.filter(|_| tried.len() < TRIES_MAX) else { return };
            let found = facts.scopes.iter().zip(&innermost).find(|(it, _)| it.name == resource);
            tried.insert((resource, at.clone()));
            if let Some((scope, target)) = found {
                self.edit(rule, scope, *target, &at);
            }
        }
    }

    /// Makes one edit, if the text is still a configuration after it.
    fn edit(&mut self, rule: &str, scope: &Scope, target: Innermost, at: &Place) {
        let edited = match rule {
            "iis-hsts" => {
                self.header(scope, target, "Strict-Transport-Security", "max-age=31536000")
            }
            "iis-nosniff" => self.header(scope, target, "X-Content-Type-Options", "nosniff"),
            "iis-framing" => self.header(scope, target, "X-Frame-Options", "SAMEORIGIN"),
            "iis-powered-by" => self.without_header(scope, target, at, "X-Powered-By"),
            "iis-listing" => self.set(at, "enabled", "false"),
            "iis-access-log" => self.set(at, "dontLog", "false"),
            "iis-debug" => self
                .set_if(at, "errorMode", "Detailed", "DetailedLocalOnly")
                .or_else(|| self.set_if(at, "mode", "Off", "RemoteOnly"))
                .or_else(|| self.set_if(at, "debug", "true", "false")),
            _ => None,
        };
        if let Some((number, text)) = edited
            && let Ok(root) = parse(&text)
            && let Some(document) = self.documents.get_mut(number)
            && let Some(old) = self.texts.get_mut(number)
        {
            (document.root, *old) = (root, text);
        }
    }

    /// Adds a header to a place. What is inherited is taken away first: IIS refuses to answer at all
    /// where a name is added twice.
    fn header(
        &self,
        scope: &Scope,
        target: Innermost,
        name: &str,
        value: &str,
    ) -> Option<(usize, String)> {
        // What a rule does to the header afterwards is left to people.
        if scope.rewritten.iter().any(|it| it.name.eq_ignore_ascii_case(name)) {
            return None;
        }
        let (document, text) = (self.documents.get(target.0)?, self.texts.get(target.0)?);
        let outer = starting_at(&document.root, target.1)?;
        let there = scope.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name));
        let own =
            outer.at_path(HEADERS).into_iter().flat_map(|it| it.all("add")).find(|it| {
                it.attribute("name").is_some_and(|known| known.eq_ignore_ascii_case(name))
            });
        let edited = match own.filter(|_| there.is_some()) {
            Some(own) => set_attribute(text, own, "value", value)?,
            None => {
                let lines = format!(
                    "<remove name=\"{name}\" />\n<add name=\"{name}\" value=\"{value}\" />"
                );
                insert(text, outer, HEADERS, &lines)?
            }
        };
        Some((target.0, edited))
    }

    /// Takes a header away: where it stands if that is at this place, and else here.
    fn without_header(
        &self,
        scope: &Scope,
        target: Innermost,
        at: &Place,
        name: &str,
    ) -> Option<(usize, String)> {
        let (document, text) = (self.documents.get(target.0)?, self.texts.get(target.0)?);
        let outer = starting_at(&document.root, target.1)?;
        let added = scope.headers.iter().any(|it| it.at == *at);
        let own = element_at(outer, at.line?, at.column?)
            .filter(|it| added && it.name == "add" && at.path == document.path)
            // What is said in a location inside is not said here.
            .filter(|it| {
                outer.at_path(HEADERS).iter().any(|headers| headers.children.contains(it))
            });
        let edited = match own {
            Some(own) => remove(text, own)?,
            None => insert(text, outer, HEADERS, &format!("<remove name=\"{name}\" />"))?,
        };
        Some((target.0, edited))
    }

    /// Gives an attribute another value where it stands.
    fn set(&self, at: &Place, name: &str, value: &str) -> Option<(usize, String)> {
        let number = self.documents.iter().position(|it| it.path == at.path)?;
        let element = element_at(&self.documents.get(number)?.root, at.line?, at.column?)?;
        Some((number, set_attribute(self.texts.get(number)?, element, name, value)?))
    }

    fn set_if(&self, at: &Place, name: &str, from: &str, to: &str) -> Option<(usize, String)> {
        let number = self.documents.iter().position(|it| it.path == at.path)?;
        let element = element_at(&self.documents.get(number)?.root, at.line?, at.column?)?;
        element.attribute(name).filter(|value| value.eq_ignore_ascii_case(from))?;
        self.set(at, name, to)
    }
}

/// More edits for one rule are left to people.
const TRIES_MAX: usize = 50;
