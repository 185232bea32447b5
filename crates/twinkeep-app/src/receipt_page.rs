//! Use case: a page that checks receipts in a browser, without a server and without a network.
//!
//! It is one file. Its content security policy lets nothing in but its own script and style, by
//! their digests, and nothing out.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use twinkeep_vault::digest::{sha256, to_hex};

use crate::ledger_key::LedgerKey;
use crate::{AppError, Keep};

/// Returns the page. The public key in `key`, or that of the keep at `root` if there is one, is
/// filled in.
pub fn receipt_page(root: &Path, key: Option<&Path>) -> Result<String, AppError> {
    let key = match key {
        Some(path) => Some(LedgerKey::read(path)?.key),
        None => Keep::find(root).and_then(|keep| keep.ledger_key()).ok(),
    };
    let key = key.map(|key| to_hex(key.as_bytes())).unwrap_or_default();
    // What is put in holds no braces of the names below, and the script comes last.
    Ok(PAGE
        .replace("{style-hash}", &source(STYLE))
        .replace("{script-hash}", &source(SCRIPT))
        .replace("{key}", &key)
        .replace("{style}", STYLE)
        .replace("{script}", SCRIPT))
}

/// How a content security policy names a text.
fn source(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(sha256(text.as_bytes())))
}

const PAGE: &str = include_str!("receipt_page/page.html");

const STYLE: &str = include_str!("receipt_page/page.css");

const SCRIPT: &str = include_str!("receipt_page/receipt.js");
