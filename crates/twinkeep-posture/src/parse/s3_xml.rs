//! Answers of S3, which are XML: a small tree, read within bounds, and what the trees mean.
//!
//! A service that does not know a question may answer another one with status 200 (a list of
//! objects, for example), so each answer is known by the name of its root.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::facts::s3::{Block, Encryption, Grant, Grantee, ObjectLock, Ownership, Versioning};

/// An element with what it holds. Names are without their prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// The value of `xsi:type`, if it has one.
    pub kind: Option<String>,
    /// The text that is directly in it, without space around it.
    pub text: String,
    /// The elements in it, in order.
    pub children: Vec<Element>,
}

/// Why an answer is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// It is not XML.
    #[error("the answer is not well-formed XML")]
    Malformed,
    /// It nests deeper, or has more elements, than any answer of S3.
    #[error("the answer is larger than any answer of S3")]
    TooLarge,
    /// It is the answer to another question.
    #[error("the answer is not the one to this question")]
    Other,
}

impl Element {
    /// Returns the first element of this name in it.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns the elements of this name in it.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Returns the text at the end of a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&str> {
        let mut element = self;
        for name in path {
            element = element.child(name)?;
        }
        Some(&element.text)
    }
}

/// Reads a document.
pub fn parse(bytes: &[u8]) -> Result<Element, XmlError> {
    let mut reader = Reader::from_reader(bytes);
    // The bottom of the stack holds the root.
    let mut open = vec![Element::default()];
    let mut count = 0_usize;
    loop {
        match reader.read_event().map_err(|_| XmlError::Malformed)? {
            Event::Start(start) => open.push(element(&start)?),
            Event::Empty(start) => attach(&mut open, element(&start)?)?,
            Event::End(_) => {
                let done = open.pop().ok_or(XmlError::Malformed)?;
                attach(&mut open, done)?;
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|_| XmlError::Malformed)?;
                top(&mut open)?.text.push_str(&text);
            }
            Event::CData(text) => {
                let text = text.decode().map_err(|_| XmlError::Malformed)?;
                top(&mut open)?.text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let meant = meaning(&reference)?;
                top(&mut open)?.text.push(meant);
            }
            Event::Eof => break,
            // No answer of S3 has one, and what it could declare is of no use to anybody honest.
            Event::DocType(_) => return Err(XmlError::Malformed),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
        count += 1;
        if count > EVENTS_MAX || open.len() > DEPTH_MAX {
            return Err(XmlError::TooLarge);
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(bottom), true) if bottom.children.len() == 1 => {
            bottom.children.into_iter().next().ok_or(XmlError::Malformed)
        }
        _ => Err(XmlError::Malformed),
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, XmlError> {
    let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
    let mut kind = None;
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| XmlError::Malformed)?;
        if attribute.key.local_name().as_ref() == b"type" {
            kind = Some(String::from_utf8_lossy(&attribute.value).into_owned());
        }
    }
    Ok(Element { name, kind, ..Element::default() })
}

fn top(open: &mut [Element]) -> Result<&mut Element, XmlError> {
    open.last_mut().ok_or(XmlError::Malformed)
}

fn attach(open: &mut [Element], mut done: Element) -> Result<(), XmlError> {
    done.text = done.text.trim().to_owned();
    top(open)?.children.push(done);
    Ok(())
}

/// Only what XML itself defines: a document cannot bring entities of its own.
fn meaning(reference: &quick_xml::events::BytesRef<'_>) -> Result<char, XmlError> {
    if let Some(meant) = reference.resolve_char_ref().map_err(|_| XmlError::Malformed)? {
        return Ok(meant);
    }
    match reference.decode().map_err(|_| XmlError::Malformed)?.as_ref() {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(XmlError::Malformed),
    }
}

/// Writes a document again, as S3 takes it.
pub fn write(root: &Element) -> String {
    let mut text = String::new();
    let space = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
    write_element(root, space, &mut text);
    text
}

/// Writes a document again without the names that people have.
pub fn without_people(bytes: &[u8]) -> Result<String, XmlError> {
    fn strip(element: &mut Element) {
        element.children.retain(|child| child.name != "DisplayName");
        element.children.iter_mut().for_each(strip);
    }
    let mut root = parse(bytes)?;
    strip(&mut root);
    Ok(write(&root))
}

fn write_element(element: &Element, space: &str, text: &mut String) {
    let name = &element.name;
    text.push('<');
    text.push_str(name);
    text.push_str(space);
    if let Some(kind) = &element.kind {
        text.push_str(" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"");
        text.push_str(&quick_xml::escape::escape(kind.as_str()));
        text.push('"');
    }
    text.push('>');
    text.push_str(&quick_xml::escape::escape(element.text.as_str()));
    for child in &element.children {
        write_element(child, "", text);
    }
    text.push_str("</");
    text.push_str(name);
    text.push('>');
}

/// Reads a document whose root has this name.
pub fn parse_as(bytes: &[u8], root: &str) -> Result<Element, XmlError> {
    let element = parse(bytes)?;
    if element.name == root { Ok(element) } else { Err(XmlError::Other) }
}

/// Returns the code of an error, such as `NoSuchBucketPolicy`; also of S3 Control and STS, which
/// wrap it.
pub fn error_code(bytes: &[u8]) -> Option<String> {
    let root = parse(bytes).ok()?;
    let error = if root.name == "Error" { &root } else { root.child("Error")? };
    let code = error.at(&["Code"])?;
    // A code is a word: nothing else of an answer is repeated in a message.
    let plain = code.len() <= 100 && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    (plain && !code.is_empty()).then(|| code.to_owned())
}

/// One page of the list of buckets.
#[derive(Debug, PartialEq, Eq)]
pub struct BucketPage {
    /// Their names.
    pub names: Vec<String>,
    /// What to ask for the next page with.
    pub next: Option<String>,
}

/// Reads a page of the list of buckets.
pub fn buckets(bytes: &[u8]) -> Result<BucketPage, XmlError> {
    let root = parse_as(bytes, "ListAllMyBucketsResult")?;
    let list = root.child("Buckets").map_or(&[][..], |list| &list.children);
    let names = list.iter().filter_map(|bucket| bucket.at(&["Name"])).map(str::to_owned).collect();
    let next = root.at(&["ContinuationToken"]).filter(|token| !token.is_empty());
    Ok(BucketPage { names, next: next.map(str::to_owned) })
}

/// Reads an access control list.
pub fn grants(bytes: &[u8]) -> Result<Vec<Grant>, XmlError> {
    let root = parse_as(bytes, "AccessControlPolicy")?;
    let owner = root.at(&["Owner", "ID"]).unwrap_or_default();
    let list = root.child("AccessControlList").ok_or(XmlError::Other)?;
    let grant = |grant: &Element| {
        let grantee = grant.child("Grantee").ok_or(XmlError::Other)?;
        let permission = grant.at(&["Permission"]).ok_or(XmlError::Other)?;
        Ok(Grant { grantee: who(grantee, owner), permission: permission.to_owned() })
    };
    list.all("Grant").map(grant).collect()
}

fn who(grantee: &Element, owner: &str) -> Grantee {
    let group = grantee.at(&["URI"]).unwrap_or_default();
    match group.rsplit('/').next().unwrap_or_default() {
        "AllUsers" => Grantee::AllUsers,
        "AuthenticatedUsers" => Grantee::AuthenticatedUsers,
        "LogDelivery" => Grantee::LogDelivery,
        "" if !owner.is_empty() && grantee.at(&["ID"]) == Some(owner) => Grantee::Owner,
        "" => Grantee::Other,
        _ => Grantee::UnknownGroup,
    }
}

/// Returns whether a grant of a list is one to anybody.
pub fn is_public_grant(grant: &Element) -> bool {
    grant.child("Grantee").is_some_and(|grantee| who(grantee, "").is_public())
}

/// Reads who owns what is uploaded.
pub fn ownership(bytes: &[u8]) -> Result<Ownership, XmlError> {
    let root = parse_as(bytes, "OwnershipControls")?;
    match root.at(&["Rule", "ObjectOwnership"]) {
        Some("BucketOwnerEnforced") => Ok(Ownership::BucketOwnerEnforced),
        Some("BucketOwnerPreferred") => Ok(Ownership::BucketOwnerPreferred),
        Some("ObjectWriter") => Ok(Ownership::ObjectWriter),
        _ => Err(XmlError::Other),
    }
}

/// Reads what public access is blocked. A setting that is not there is off.
pub fn block(bytes: &[u8]) -> Result<Block, XmlError> {
    let root = parse_as(bytes, "PublicAccessBlockConfiguration")?;
    let is = |name: &str| match root.at(&[name]) {
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        None => Ok(false),
        Some(_) => Err(XmlError::Other),
    };
    Ok(Block {
        block_public_acls: is("BlockPublicAcls")?,
        ignore_public_acls: is("IgnorePublicAcls")?,
        block_public_policy: is("BlockPublicPolicy")?,
        restrict_public_buckets: is("RestrictPublicBuckets")?,
    })
}

/// Reads whether a policy is public.
pub fn policy_public(bytes: &[u8]) -> Result<bool, XmlError> {
    let root = parse_as(bytes, "PolicyStatus")?;
    match root.at(&["IsPublic"]) {
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(XmlError::Other),
    }
}

/// Reads what new objects are encrypted with; `None` if no rule says so.
pub fn encryption(bytes: &[u8]) -> Result<Option<Encryption>, XmlError> {
    let root = parse_as(bytes, "ServerSideEncryptionConfiguration")?;
    let Some(rule) = root.child("Rule") else { return Ok(None) };
    let algorithm = rule.at(&["ApplyServerSideEncryptionByDefault", "SSEAlgorithm"]);
    let blocked = rule.child("BlockedEncryptionTypes").map_or(&[][..], |types| &types.children);
    let blocked = blocked.iter().map(|kind| kind.text.clone()).collect();
    Ok(algorithm.map(|algorithm| Encryption { algorithm: algorithm.to_owned(), blocked }))
}

/// Reads whether old versions are kept; `None` if they never were. Some services name the root
/// after the question.
pub fn versioning(bytes: &[u8]) -> Result<Option<Versioning>, XmlError> {
    let root = parse(bytes)?;
    if !matches!(root.name.as_str(), "VersioningConfiguration" | "GetBucketVersioningResponse") {
        return Err(XmlError::Other);
    }
    match root.at(&["Status"]) {
        Some("Enabled") => Ok(Some(Versioning::Enabled)),
        Some("Suspended") => Ok(Some(Versioning::Suspended)),
        None => Ok(None),
        Some(_) => Err(XmlError::Other),
    }
}

/// Reads the bucket that accesses are logged to.
pub fn log_bucket(bytes: &[u8]) -> Result<Option<String>, XmlError> {
    let root = parse_as(bytes, "BucketLoggingStatus")?;
    Ok(root.at(&["LoggingEnabled", "TargetBucket"]).map(str::to_owned))
}

/// Reads whether versions can be held.
pub fn object_lock(bytes: &[u8]) -> Result<Option<ObjectLock>, XmlError> {
    let root = parse_as(bytes, "ObjectLockConfiguration")?;
    let enabled = root.at(&["ObjectLockEnabled"]) == Some("Enabled");
    let mode = root.at(&["Rule", "DefaultRetention", "Mode"]).map(str::to_owned);
    Ok(enabled.then_some(ObjectLock { default_mode: mode }))
}

/// Reads the number of the account that asks.
pub fn account(bytes: &[u8]) -> Result<String, XmlError> {
    let root = parse_as(bytes, "GetCallerIdentityResponse")?;
    let account = root.at(&["GetCallerIdentityResult", "Account"]).ok_or(XmlError::Other)?;
    let is_number = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { Ok(account.to_owned()) } else { Err(XmlError::Other) }
}

/// The deepest answer, an access control list, has five levels.
const DEPTH_MAX: usize = 16;

/// A page of 1,000 buckets has about 10,000.
const EVENTS_MAX: usize = 200_000;

#[cfg(test)]
mod tests;
