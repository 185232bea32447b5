//! Reads the configuration of an nginx from its files.
//!
//! Needs the path of the main file. Includes are looked up as nginx does: a relative one beside
//! the main file, patterns sorted by name. What cannot be read is a fact, not an error: rules then
//! say what they could not check.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::collect::{CollectError, regular};
use crate::facts::nginx::{Nginx, Repairs, Unread};
use crate::parse::nginx::effective;
use crate::parse::nginx::tree::{Configuration, Node, Source};
use crate::parse::nginx::{Directive, parse_within};
use crate::rules::nginx::repairs;

mod pattern;

/// Reads the configuration and works out what holds where.
pub fn collect(main: &Path) -> Result<Nginx, CollectError> {
    let configuration = load(main)?;
    let mut facts = effective::facts(&configuration).map_err(|too_many| {
        let why = format!("{too_many}; scan the files of one server after the other");
        CollectError::Unexpected { what: main.display().to_string(), why }
    })?;
    let sources = configuration.files.iter().map(|file| {
        let text = String::from_utf8(file.text.clone()).ok()?;
        Some((file.path.display().to_string(), text))
    });
    let held: usize = configuration.files.iter().map(|file| file.text.len()).sum();
    let places: usize = facts.servers.iter().map(|server| 1 + server.locations.len()).sum();
    // A file that is not text cannot be written back as one: then nothing is edited. A plan has
    // the text for each place that it repairs, so that of a very large one is left to people.
    if held <= REPAIRED_BYTES_MAX
        && places <= REPAIRED_PLACES_MAX
        && let Some(sources) = sources.collect()
    {
        facts.repairs = Repairs { sources, edits: repairs::find(&configuration, &facts) };
    }
    Ok(facts)
}

/// Reads the main file and all that it includes.
pub fn load(main: &Path) -> Result<Configuration, CollectError> {
    let text = read(main)
        .map_err(|source| CollectError::Read { path: main.display().to_string(), source })?;
    let prefix = main.parent().unwrap_or(Path::new("")).to_owned();
    let mut loader = Loader {
        prefix,
        configuration: Configuration::default(),
        open: Vec::new(),
        words_left: WORDS_MAX,
    };
    let nodes = loader.file(main, text)?;
    loader.configuration.nodes = nodes;
    Ok(loader.configuration)
}

struct Loader {
    prefix: PathBuf,
    configuration: Configuration,
    /// The files that are being included, to find circles.
    open: Vec<PathBuf>,
    /// How many more words are read, all files together.
    words_left: usize,
}

impl Loader {
    fn file(&mut self, path: &Path, text: Vec<u8>) -> Result<Vec<Node>, CollectError> {
        let shown = path.display().to_string();
        let number = self.configuration.files.len();
        let held: usize = self.configuration.files.iter().map(|file| file.text.len()).sum();
        let is_large = text.len() as u64 > FILE_BYTES_MAX
            || held.saturating_add(text.len()) as u64 > ALL_BYTES_MAX;
        if number >= FILES_MAX || is_large {
            return Err(CollectError::Unexpected {
                what: shown,
                why: format!(
                    "more than {FILES_MAX} files, {FILE_BYTES_MAX} bytes in one, or \
                     {ALL_BYTES_MAX} bytes in all; is it the main file?"
                ),
            });
        }
        let directives = parse_within(&text, &mut self.words_left).map_err(|error| {
            let why = format!("{error}; `nginx -t` says more");
            CollectError::Unexpected { what: shown.clone(), why }
        })?;
        self.configuration.files.push(Source { path: path.to_owned(), text });
        self.open.push(path.to_owned());
        let nodes = self.nodes(number, &Arc::from(shown), directives);
        self.open.pop();
        nodes
    }

    fn nodes(
        &mut self,
        file: usize,
        path: &Arc<str>,
        directives: Vec<Directive>,
    ) -> Result<Vec<Node>, CollectError> {
        let mut nodes = Vec::new();
        for directive in directives {
            let (mut node, inside) = Node::new(file, path, directive);
            if node.is("include") && node.block.is_none() {
                nodes.extend(self.include(&node)?);
                continue;
            }
            if let Some(block) = node.block.as_mut() {
                block.nodes = self.nodes(file, path, inside)?;
            }
            nodes.push(node);
        }
        Ok(nodes)
    }

    fn include(&mut self, node: &Node) -> Result<Vec<Node>, CollectError> {
        let Some(wanted) = node.argument(0) else { return Ok(Vec::new()) };
        let paths = match pattern::expand(&self.prefix.join(wanted)) {
            Ok(paths) => paths,
            Err(error) => {
                self.unread(node, &error);
                return Ok(Vec::new());
            }
        };
        let mut nodes = Vec::new();
        for path in paths {
            if self.open.contains(&path) || self.open.len() > INCLUDE_DEPTH_MAX {
                self.unread(node, &io::Error::other("it includes itself"));
                continue;
            }
            match read(&path) {
                Ok(text) => nodes.extend(self.file(&path, text)?),
                Err(error) => self.unread(node, &error),
            }
        }
        Ok(nodes)
    }

    fn unread(&mut self, node: &Node, error: &io::Error) {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "no permission to read it".to_owned(),
            _ => error.to_string(),
        };
        self.configuration.unread.push(Unread { at: node.at(), why });
    }
}

/// Reads a file, but never more than the most that one may have and one byte.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    regular::read_up_to(path, FILE_BYTES_MAX)
}

/// Large sites have some hundred files.
const FILES_MAX: usize = 4096;

/// Lists of addresses in `geo` blocks are the largest, at some megabytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A file counts as often as it is included.
const ALL_BYTES_MAX: u64 = 32 << 20;

/// Files include files a few levels deep.
const INCLUDE_DEPTH_MAX: usize = 16;

/// A table of a hundred thousand networks in a `geo` block has two hundred thousand; all else of a
/// configuration has some ten thousand.
const WORDS_MAX: usize = 1_000_000;

/// Larger configurations are judged, and repaired by hand.
const REPAIRED_BYTES_MAX: usize = 2 << 20;
const REPAIRED_PLACES_MAX: usize = 2_000;
