//! Reads the configuration of an nginx from its files.
//!
//! Needs the path of the main file. Includes are looked up as nginx does: a relative one beside
//! the main file, patterns sorted by name. What cannot be read is a fact, not an error: rules then
//! say what they could not check.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::collect::CollectError;
use crate::facts::nginx::{Nginx, Repairs, Unread};
use crate::parse::nginx::effective;
use crate::parse::nginx::tree::{Configuration, Node, Source};
use crate::parse::nginx::{Directive, parse};
use crate::rules::nginx::repairs;

mod pattern;

/// Reads the configuration and works out what holds where.
pub fn collect(main: &Path) -> Result<Nginx, CollectError> {
    let configuration = load(main)?;
    let mut facts = effective::facts(&configuration);
    let sources = configuration.files.iter().map(|file| {
        let text = String::from_utf8(file.text.clone()).ok()?;
        Some((file.path.display().to_string(), text))
    });
    // A file that is not text cannot be written back as one: then nothing is edited.
    if let Some(sources) = sources.collect() {
        facts.repairs = Repairs { sources, edits: repairs::find(&configuration, &facts) };
    }
    Ok(facts)
}

/// Reads the main file and all that it includes.
pub fn load(main: &Path) -> Result<Configuration, CollectError> {
    let text = read(main)
        .map_err(|source| CollectError::Read { path: main.display().to_string(), source })?;
    let prefix = main.parent().unwrap_or(Path::new("")).to_owned();
    let mut loader = Loader { prefix, configuration: Configuration::default(), open: Vec::new() };
    let nodes = loader.file(main, text)?;
    loader.configuration.nodes = nodes;
    Ok(loader.configuration)
}

struct Loader {
    prefix: PathBuf,
    configuration: Configuration,
    /// The files that are being included, to find circles.
    open: Vec<PathBuf>,
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
        let directives = parse(&text).map_err(|error| CollectError::Unexpected {
            what: shown.clone(),
            why: format!("{error}; `nginx -t` says more"),
        })?;
        self.configuration.files.push(Source { path: path.to_owned(), text });
        self.open.push(path.to_owned());
        let nodes = self.nodes(number, &shown, directives);
        self.open.pop();
        nodes
    }

    fn nodes(
        &mut self,
        file: usize,
        path: &str,
        directives: Vec<Directive>,
    ) -> Result<Vec<Node>, CollectError> {
        let mut nodes = Vec::new();
        for mut directive in directives {
            let mut node = Node::new(file, path, &directive);
            if node.is("include") && node.block.is_none() {
                nodes.extend(self.include(&node)?);
                continue;
            }
            if let (Some(block), Some(into)) = (directive.block.take(), node.block.as_mut()) {
                into.nodes = self.nodes(file, path, block.directives)?;
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
    // A pipe is not waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Large sites have some hundred files.
const FILES_MAX: usize = 4096;

/// Lists of addresses in `geo` blocks are the largest, at some megabytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A file counts as often as it is included.
const ALL_BYTES_MAX: u64 = 32 << 20;

/// Files include files a few levels deep.
const INCLUDE_DEPTH_MAX: usize = 16;
