//! Rule `host-parents`: nobody else can exchange a sensitive folder.

use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-parents",
    title: "Nobody but root and the owner can change the folders above a sensitive one",
    severity: Severity::High,
    protects: "Whoever may write a folder above can put another one in its place.",
    remedy: "run `chmod go-w` for the folder, and `chown` it to root or to the owner",
    controls: &[
        Evidence {
            control: "hipaa-164.312(c)(1)",
            strength: Strength::Partial,
            because: "Data cannot be exchanged as a whole from above.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "Integrity holds from the root of the file system on.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

/// The group and others may write.
const WRITABLE: u32 = 0o022;

/// Only who owns a file in it may remove that.
const STICKY: u32 = 0o1000;

fn judge(host: &Host) -> Vec<Judged> {
    let judged = host.sensitive.iter().map(|sensitive| {
        let chain = match sensitive.chain.seen() {
            Ok(chain) => chain,
            Err(why) => return Judged::new(&sensitive.path, Outcome::not_checked(why)),
        };
        let owner = chain.first().map_or(0, |own| own.uid);
        let outcome = chain.iter().skip(1).find_map(|folder| {
            let at = || Place::of(&folder.path);
            if folder.mode & WRITABLE != 0 && folder.mode & STICKY == 0 {
                let mode = folder.mode;
                return Some(Outcome::fail(at(), format!("others can write it: mode {mode:04o}")));
            }
            (folder.uid != 0 && folder.uid != owner)
                .then(|| Outcome::fail(at(), format!("it belongs to user {}", folder.uid)))
        });
        Judged::new(&sensitive.path, outcome.unwrap_or(Outcome::Pass))
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::file::{File, FileKind};
    use crate::facts::host::{Host, SensitivePath};

    fn word(parents: &[(u32, u32)]) -> &'static str {
        let file = |(mode, uid): &(u32, u32)| {
            let (kind, acl) = (FileKind::Folder, Some(false));
            File { path: "/srv".into(), kind, mode: *mode, uid: *uid, gid: 0, acl }
        };
        let chain = std::iter::once(&(0o700, 1000)).chain(parents).map(file).collect();
        let (tree, storage) = (Known::default(), Known::default());
        let path = "/srv/keep".to_owned();
        let sensitive = vec![SensitivePath {
            path,
            chain: Known::Seen(chain),
            tree,
            storage,
            recorded: Known::default(),
        }];
        judge(&Host { sensitive, ..Host::default() })[0].outcome.word()
    }

    #[test]
    fn only_root_and_the_owner_may_change_what_is_above() {
        assert_eq!(word(&[(0o755, 0), (0o755, 1000)]), "pass");
        assert_eq!(word(&[(0o1777, 0)]), "pass");
        assert_eq!(word(&[(0o777, 0)]), "fail");
        assert_eq!(word(&[(0o775, 1000)]), "fail");
        assert_eq!(word(&[(0o755, 1001)]), "fail");
    }
}
