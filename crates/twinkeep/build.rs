//! Says to the program which commit it was built from, and whether that was signed.

use std::process::Command;

fn main() {
    // The log of the head has a line more after each commit and checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    let commit = git(&["rev-parse", "HEAD"]);
    let signed = git(&["log", "-1", "--format=%G?"]).is_some_and(|it| !it.is_empty() && it != "N");
    let told = commit.map_or_else(String::new, |commit| {
        format!("{commit} ({})", if signed { "signed" } else { "not signed" })
    });
    println!("cargo::rustc-env=TWINKEEP_COMMIT={told}");
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
