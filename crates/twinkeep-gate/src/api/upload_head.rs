//! The headers of an upload: where the bytes go, whether they are the last, and their digests.
//!
//! `Upload-Offset` and `Upload-Complete` are those of draft-ietf-httpbis-resumable-upload,
//! `Content-Digest` and `Repr-Digest` those of RFC 9530; values are structured fields (RFC 9651).

use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::refusal::Refusal;

/// What the headers say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UploadHead {
    /// Where the body begins in the feed; `None` if it is the whole feed.
    pub(crate) offset: Option<u64>,
    /// Whether the feed ends with this body.
    pub(crate) complete: bool,
    /// How long the body says it is.
    pub(crate) length: Option<u64>,
    /// SHA-256 of the body.
    pub(crate) content_digest: Option<[u8; 32]>,
    /// SHA-256 of the whole feed.
    pub(crate) repr_digest: Option<[u8; 32]>,
}

impl UploadHead {
    /// Reads the headers; what is ambiguous is refused.
    pub(crate) fn read(method: &Method, headers: &HeaderMap) -> Result<Self, Refusal> {
        let offset = one(headers, "upload-offset")?.map(integer).transpose()?;
        let complete = one(headers, "upload-complete")?.map(boolean).transpose()?;
        let length = one(headers, CONTENT_LENGTH.as_str())?;
        let length = length.and_then(|length| length.parse().ok());
        if method == Method::PATCH && (offset.is_none() || complete.is_none()) {
            return Err(malformed("`PATCH` needs `Upload-Offset` and `Upload-Complete`"));
        }
        Ok(Self {
            offset,
            complete: complete.unwrap_or(true),
            length,
            content_digest: digest(headers, "content-digest")?,
            repr_digest: digest(headers, "repr-digest")?,
        })
    }

    /// Returns where the body goes, if the upload has come that far: `PUT` without an offset
    /// begins anew, everything else continues exactly.
    pub(crate) fn place(&self, current: u64) -> Result<u64, Refusal> {
        match self.offset {
            None => Ok(0),
            Some(offset) if offset == current => Ok(offset),
            Some(_) => {
                let message = "the upload is elsewhere; `Upload-Offset` of this answer says where";
                Err(Refusal::new(StatusCode::CONFLICT, "upload-offset", message))
            }
        }
    }

    /// Returns the digest of the whole feed, if the client gave one.
    pub(crate) fn whole_digest(&self) -> Option<[u8; 32]> {
        self.repr_digest.or(self.content_digest.filter(|_| self.offset.is_none()))
    }
}

fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().unwrap_or("")).map(str::trim);
    match values.next() {
        None => Ok(value),
        Some(_) => Err(malformed("a header of the upload comes twice")),
    }
}

fn integer(text: &str) -> Result<u64, Refusal> {
    let plain = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain).ok_or_else(|| malformed("`Upload-Offset` takes an integer"))
}

fn boolean(text: &str) -> Result<bool, Refusal> {
    match text {
        "?1" => Ok(true),
        "?0" => Ok(false),
        _ => Err(malformed("`Upload-Complete` takes `?0` or `?1`")),
    }
}

/// Takes SHA-256 out of a dictionary of digests; others are not looked at.
fn digest(headers: &HeaderMap, name: &str) -> Result<Option<[u8; 32]>, Refusal> {
    let wrong = || malformed("a digest takes `sha-256=:BASE64:`");
    let Some(text) = one(headers, name)? else { return Ok(None) };
    let mut found = None;
    for member in text.split(',') {
        let (algorithm, value) = member.trim().split_once('=').ok_or_else(wrong)?;
        if algorithm == "sha-256" {
            let inner = value.strip_prefix(':').and_then(|value| value.strip_suffix(':'));
            let bytes = STANDARD.decode(inner.ok_or_else(wrong)?).map_err(|_| wrong())?;
            found = Some(bytes.try_into().map_err(|_| wrong())?);
        }
    }
    Ok(found)
}

fn malformed(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "upload-head", message)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, Method};

    use super::UploadHead;

    fn read(method: Method, lines: &[(&'static str, &str)]) -> Result<UploadHead, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        UploadHead::read(&method, &headers).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_plain_put_is_the_whole_feed() {
        let head = read(Method::PUT, &[("content-length", "7")]).unwrap();
        assert_eq!((head.offset, head.complete, head.length), (None, true, Some(7)));
        assert_eq!(head.place(99).ok(), Some(0));
    }

    #[test]
    fn a_part_goes_where_the_last_one_ended_and_nowhere_else() {
        let lines = [("upload-offset", "5"), ("upload-complete", "?0")];
        let head = read(Method::PATCH, &lines).unwrap();
        assert_eq!(head.place(5).ok(), Some(5));
        assert_eq!(head.place(4).err().unwrap().code, "upload-offset");
        assert_eq!(head.place(6).err().unwrap().code, "upload-offset");
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        let complete = ("upload-complete", "?1");
        for lines in [
            vec![complete],
            vec![("upload-offset", "0")],
            vec![("upload-offset", "-1"), complete],
            vec![("upload-offset", "+1"), complete],
            vec![("upload-offset", "1"), ("upload-offset", "1"), complete],
            vec![("upload-offset", "18446744073709551616"), complete],
            vec![("upload-offset", "0"), ("upload-complete", "1")],
            vec![("upload-offset", "0"), complete, ("repr-digest", "sha-256=abc")],
            vec![("upload-offset", "0"), complete, ("repr-digest", "sha-256=:AAAA:")],
            vec![("upload-offset", "0"), complete, ("content-digest", "x")],
        ] {
            assert_eq!(read(Method::PATCH, &lines), Err("upload-head"), "{lines:?}");
        }
    }

    #[test]
    fn digests_of_other_kinds_are_passed_over() {
        let value = "sha-512=:AAAA:, sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:";
        let head = read(Method::PUT, &[("repr-digest", value)]).unwrap();
        let empty = [0; 32].map(|_: u8| 0);
        assert_ne!(head.repr_digest, Some(empty));
        assert_eq!(head.whole_digest(), head.repr_digest);
        let other = read(Method::PUT, &[("repr-digest", "sha-512=:AAAA:")]).unwrap();
        assert_eq!(other.whole_digest(), None);
    }
}
