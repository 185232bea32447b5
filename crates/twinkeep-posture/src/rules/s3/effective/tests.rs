//! The truth table of effective access: all combinations of what counts, against a second way to
//! compute it, and the cases in which a fact is missing.

use serde_json::json;

use super::{Access, access};
use crate::facts::s3::{Answer, Block, Bucket, Grant, Grantee, Ownership};
use crate::rules::s3::testing::closed;

fn grant(grantee: Grantee) -> Answer<Vec<Grant>> {
    let owner = Grant { grantee: Grantee::Owner, permission: "FULL_CONTROL".into() };
    Answer::Is(vec![owner, Grant { grantee, permission: "READ".into() }])
}

fn public_policy() -> Answer<serde_json::Value> {
    Answer::Is(json!({"Statement": [{"Sid": "Open", "Effect": "Allow", "Principal": "*",
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]}))
}

fn blocks(ignore: bool, restrict: bool) -> Block {
    Block { ignore_public_acls: ignore, restrict_public_buckets: restrict, ..Block::default() }
}

#[test]
fn all_combinations_are_as_the_documentation_has_them() {
    let grantees = [Grantee::Owner, Grantee::LogDelivery, Grantee::Other, Grantee::AllUsers];
    let owners = [
        Answer::Is(Ownership::BucketOwnerEnforced),
        Answer::Is(Ownership::BucketOwnerPreferred),
        Answer::Is(Ownership::ObjectWriter),
        Answer::Absent,
    ];
    let mut count = 0;
    for grantee in grantees.into_iter().chain([Grantee::AuthenticatedUsers]) {
        for ownership in &owners {
            for policy in [Answer::Absent, public_policy()] {
                for bits in 0..16_u8 {
                    let bit = |index: u8| bits >> index & 1 == 1;
                    let bucket = Bucket {
                        grants: grant(grantee),
                        ownership: ownership.clone(),
                        policy: policy.clone(),
                        block: Answer::Is(blocks(bit(0), bit(1))),
                        ..closed("b")
                    };
                    let account = Answer::Is(blocks(bit(2), bit(3)));
                    let public = matches!(grantee, Grantee::AllUsers | Grantee::AuthenticatedUsers);
                    let by_list = public
                        && *ownership != Answer::Is(Ownership::BucketOwnerEnforced)
                        && !bit(0)
                        && !bit(2);
                    let by_policy = policy != Answer::Absent && !bit(1) && !bit(3);
                    let found = access(&bucket, &account);
                    let ways = usize::from(by_list) + usize::from(by_policy);
                    match found {
                        Access::Closed => assert_eq!(ways, 0, "{bucket:?} {account:?}"),
                        Access::Public(said) => assert_eq!(said.len(), ways, "{bucket:?}"),
                        Access::Unknown(why) => panic!("{why}"),
                    }
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 5 * 4 * 2 * 16);
}

#[test]
fn settings_that_refuse_new_lists_and_policies_do_not_close_what_is_open() {
    let block = Block { block_public_acls: true, block_public_policy: true, ..Block::default() };
    let bucket = Bucket {
        grants: grant(Grantee::AllUsers),
        policy: public_policy(),
        block: Answer::Is(block),
        ownership: Answer::Absent,
        ..closed("b")
    };
    let Access::Public(ways) = access(&bucket, &Answer::Is(block)) else { panic!("not public") };
    assert_eq!(
        ways,
        [
            "the access control list gives READ to anybody",
            "the policy's statement `Open` allows anybody s3:GetObject"
        ]
    );
}

#[test]
fn what_is_not_known_counts_only_where_it_could_change_the_result() {
    let denied = || "access-denied".to_owned();
    let open = Bucket {
        grants: grant(Grantee::AllUsers),
        ownership: Answer::Absent,
        block: Answer::Absent,
        ..closed("b")
    };
    let known = [
        // Nothing is public, so no block is needed.
        (Bucket { block: Answer::Unknown(denied()), ..closed("b") }, Access::Closed),
        // The list is unknown, but does not count.
        (
            Bucket {
                grants: Answer::Unknown(denied()),
                ownership: Answer::Is(Ownership::BucketOwnerEnforced),
                ..closed("b")
            },
            Access::Closed,
        ),
        // The policy is unknown, but the list is open already.
        (
            Bucket { policy: Answer::Unknown(denied()), ..open.clone() },
            Access::Public(vec!["the access control list gives READ to anybody".into()]),
        ),
        // The service's own word stands in for a policy that may not be read.
        (
            Bucket {
                policy: Answer::Unknown(denied()),
                policy_public: Answer::Is(false),
                block: Answer::Absent,
                ..closed("b")
            },
            Access::Closed,
        ),
    ];
    for (bucket, expected) in known {
        assert_eq!(access(&bucket, &Answer::Absent), expected, "{bucket:?}");
    }
    let unknown = [
        Bucket { block: Answer::Unknown(denied()), ..open.clone() },
        Bucket { ownership: Answer::Unknown(denied()), ..open.clone() },
        Bucket { grants: Answer::Unknown(denied()), ..open.clone() },
        Bucket {
            policy: Answer::Unknown(denied()),
            block: Answer::Absent,
            policy_public: Answer::Absent,
            ..closed("b")
        },
        Bucket {
            policy: Answer::Is(json!("no policy")),
            block: Answer::Absent,
            policy_public: Answer::Absent,
            ..closed("b")
        },
    ];
    for bucket in unknown {
        let found = access(&bucket, &Answer::Absent);
        assert!(matches!(found, Access::Unknown(_)), "{bucket:?} {found:?}");
    }
    let account = Answer::Unknown(denied());
    assert!(matches!(access(&open, &account), Access::Unknown(_)));
}

#[test]
fn the_service_may_find_public_what_we_do_not() {
    let fixed = json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "123456789012"},
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]});
    let bucket = Bucket {
        policy: Answer::Is(fixed),
        policy_public: Answer::Is(true),
        block: Answer::Absent,
        ..closed("b")
    };
    assert!(matches!(access(&bucket, &Answer::Absent), Access::Public(_)));
}
