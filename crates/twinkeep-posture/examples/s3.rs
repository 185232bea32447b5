//! Example: scans the buckets of the object store that the variables of AWS name, and prints one
//! line for each rule and bucket. `benches/posture-s3` compares the lines with Prowler's.

#![expect(clippy::print_stdout, reason = "what was found is printed")]

use std::error::Error;
use std::time::SystemTime;

use twinkeep_posture::baseline::Baseline;
use twinkeep_posture::collect::s3::client::Client;
use twinkeep_posture::collect::s3::credentials::{Asked, Settings};
use twinkeep_posture::collect::s3::{Buckets, collect};
use twinkeep_posture::facts::FactFile;
use twinkeep_posture::judge;

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::find(&Asked::default(), &|name| std::env::var(name).ok())?;
    let client = Client::new(settings, now)?;
    let facts = collect(&client, &Buckets::default())?;
    let report = judge(&FactFile::new(0, vec![facts.into()]), None, &Baseline::default());
    for finding in &report.findings {
        let bucket = finding.resource.trim_start_matches("s3://");
        println!("{}\t{bucket}\t{}", finding.rule, finding.outcome.word());
    }
    Ok(())
}

/// Requests are signed for the time of the system, which a file of it has.
fn now() -> SystemTime {
    let modified = std::fs::metadata("/proc/self").and_then(|file| file.modified());
    modified.unwrap_or(SystemTime::UNIX_EPOCH)
}
