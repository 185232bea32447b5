//! Tests of the answers of S3: documents in the shape of the service's documentation.

use super::{XmlError, block, buckets, encryption, error_code, grants, parse, versioning};
use crate::facts::s3::{Block, Encryption, Grantee};

#[test]
fn grantees_are_told_apart() {
    let document = br#"<?xml version="1.0"?>
<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
 <Owner><ID>aa</ID></Owner>
 <AccessControlList>
  <Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>aa</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>
  <Grant><Grantee xsi:type="CanonicalUser"><ID>bb</ID></Grantee><Permission>READ</Permission></Grant>
  <Grant><Grantee xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>WRITE</Permission></Grant>
  <Grant><Grantee xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AuthenticatedUsers</URI></Grantee><Permission>READ</Permission></Grant>
  <Grant><Grantee xsi:type="Group"><URI>http://acs.amazonaws.com/groups/s3/LogDelivery</URI></Grantee><Permission>WRITE</Permission></Grant>
  <Grant><Grantee xsi:type="Group"><URI>http://example.org/Strangers</URI></Grantee><Permission>READ</Permission></Grant>
 </AccessControlList>
</AccessControlPolicy>"#;
    let found: Vec<_> = grants(document).unwrap().into_iter().map(|grant| grant.grantee).collect();
    let expected = [
        Grantee::Owner,
        Grantee::Other,
        Grantee::AllUsers,
        Grantee::AuthenticatedUsers,
        Grantee::LogDelivery,
        Grantee::UnknownGroup,
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_answer_to_another_question_is_not_taken_for_this_one() {
    // What moto answers when it is asked for the status of a policy.
    let list = b"<ListBucketResult><Name>b</Name></ListBucketResult>";
    assert_eq!(super::policy_public(list), Err(XmlError::Other));
    assert_eq!(block(list), Err(XmlError::Other));
    assert_eq!(versioning(list), Err(XmlError::Other));
}

#[test]
fn a_block_is_off_where_it_says_nothing_and_unknown_where_it_says_something_else() {
    let of = |inner: &str| {
        block(
            format!("<PublicAccessBlockConfiguration>{inner}</PublicAccessBlockConfiguration>")
                .as_bytes(),
        )
    };
    assert_eq!(of(""), Ok(Block::default()));
    let two = "<BlockPublicAcls>TRUE</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>";
    let expected = Block { block_public_acls: true, ignore_public_acls: true, ..Block::default() };
    assert_eq!(of(two), Ok(expected));
    assert_eq!(of("<IgnorePublicAcls>perhaps</IgnorePublicAcls>"), Err(XmlError::Other));
}

#[test]
fn blocked_kinds_of_encryption_are_read_with_the_default() {
    let document = b"<ServerSideEncryptionConfiguration><Rule>\
        <ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault>\
        <BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>\
        </Rule></ServerSideEncryptionConfiguration>";
    let expected = Encryption { algorithm: "aws:kms".into(), blocked: vec!["SSE-C".into()] };
    assert_eq!(encryption(document), Ok(Some(expected)));
}

#[test]
fn codes_of_errors_are_words_and_nothing_else() {
    let code = |text: &str| error_code(text.as_bytes());
    assert_eq!(code("<Error><Code>AccessDenied</Code></Error>").unwrap(), "AccessDenied");
    let wrapped = "<ErrorResponse><Error><Code>NoSuchX</Code></Error></ErrorResponse>";
    assert_eq!(code(wrapped).unwrap(), "NoSuchX");
    assert_eq!(code("<Error><Code>\u{1b}[2J</Code></Error>"), None);
    assert_eq!(code("<Error><Code>a b</Code></Error>"), None);
    assert_eq!(code("not found"), None);
}

#[test]
fn pages_of_buckets_go_on() {
    let document = b"<ListAllMyBucketsResult><Buckets><Bucket><Name>a</Name></Bucket></Buckets>\
        <ContinuationToken>n&amp;1</ContinuationToken></ListAllMyBucketsResult>";
    let page = buckets(document).unwrap();
    assert_eq!((page.names, page.next), (vec!["a".to_owned()], Some("n&1".to_owned())));
}

#[test]
fn hostile_documents_are_refused_within_bounds() {
    let deep = "<a>".repeat(100);
    assert_eq!(parse(deep.as_bytes()), Err(XmlError::TooLarge));
    let wide = format!("<a>{}</a>", "<b/>".repeat(300_000));
    assert_eq!(parse(wide.as_bytes()), Err(XmlError::TooLarge));
    let entities = b"<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>";
    assert_eq!(parse(entities), Err(XmlError::Malformed));
    for wrong in ["", "<a>", "<a></b>", "text", "<a/><b/>", "<a>&unknown;</a>", "</a>", "<a"] {
        assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn a_document_that_was_cut_off_is_never_half_an_answer() {
    let document = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
        </PublicAccessBlockConfiguration>";
    for end in 0..document.len() {
        assert!(block(&document.as_bytes()[..end]).is_err(), "{end}");
    }
}

#[test]
fn what_is_written_again_is_read_as_it_was() {
    let document = "<A><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
        xsi:type=\"Group\"><URI>http://x/?a=1&amp;b=&lt;2&gt;</URI></Grantee><B/></A>";
    let read = parse(document.as_bytes()).unwrap();
    assert_eq!(parse(super::write(&read).as_bytes()).unwrap(), read);
}
