//! Rule `pg-storage`: the files of the server lie on storage that is encrypted.

use crate::facts::Check;
use crate::facts::host::Encryption;
use crate::facts::postgres::Postgres;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::on_server;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-storage",
    title: "The data directory of the database server lies on encrypted storage",
    severity: Severity::High,
    protects: "PostgreSQL encrypts nothing itself: who gets the disk, or a copy of it, reads all \
               tables.",
    remedy: "move the data directory to a LUKS volume, and scan on the machine of the server",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Strong,
            because: "Tables are encrypted before they are written to disk.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Strong,
            because: "Personal data at rest are encrypted.",
        },
        Evidence {
            control: "nprm-164.312(b)",
            strength: Strength::Partial,
            because: "The proposed rule requires that all electronic protected health information \
                      at rest is encrypted.",
        },
    ],
    check: Check::Postgres(Judge { judge }),
};

fn judge(facts: &Postgres) -> Vec<Judged> {
    on_server(
        facts,
        match facts.storage.seen().map(|storage| &storage.encryption) {
            Ok(Encryption::BlockDevice { .. } | Encryption::Folder) => Outcome::Pass,
            Ok(Encryption::Memory) => Outcome::not_applicable("it is in memory, not on a disk"),
            Ok(Encryption::Nothing { device }) => Outcome::fail(
                Place::of("data_directory"),
                format!("it lies on `{device}`, which nothing encrypts"),
            ),
            Err(why) => Outcome::not_checked(why),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::host::{Encryption, Storage};
    use crate::facts::postgres::Postgres;
    use crate::rules::postgres::testing::word;

    #[test]
    fn only_what_is_encrypted_passes() {
        let with = |encryption| {
            let (mount_point, file_system) = ("/".into(), "ext4".into());
            let storage = Known::Seen(Storage { mount_point, file_system, encryption });
            word(judge, &Postgres { storage, ..Postgres::default() })
        };
        assert_eq!(with(Encryption::BlockDevice { kind: "CRYPT-LUKS2".into() }), "pass");
        assert_eq!(with(Encryption::Nothing { device: "vda1".into() }), "fail");
        assert_eq!(word(judge, &Postgres::default()), "not-checked");
    }
}
