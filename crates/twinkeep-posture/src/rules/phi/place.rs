//! Rule `phi-place`: readable data of people is not where copies of it are made.

use std::path::Path;

use super::readable;
use crate::facts::Check;
use crate::facts::phi::{Phi, PhiFile};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "phi-place",
    title: "Readable files with data of people are not where copies of them are made",
    severity: Severity::Medium,
    protects: "A history of versions, a synchronized folder, and the root of a web server hand out \
               copies that nobody can call back.",
    remedy: "move the file out of that place, and remove it from the history (`git filter-repo`) \
             or the copies that were made",
    controls: &[
        Evidence {
            control: "hipaa-164.310(d)(1)",
            strength: Strength::Partial,
            because: "What is synchronized or committed leaves the media that are accounted for.",
        },
        Evidence {
            control: "gdpr-5(1)(e)",
            strength: Strength::Partial,
            because: "A history keeps data for longer than anybody meant to.",
        },
    ],
    check: Check::Phi(Judge { judge }),
};

fn judge(phi: &Phi) -> Vec<Judged> {
    readable(phi)
        .map(|found| {
            let path = &found.file.path;
            let outcome = match copied(found) {
                Some(what) => Outcome::fail(Place::of(path), what),
                None => Outcome::Pass,
            };
            Judged::new(path, outcome)
        })
        .collect()
}

/// Why a file is copied from where it lies.
fn copied(found: &PhiFile) -> Option<String> {
    if found.repository.is_some() {
        return Some("lies in a repository, whose history keeps it".to_owned());
    }
    let path = Path::new(&found.file.path);
    if let Some(root) = SERVED.iter().find(|root| path.starts_with(root)) {
        return Some(format!("lies in `{root}`, which a web server hands out"));
    }
    if let Some(root) = SHARED.iter().find(|root| path.starts_with(root)) {
        return Some(format!("lies in `{root}`, which all accounts share"));
    }
    let folder = path
        .parent()?
        .components()
        .filter_map(|part| part.as_os_str().to_str())
        .find(|part| SYNCHRONIZED.iter().any(|name| part.eq_ignore_ascii_case(name)))?;
    Some(format!("lies in a folder `{folder}`, which is synchronized or served"))
}

/// Roots of web servers.
const SERVED: &[&str] = &["/var/www", "/srv/www", "/srv/http", "/srv/ftp", "/usr/share/nginx"];

/// Folders of all accounts.
const SHARED: &[&str] = &["/tmp", "/var/tmp", "/dev/shm", "/Users/Shared"];

/// Folders that a program copies elsewhere, wherever they are.
const SYNCHRONIZED: &[&str] = &[
    "dropbox",
    "onedrive",
    "google drive",
    "googledrive",
    "nextcloud",
    "owncloud",
    "icloud drive",
    "box sync",
    "syncthing",
    "public_html",
    "htdocs",
    "wwwroot",
];
