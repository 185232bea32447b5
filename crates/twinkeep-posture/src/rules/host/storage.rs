//! Rule `host-storage`: what has to be protected lies on storage that is encrypted.

use crate::facts::Check;
use crate::facts::host::{Encryption, Host};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-storage",
    title: "Sensitive folders lie on encrypted storage",
    severity: Severity::High,
    protects: "Whoever gets the disk, or a copy of it, reads all that lies on it in the clear: \
               settings, logs, temporary files, and whatever other programs leave there.",
    remedy: "move the folder to a LUKS volume (`cryptsetup luksFormat`), or to a folder that \
             `fscrypt encrypt` made",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Strong,
            because: "The device under each sensitive folder was followed down to what encrypts it.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Strong,
            because: "Article 32 names encryption, and the device was looked at, not a setting.",
        },
        Evidence {
            control: "hipaa-164.310(d)(2)(i)",
            strength: Strength::Partial,
            because: "An encrypted disk is disposed of by forgetting its key.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

fn judge(host: &Host) -> Vec<Judged> {
    let judged = host.sensitive.iter().map(|sensitive| {
        let outcome = match sensitive.storage.seen().map(|storage| &storage.encryption) {
            Ok(Encryption::BlockDevice { .. } | Encryption::Folder) => Outcome::Pass,
            Ok(Encryption::Memory) => Outcome::not_applicable("it is in memory, not on a disk"),
            Ok(Encryption::Nothing { device }) => Outcome::fail(
                Place::of(&sensitive.path),
                format!("it lies on `{device}`, which nothing encrypts"),
            ),
            Err(why) => Outcome::not_checked(why),
        };
        Judged::new(&sensitive.path, outcome)
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::host::{Encryption, Host, SensitivePath, Storage};

    #[track_caller]
    fn check(encryption: Option<Encryption>, word: &str) {
        let storage = match encryption {
            Some(encryption) => Known::Seen(Storage {
                mount_point: "/".into(),
                file_system: "ext4".into(),
                encryption,
            }),
            None => Known::default(),
        };
        let (chain, tree) = (Known::default(), Known::default());
        let sensitive = vec![SensitivePath {
            path: "/srv/keep".into(),
            chain,
            tree,
            storage,
            recorded: Known::default(),
        }];
        let judged = judge(&Host { sensitive, ..Host::default() });
        assert_eq!(judged[0].outcome.word(), word, "{judged:?}");
    }

    #[test]
    fn only_what_is_encrypted_passes() {
        check(Some(Encryption::BlockDevice { kind: "CRYPT-LUKS2".into() }), "pass");
        check(Some(Encryption::Folder), "pass");
        check(Some(Encryption::Nothing { device: "vda1".into() }), "fail");
        check(Some(Encryption::Memory), "not-applicable");
        check(None, "not-checked");
    }
}
