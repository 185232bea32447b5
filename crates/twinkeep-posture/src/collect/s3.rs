//! Collects facts about buckets: asks an object store that speaks S3, and changes nothing.
//!
//! Ten questions a bucket, eight buckets at a time. A question that is refused makes one fact
//! unknown; only if the list of buckets is refused is there nothing to say.

use std::thread;

use serde_json::Value;

use crate::facts::s3::{Answer, Bucket, S3};
use crate::parse::s3_xml::{self, XmlError};

pub mod client;
pub mod credentials;

use client::{Call, Client, ClientError};

/// Which buckets.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    /// These, without asking for the list; none means all that the list names.
    pub names: Vec<String>,
}

/// Why there are no facts.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// The list of buckets was refused.
    #[error(
        "listing the buckets of `{endpoint}` was refused ({code}); \
         name the buckets, or allow `s3:ListAllMyBuckets`"
    )]
    List {
        /// Who was asked.
        endpoint: String,
        /// The code of the refusal.
        code: String,
    },
    /// The service cannot be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A name could not be one of a bucket.
    #[error("`{name}` is not the name of a bucket: 3 to 63 lower-case letters, digits, `-`, `.`")]
    Name {
        /// What was given.
        name: String,
    },
}

impl S3Error {
    /// Its permanent code.
    pub fn code(&self) -> &'static str {
        match self {
            S3Error::List { .. } => "s3-list",
            S3Error::Client(error) => error.code(),
            S3Error::Name { .. } => "s3-bucket-name",
        }
    }
}

/// Asks a service about its account and its buckets.
pub fn collect(client: &Client, buckets: &Buckets) -> Result<S3, S3Error> {
    let mut names = if buckets.names.is_empty() { list(client)? } else { buckets.names.clone() };
    names.sort();
    names.dedup();
    for name in &names {
        if !is_bucket_name(name) {
            return Err(S3Error::Name { name: name.escape_default().to_string() });
        }
    }
    let account = account(client);
    let account_block = match &account {
        Answer::Is(account) => {
            answer(client.send(&Call::account_block(account)), |body| s3_xml::block(body).map(Some))
        }
        Answer::Absent => Answer::Absent,
        Answer::Unknown(why) => Answer::Unknown(why.clone()),
    };
    let buckets = all(client, &names);
    Ok(S3 { endpoint: client.endpoint().to_owned(), account, account_block, buckets })
}

/// Returns the names of all buckets, page by page.
fn list(client: &Client) -> Result<Vec<String>, S3Error> {
    let mut names = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let answered = client.send(&Call::list(token.as_deref()))?;
        let refused = |code: &str| S3Error::List {
            endpoint: client.endpoint().to_owned(),
            code: code.to_owned(),
        };
        if answered.status != 200 {
            return Err(refused(&answered.code()));
        }
        let page = s3_xml::buckets(&answered.body).map_err(|_| refused("not-understood"))?;
        names.extend(page.names);
        // A service that knows no pages gives the same token, or none.
        if page.next.is_none() || page.next == token {
            break;
        }
        token = page.next;
    }
    Ok(names)
}

/// Returns the number of the account that asks.
fn account(client: &Client) -> Answer<String> {
    answer(client.send(&Call::caller()), |body| s3_xml::account(body).map(Some))
}

/// Asks about all buckets, some at a time; the result is in the order of the names.
fn all(client: &Client, names: &[String]) -> Vec<Bucket> {
    let share = names.len().div_ceil(THREADS).max(1);
    thread::scope(|scope| {
        let ask = |part: &'_ [String]| part.iter().map(|name| bucket(client, name)).collect();
        let workers: Vec<_> = names
            .chunks(share)
            .map(|part| (part, scope.spawn(move || -> Vec<Bucket> { ask(part) })))
            .collect();
        let answers = workers.into_iter().map(|(part, worker)| match worker.join() {
            Ok(found) => found,
            // A worker that was lost is asked for again, here.
            Err(_) => ask(part),
        });
        answers.flatten().collect()
    })
}

fn bucket(client: &Client, name: &str) -> Bucket {
    let get = |question: &str| client.send(&Call::get(name, question));
    let [acl, encryption, block] = ["acl", "encryption", "publicAccessBlock"].map(get);
    let written = [("acl", &acl), ("encryption", &encryption), ("publicAccessBlock", &block)];
    let documents = written.iter().filter_map(|(question, answered)| {
        let body = &answered.as_ref().ok().filter(|answered| answered.status == 200)?.body;
        Some(((*question).to_owned(), s3_xml::without_people(body).ok()?))
    });
    Bucket {
        name: name.to_owned(),
        documents: documents.collect(),
        grants: answer(acl, |body| s3_xml::grants(body).map(Some)),
        ownership: answer(get("ownershipControls"), |body| s3_xml::ownership(body).map(Some)),
        block: answer(block, |body| s3_xml::block(body).map(Some)),
        policy: answer(get("policy"), policy),
        policy_public: answer(get("policyStatus"), |body| s3_xml::policy_public(body).map(Some)),
        encryption: answer(encryption, s3_xml::encryption),
        versioning: answer(get("versioning"), s3_xml::versioning),
        log_bucket: answer(get("logging"), s3_xml::log_bucket),
        object_lock: answer(get("object-lock"), s3_xml::object_lock),
        website: answer(get("website"), |body| {
            s3_xml::parse_as(body, "WebsiteConfiguration").map(|_| Some(true))
        }),
    }
}

fn policy(body: &[u8]) -> Result<Option<Value>, XmlError> {
    serde_json::from_slice(body).map(Some).map_err(|_| XmlError::Malformed)
}

/// Makes a fact of what was answered.
fn answer<T>(
    answered: Result<client::Answered, ClientError>,
    read: impl FnOnce(&[u8]) -> Result<Option<T>, XmlError>,
) -> Answer<T> {
    let answered = match answered {
        Ok(answered) => answered,
        Err(error) => return Answer::Unknown(error.code().to_owned()),
    };
    if answered.status == 200 {
        return match read(&answered.body) {
            Ok(Some(value)) => Answer::Is(value),
            Ok(None) => Answer::Absent,
            Err(error) => Answer::Unknown(error.to_string()),
        };
    }
    let code = answered.code();
    if answered.is_absent() { Answer::Absent } else { Answer::Unknown(code) }
}

/// Returns whether a name could be one of a bucket: it becomes part of an address.
pub(crate) fn is_bucket_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|&byte| plain(byte) || byte == b'-' || byte == b'.')
        && bytes.first().is_some_and(|&byte| plain(byte))
        && bytes.last().is_some_and(|&byte| plain(byte))
        && !name.contains("..")
}

/// An account has 10,000 buckets at most without asking for more, and a page has 1,000.
const PAGES_MAX: usize = 1_000;

/// As many buckets as are asked about at a time.
const THREADS: usize = 8;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
