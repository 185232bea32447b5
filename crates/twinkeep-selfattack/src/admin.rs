//! What operators do, tried by somebody who is none.

use crate::Finding;
use crate::target::{Answer, Target};

/// Looks for it where everybody is, and at the listener for operators, if that is known.
pub(crate) fn run(target: &Target, admin: Option<&Target>) -> Vec<Finding> {
    let credential = target.credential.as_deref().unwrap_or("tk_none");
    let line = format!("Authorization: Bearer {credential}\r\n");
    let public = target.ask(&target.request("GET", STATUS, &line));
    let held = !(200..300).contains(&public.status);
    let mut found = vec![Finding::new("admin", "operators' routes for all", held, public.said())];
    if let Some(admin) = admin {
        // In TLS 1.3 a client is done before the server has judged it: what counts is the answer.
        let nobody = |answer: &Answer| answer.status == 0;
        let none = admin.raw(&admin.request("GET", STATUS, ""));
        found.push(Finding::new("admin", "no certificate", nobody(&none), none.said()));
        let key = admin.raw(&admin.request("GET", STATUS, &line));
        let attack = "a key in a certificate's place";
        found.push(Finding::new("admin", attack, nobody(&key), key.said()));
    }
    found
}

const STATUS: &str = "/admin/v1/status";
