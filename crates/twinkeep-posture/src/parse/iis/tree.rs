//! What a place of an IIS inherits from: the levels of files and locations above it.
//!
//! The configuration of the server comes first, then its locations that lead to a place, then the
//! `web.config` of each folder down to it, with their locations. A `web.config` is that of a site
//! if its folder is called as the end of the site's physical path, and no other is.

use std::collections::BTreeMap;

use super::Element;
use crate::outcome::Place;

/// A file of the configuration.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its path, as it is shown.
    pub path: String,
    /// The names of the folders down to it.
    pub folder: Vec<String>,
    /// What is in it.
    pub root: Element,
}

impl Document {
    /// Whether it is the configuration of a server itself.
    pub fn is_server(&self) -> bool {
        self.root.all("system.applicationHost").next().is_some()
    }
}

/// One level: a document as a whole, or a location in it.
#[derive(Clone, Copy)]
pub(super) struct Level<'a> {
    pub(super) document: usize,
    pub(super) path: &'a str,
    pub(super) element: &'a Element,
}

/// A place, and the levels that hold there, the outermost first.
pub(super) struct Chain<'a> {
    pub(super) name: String,
    pub(super) site: Option<&'a Element>,
    pub(super) levels: Vec<Level<'a>>,
}

impl<'a> Chain<'a> {
    /// The innermost value of an attribute at a path of elements.
    pub(super) fn attribute(&self, path: &[&str], name: &str) -> Option<(&'a str, Place)> {
        self.levels.iter().rev().find_map(|level| {
            let found = level.element.at_path(path).into_iter().rev();
            found.filter_map(|it| Some((it.attribute(name)?, it.place(level.path)))).next()
        })
    }

    /// What a collection holds, with what `clear` and `remove` take away, by a key of its elements.
    pub(super) fn collection(&self, path: &[&str], key: &str) -> Collected<'a> {
        let mut collected = Collected::default();
        let ends = self.levels.iter().flat_map(|level| {
            let found = level.element.at_path(path);
            found.into_iter().map(|element| (*level, element))
        });
        for (level, element) in ends {
            for item in &element.children {
                let named = item.attribute(key).map(str::to_ascii_lowercase);
                match (item.name.as_str(), named) {
                    ("clear", _) => {
                        collected.items.clear();
                        collected.removed.clear();
                        collected.cleared = true;
                    }
                    ("remove", Some(name)) => {
                        collected.items.remove(&name);
                        collected.removed.push(name);
                    }
                    ("remove", None) => {}
                    (_, Some(name)) => {
                        collected.items.insert(name, (level, item));
                    }
                    (_, None) => {}
                }
            }
        }
        collected
    }
}

/// What a collection holds.
#[derive(Default)]
pub(super) struct Collected<'a> {
    pub(super) items: BTreeMap<String, (Level<'a>, &'a Element)>,
    pub(super) removed: Vec<String>,
    pub(super) cleared: bool,
}

/// The sites of a server.
pub(super) fn sites(server: &Document) -> Vec<&Element> {
    server.root.at_path(&["system.applicationHost", "sites", "site"])
}

/// The locations of a document, by their paths.
type Locations<'a> = BTreeMap<Vec<String>, Vec<&'a Element>>;

fn locations(document: &Document) -> Locations<'_> {
    let mut found = Locations::new();
    for location in document.root.all("location") {
        found
            .entry(words(location.attribute("path").unwrap_or_default()))
            .or_default()
            .push(location);
    }
    found
}

/// The parts of a path, as they are compared.
fn words(path: &str) -> Vec<String> {
    let parts = path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".");
    parts.map(str::to_lowercase).collect()
}

/// All places that the documents speak of; nothing if there are more than are read.
pub(super) fn chains(documents: &[Document]) -> Option<Vec<Chain<'_>>> {
    let mut servers = documents.iter().enumerate().filter(|(_, it)| it.is_server());
    // Of two servers nobody knows which a folder belongs to.
    let server = servers.next().filter(|_| servers.next().is_none());
    let all: Vec<Locations<'_>> = documents.iter().map(locations).collect();
    if all.iter().flat_map(BTreeMap::keys).any(|path| path.len() > PATH_PARTS_MAX) {
        return None;
    }
    let server = server.map(|(number, _)| number);
    let mut finder = Finder { documents, locations: &all, server, of_sites: BTreeMap::new() };
    for site in server.and_then(|number| documents.get(number)).into_iter().flat_map(sites) {
        if let Some(folder) = finder.folder_of(site) {
            finder.of_sites.insert(folder, site);
        }
    }
    let mut chains = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        if !document.is_server() {
            continue;
        }
        let listed = sites(document);
        for site in &listed {
            chains.push(finder.site(number, site));
        }
        finder.inner(number, &mut chains);
        if listed.is_empty() {
            let levels = finder.own(number, &[], Taken::Here);
            chains.push(Chain { name: document.path.clone(), site: None, levels });
        }
    }
    for (number, document) in documents.iter().enumerate() {
        if document.is_server() || chains.len() > CHAINS_MAX {
            continue;
        }
        if !finder.of_sites.contains_key(&number) {
            let (site, levels) = (finder.site_above(number), finder.down_to(number));
            chains.push(Chain { name: document.path.clone(), site, levels });
        }
        finder.inner(number, &mut chains);
    }
    (chains.len() <= CHAINS_MAX).then_some(chains)
}

/// From where a document is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// From itself.
    Here,
    /// From a folder below it.
    Below,
}

struct Finder<'a, 'b> {
    documents: &'a [Document],
    locations: &'b [Locations<'a>],
    server: Option<usize>,
    /// The sites of the server, by the number of their `web.config`.
    of_sites: BTreeMap<usize, &'a Element>,
}

impl<'a> Finder<'a, '_> {
    fn level(&self, document: usize, element: &'a Element) -> Level<'a> {
        let path = self.documents.get(document).map_or("", |it| it.path.as_str());
        Level { document, path, element }
    }

    /// A document as a whole, and its locations that lead to a path, the shortest first.
    fn own(&self, document: usize, to: &[String], taken: Taken) -> Vec<Level<'a>> {
        let Some(of) = self.documents.get(document) else { return Vec::new() };
        let mut levels = vec![self.level(document, &of.root)];
        for length in 0..=to.len() {
            let found = self.locations.get(document).and_then(|it| it.get(to.get(..length)?));
            let passed_on = |it: &&&Element| {
                taken == Taken::Here || it.attribute("inheritInChildApplications") != Some("false")
            };
            let found = found.into_iter().flatten().filter(passed_on);
            levels.extend(found.map(|location| self.level(document, location)));
        }
        levels
    }

    /// A site, with the `web.config` of its folder if it is known.
    fn site(&self, server: usize, site: &'a Element) -> Chain<'a> {
        let name = site.attribute("name").unwrap_or_default();
        let mut levels = self.own(server, &words(name), Taken::Here);
        let folder = self.of_sites.iter().find(|(_, it)| std::ptr::eq(**it, site));
        if let Some((folder, _)) = folder {
            levels.extend(self.own(*folder, &[], Taken::Here));
        }
        Chain { name: format!("site {name}"), site: Some(site), levels }
    }

    /// The levels of a `web.config` as a whole.
    fn down_to(&self, number: usize) -> Vec<Level<'a>> {
        let Some(here) = self.documents.get(number) else { return Vec::new() };
        let mut levels = Vec::new();
        if let Some(server) = self.server {
            let name =
                self.site_above(number).and_then(|site| site.attribute("name")).unwrap_or_default();
            levels.extend(self.own(server, &words(name), Taken::Here));
        }
        let mut above: Vec<(usize, &Document)> = self.documents.iter().enumerate().collect();
        above.retain(|(other, it)| {
            *other != number
                && !it.is_server()
                && it.folder.len() < here.folder.len()
                && here.folder.starts_with(&it.folder)
        });
        above.sort_by_key(|(_, it)| it.folder.len());
        for (other, it) in above {
            let rest: Vec<String> =
                here.folder.iter().skip(it.folder.len()).map(|name| name.to_lowercase()).collect();
            levels.extend(self.own(other, &rest, Taken::Below));
        }
        levels.extend(self.own(number, &[], Taken::Here));
        levels
    }

    /// The places that a document has locations for.
    fn inner(&self, number: usize, chains: &mut Vec<Chain<'a>>) {
        let (Some(document), Some(locations)) =
            (self.documents.get(number), self.locations.get(number))
        else {
            return;
        };
        let is_server = document.is_server();
        let listed = if is_server { sites(document) } else { Vec::new() };
        let of_server: BTreeMap<Vec<String>, &Element> = listed
            .into_iter()
            .map(|site| (words(site.attribute("name").unwrap_or_default()), site))
            .collect();
        for (path, elements) in locations {
            // What is said for the place itself is part of it already.
            if path.is_empty() || of_server.contains_key(path) || chains.len() > CHAINS_MAX {
                continue;
            }
            let written = elements.first().and_then(|it| it.attribute("path")).unwrap_or_default();
            let name = format!("{}, location {written}", document.path);
            let mut levels = if is_server { Vec::new() } else { self.down_to(number) };
            let own = self.own(number, path, Taken::Here);
            // The document as a whole is there already.
            let known: Vec<usize> = levels
                .iter()
                .filter(|it| it.document == number)
                .map(|it| it.element.start)
                .collect();
            levels.extend(own.into_iter().filter(|it| !known.contains(&it.element.start)));
            let named = path.first().and_then(|first| of_server.get(std::slice::from_ref(first)));
            let site = named.copied().or_else(|| self.site_above(number));
            chains.push(Chain { name, site, levels });
        }
    }

    /// The `web.config` of a site: its folder is called as the end of the site's path.
    fn folder_of(&self, site: &Element) -> Option<usize> {
        let root = site.all("application").find(|it| it.attribute("path") == Some("/"))?;
        let folder = root.all("virtualDirectory").find(|it| it.attribute("path") == Some("/"))?;
        let physical = words(folder.attribute("physicalPath")?);
        let same = |it: &Document| {
            let ends = it.folder.iter().rev().zip(physical.iter().rev());
            ends.take_while(|(one, other)| one.to_lowercase() == **other).count()
        };
        let others = self.documents.iter().enumerate().filter(|(_, it)| !it.is_server());
        let counted: Vec<(usize, usize)> = others.map(|(number, it)| (same(it), number)).collect();
        let best = counted.iter().map(|(count, _)| *count).max().filter(|count| *count > 0)?;
        let mut winners = counted.iter().filter(|(count, _)| *count == best);
        let (_, number) = winners.next()?;
        winners.next().is_none().then_some(*number)
    }

    /// The site in whose folder a `web.config` lies.
    fn site_above(&self, number: usize) -> Option<&'a Element> {
        let here = self.documents.get(number).filter(|it| !it.is_server())?;
        let above = self.of_sites.iter().filter(|(folder, _)| {
            let folder = self.documents.get(**folder);
            folder.is_some_and(|folder| here.folder.starts_with(&folder.folder))
        });
        // The site that is nearest: one may lie in the folder of another.
        above
            .max_by_key(|(folder, _)| self.documents.get(**folder).map_or(0, |it| it.folder.len()))
            .map(|(_, site)| *site)
    }
}

/// A server with a hundred sites has some hundred.
const CHAINS_MAX: usize = 2_000;

/// Windows takes paths of some hundred letters.
const PATH_PARTS_MAX: usize = 128;
