//! What would make buckets pass: one setting a change, with all that it is not about kept as it is.
//!
//! Grants to the log delivery service stay, blocked kinds of encryption stay, and so do the other
//! statements of a policy. Buckets that are served as websites are left to people.

use serde_json::{Value, json};

use super::effective::{Access, access};
use crate::facts::s3::{Answer, Block, Bucket, Grant, Grantee, Ownership, S3, Versioning};
use crate::fix::{BucketSetting, Change};
use crate::outcome::Judged;
use crate::parse::bucket_policy::Policy;
use crate::parse::s3_xml::{self, Element, XmlError};

/// Blocks public access, of whatever kind.
pub(super) fn block(facts: &S3, judged: &Judged) -> Vec<Change> {
    let Some(bucket) = closable(facts, judged) else { return Vec::new() };
    let known = |block: &Answer<Block>| block.known().copied().unwrap_or_default();
    let is_full = known(&bucket.block).or(known(&facts.account_block)) == Block::FULL;
    if is_full || bucket.block.why_unknown().is_some() {
        return Vec::new();
    }
    let from = bucket.documents.get("publicAccessBlock").cloned();
    change(facts, bucket, BucketSetting::PublicAccessBlock, from, FULL_BLOCK.to_owned())
}

/// Blocks public access, and then takes grants to anybody out of the list, where it counts.
pub(super) fn grants(facts: &S3, judged: &Judged) -> Vec<Change> {
    let Some(bucket) = closable(facts, judged) else { return Vec::new() };
    let mut changes = block(facts, judged);
    let public = |grant: &Grant| grant.grantee.is_public();
    let is_listed = bucket.grants.known().is_some_and(|grants| grants.iter().any(public));
    // Where lists do not count, S3 refuses to set them.
    let counts = match &bucket.ownership {
        Answer::Is(ownership) => *ownership != Ownership::BucketOwnerEnforced,
        Answer::Absent => true,
        Answer::Unknown(_) => false,
    };
    if let Some(from) = bucket.documents.get("acl")
        && is_listed
        && counts
        && let Ok(to) = without_public(from)
    {
        changes.extend(change(facts, bucket, BucketSetting::Acl, Some(from.clone()), to));
    }
    changes
}

/// Encrypts new objects by default.
pub(super) fn encryption(facts: &S3, judged: &Judged) -> Vec<Change> {
    let Some(bucket) = find(facts, judged) else { return Vec::new() };
    let from = bucket.documents.get("encryption").cloned();
    let to = encrypted(from.as_deref());
    match (&bucket.encryption, to) {
        (Answer::Absent, Ok(to)) => change(facts, bucket, BucketSetting::Encryption, from, to),
        _ => Vec::new(),
    }
}

/// Switches lists off, where nobody else is on them, or will be once public grants are gone.
pub(super) fn ownership(facts: &S3, judged: &Judged) -> Vec<Change> {
    let Some(bucket) = find(facts, judged) else { return Vec::new() };
    let goes = closable(facts, judged).is_some();
    let may_go =
        |grant: &Grant| grant.grantee == Grantee::Owner || (goes && grant.grantee.is_public());
    let is_owners = bucket.grants.known().is_some_and(|grants| grants.iter().all(may_go));
    let from = match &bucket.ownership {
        Answer::Is(ownership) => Some(owned(*ownership)),
        Answer::Absent => None,
        Answer::Unknown(_) => return Vec::new(),
    };
    if !is_owners {
        return Vec::new();
    }
    let public = |grant: &Grant| grant.grantee.is_public();
    let is_listed = bucket.grants.known().is_some_and(|grants| grants.iter().any(public));
    let mut changes = if is_listed { grants(facts, judged) } else { Vec::new() };
    let to = owned(Ownership::BucketOwnerEnforced);
    changes.extend(change(facts, bucket, BucketSetting::OwnershipControls, from, to));
    changes
}

/// Keeps old versions.
pub(super) fn versioning(facts: &S3, judged: &Judged) -> Vec<Change> {
    let Some(bucket) = find(facts, judged) else { return Vec::new() };
    match &bucket.versioning {
        // To switch it on for a bucket that never had it cannot be undone; it can be suspended.
        Answer::Absent | Answer::Is(Versioning::Suspended) => {
            let to = VERSIONS.to_owned();
            change(facts, bucket, BucketSetting::Versioning, None, to)
        }
        Answer::Is(Versioning::Enabled) | Answer::Unknown(_) => Vec::new(),
    }
}

/// Logs accesses to the bucket that the logs of others go to, if that is one.
pub(super) fn access_log(facts: &S3, judged: &Judged) -> Vec<Change> {
    let Some(bucket) = find(facts, judged) else { return Vec::new() };
    let mut targets: Vec<&String> =
        facts.buckets.iter().filter_map(|other| other.log_bucket.known()).collect();
    targets.sort();
    targets.dedup();
    let is_here = |name: &String| facts.buckets.iter().any(|other| other.name == *name);
    match (&bucket.log_bucket, &targets[..]) {
        (Answer::Absent, [target]) if **target != bucket.name && is_here(target) => {
            let to = format!(
                "<BucketLoggingStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LoggingEnabled><TargetBucket>{target}</TargetBucket>\
                 <TargetPrefix>{}/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>",
                bucket.name
            );
            change(facts, bucket, BucketSetting::Logging, None, to)
        }
        _ => Vec::new(),
    }
}

/// Refuses requests without TLS.
pub(super) fn tls_only(facts: &S3, judged: &Judged) -> Vec<Change> {
    let Some(bucket) = closable(facts, judged) else { return Vec::new() };
    let from = match &bucket.policy {
        Answer::Absent => None,
        // S3 takes no public policy, changed or not, once public access is blocked.
        Answer::Is(value) => match Policy::parse(value) {
            Ok(policy) if policy.public().next().is_none() => Some(value.to_string()),
            _ => return Vec::new(),
        },
        Answer::Unknown(_) => return Vec::new(),
    };
    match with_tls_only(from.as_deref(), &bucket.name) {
        Ok(to) => change(facts, bucket, BucketSetting::Policy, from, to),
        Err(_) => Vec::new(),
    }
}

fn change(
    facts: &S3,
    bucket: &Bucket,
    setting: BucketSetting,
    from: Option<String>,
    to: String,
) -> Vec<Change> {
    let (endpoint, bucket) = (facts.endpoint.clone(), bucket.name.clone());
    vec![Change::SetBucket { endpoint, bucket, setting, from, to: Some(to) }]
}

fn find<'a>(facts: &'a S3, judged: &Judged) -> Option<&'a Bucket> {
    facts.buckets.iter().find(|bucket| super::resource(bucket) == judged.resource)
}

/// Finds a bucket, unless what is public in it may be meant to be.
fn closable<'a>(facts: &'a S3, judged: &Judged) -> Option<&'a Bucket> {
    let bucket = find(facts, judged)?;
    let website = match &bucket.website {
        Answer::Is(website) => *website,
        Answer::Absent => false,
        Answer::Unknown(_) => matches!(access(bucket, &facts.account_block), Access::Public(_)),
    };
    (!website).then_some(bucket)
}

/// Returns an access control list without the grants to anybody.
fn without_public(text: &str) -> Result<String, XmlError> {
    let mut root = s3_xml::parse_as(text.as_bytes(), "AccessControlPolicy")?;
    let list = root.children.iter_mut().find(|child| child.name == "AccessControlList");
    list.ok_or(XmlError::Other)?.children.retain(|grant| !s3_xml::is_public_grant(grant));
    Ok(s3_xml::write(&root))
}

/// Returns a configuration that encrypts by default, with all else that there was.
fn encrypted(before: Option<&str>) -> Result<String, XmlError> {
    let leaf = |name: &str, text: &str| Element {
        name: name.to_owned(),
        text: text.to_owned(),
        ..Element::default()
    };
    let by_default = Element {
        children: vec![leaf("SSEAlgorithm", "AES256")],
        ..leaf("ApplyServerSideEncryptionByDefault", "")
    };
    let root = "ServerSideEncryptionConfiguration";
    let mut root = match before {
        Some(text) => s3_xml::parse_as(text.as_bytes(), root)?,
        None => leaf(root, ""),
    };
    if root.child("Rule").is_none() {
        root.children.push(leaf("Rule", ""));
    }
    let rule =
        root.children.iter_mut().find(|child| child.name == "Rule").ok_or(XmlError::Other)?;
    rule.children.retain(|child| child.name != by_default.name);
    rule.children.insert(0, by_default);
    Ok(s3_xml::write(&root))
}

/// Returns a policy with one more statement.
fn with_tls_only(before: Option<&str>, bucket: &str) -> Result<String, XmlError> {
    let mut policy: Value = match before {
        Some(text) => serde_json::from_str(text).map_err(|_| XmlError::Malformed)?,
        None => json!({ "Version": "2012-10-17", "Statement": [] }),
    };
    let statements = policy.get_mut("Statement").ok_or(XmlError::Other)?;
    if statements.is_object() {
        *statements = json!([statements.take()]);
    }
    // The partition of AWS is that of the statements that are there.
    let partition = ["arn:aws-cn:", "arn:aws-us-gov:"]
        .into_iter()
        .find(|partition| statements.to_string().contains(partition))
        .unwrap_or("arn:aws:");
    let name = format!("{partition}s3:::{bucket}");
    statements.as_array_mut().ok_or(XmlError::Other)?.push(json!({
        "Sid": "DenyRequestsWithoutTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [name, format!("{name}/*")],
        "Condition": { "Bool": { "aws:SecureTransport": "false" } }
    }));
    Ok(policy.to_string())
}

/// How an ownership is written down.
fn owned(ownership: Ownership) -> String {
    format!(
        "<OwnershipControls xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule>\
         <ObjectOwnership>{ownership:?}</ObjectOwnership></Rule></OwnershipControls>"
    )
}

const VERSIONS: &str = "<VersioningConfiguration \
    xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status>\
    </VersioningConfiguration>";

/// All four settings.
const FULL_BLOCK: &str = "<PublicAccessBlockConfiguration \
    xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><BlockPublicAcls>true</BlockPublicAcls>\
    <IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>\
    <RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";

#[cfg(test)]
mod tests {
    use super::{encrypted, with_tls_only};
    use crate::parse::s3_xml;

    #[test]
    fn what_is_blocked_with_encryption_stays_blocked() {
        let before = "<ServerSideEncryptionConfiguration><Rule><BlockedEncryptionTypes>\
            <EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>\
            <BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>";
        let after = encrypted(Some(before)).unwrap();
        let read = s3_xml::encryption(after.as_bytes()).unwrap().unwrap();
        assert_eq!((read.algorithm.as_str(), read.blocked), ("AES256", vec!["SSE-C".to_owned()]));
        assert!(after.contains("<BucketKeyEnabled>true</BucketKeyEnabled>"), "{after}");
    }

    #[test]
    fn other_statements_of_a_policy_stay() {
        let one = r#"{"Version":"2012-10-17","Id":"x","Statement":{"Effect":"Allow",
            "Principal":{"AWS":"arn:aws-cn:iam::123456789012:root"},"Action":"s3:*",
            "Resource":"arn:aws-cn:s3:::b"}}"#;
        let after = with_tls_only(Some(one), "b").unwrap();
        let after: serde_json::Value = serde_json::from_str(&after).unwrap();
        assert_eq!(after["Id"], "x");
        assert_eq!(after["Statement"].as_array().unwrap().len(), 2);
        assert_eq!(after["Statement"][1]["Resource"][1], "arn:aws-cn:s3:::b/*");
    }
}
