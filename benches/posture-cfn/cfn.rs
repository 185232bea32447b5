//! Example: judges the templates below a folder, and prints one line for each rule and resource.
//! `benches/posture-cfn` compares the lines with what Checkov and cfn-guard say.

#![expect(clippy::print_stdout, reason = "what was found is printed")]

use std::error::Error;

use twinkeep_posture::baseline::Baseline;
use twinkeep_posture::collect::cfn::collect;
use twinkeep_posture::facts::FactFile;
use twinkeep_posture::judge;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("cfn FOLDER")?;
    let facts = collect(&[folder.into()])?;
    let report = judge(&FactFile::new(0, vec![facts.into()]), None, &Baseline::default());
    for finding in &report.findings {
        println!("{}\t{}\t{}", finding.rule, finding.resource, finding.outcome.word());
    }
    Ok(())
}
