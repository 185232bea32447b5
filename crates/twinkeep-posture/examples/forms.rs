//! Example: judges a file of facts, and writes the report in the forms that other programs read.
//! `conformance/posture` has them validated by those programs.
//!
//! usage: forms FACTS FOLDER

use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use twinkeep_posture::baseline::Baseline;
use twinkeep_posture::facts::FactFile;
use twinkeep_posture::{Profile, judge, report};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(facts), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: forms FACTS FOLDER".into());
    };
    let facts = FactFile::parse(&fs::read(facts)?)?;
    let write = |name: String, text: &str| {
        File::create(Path::new(&folder).join(name))?.write_all(text.as_bytes())
    };
    for (word, profile) in [
        ("hipaa", Profile::Hipaa),
        ("gdpr", Profile::Gdpr),
        ("proposed", Profile::HipaaProposed),
        ("aisvs", Profile::Aisvs),
    ] {
        let said = judge(&facts, Some(profile), &Baseline::default());
        write(format!("{word}.sarif"), &report::sarif(&said)?)?;
        write(format!("{word}.ocsf"), &report::ocsf(&said)?)?;
        write(format!("{word}.oscal.json"), &report::oscal(&said)?)?;
    }
    // A report without anything in it has to be valid as well.
    let nothing = judge(&FactFile::new(0, Vec::new()), Some(Profile::Hipaa), &Baseline::default());
    write("nothing.sarif".to_owned(), &report::sarif(&nothing)?)?;
    write("nothing.ocsf".to_owned(), &report::ocsf(&nothing)?)?;
    write("nothing.oscal.json".to_owned(), &report::oscal(&nothing)?)?;
    Ok(())
}
