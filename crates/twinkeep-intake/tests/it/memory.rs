//! Memory does not grow with the source.

use std::fs;
use std::io::{self, Read};

use twinkeep_domain::Timestamp;
use twinkeep_intake::pack_file::shipped_pack;
use twinkeep_intake::{Dates, Judgement, Portion, ReadOptions, Source, read};
use twinkeep_vault::{Pseudonymizer, SecretKey};

/// A tar archive of stays that is made while it is read.
struct Stays {
    next: u32,
    end: u32,
    part: Vec<u8>,
    at: usize,
}

impl Stays {
    fn new(count: u32) -> Self {
        Self { next: 0, end: count, part: Vec::new(), at: 0 }
    }

    fn stay(number: u32) -> Vec<u8> {
        let mut text = format!("Time,Parameter,Value\n00:00,RecordID,{number}\n");
        for minute in 0..ROWS_PER_STAY {
            let rate = 60 + (number + minute) % 50;
            text.push_str(&format!("{:02}:{:02},HR,{rate}\n", minute / 60, minute % 60));
        }
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{number}.txt"), text.as_bytes()).unwrap();
        let mut bytes = builder.into_inner().unwrap();
        // Without the two blocks that end an archive: there is more to come.
        bytes.truncate(bytes.len() - 1024);
        bytes
    }
}

impl Read for Stays {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.part.len() {
            self.at = 0;
            self.part = match self.next {
                next if next < self.end => Self::stay(next),
                next if next == self.end => vec![0; 1024],
                _ => Vec::new(),
            };
            self.next += 1;
        }
        let length = (&self.part[self.at..]).read(buffer)?;
        self.at += length;
        Ok(length)
    }
}

/// Reads so many stays; returns the rows and the most memory that the process had meanwhile.
fn peak_kib(stays: u32) -> (u64, u64) {
    let pack = shipped_pack("icu").unwrap();
    let pseudonyms = Pseudonymizer::new(&SecretKey::random());
    let spool = std::env::temp_dir();
    let options = ReadOptions {
        pack: &pack,
        pseudonyms: &pseudonyms,
        now: Timestamp::RELATIVE_ORIGIN,
        spool: &spool,
        mapping: None,
        dates: Dates::Shifted,
        judgement: Judgement::ByThePack,
        deidentify: None,
        panel: None,
    };
    let mut reader = Stays::new(stays);
    let source =
        Source::Stream { name: "feed", media_type: "application/x-tar", reader: &mut reader };
    // Linux begins to count the peak anew.
    fs::File::options()
        .write(true)
        .open("/proc/self/clear_refs")
        .and_then(|mut file| io::Write::write_all(&mut file, b"5"))
        .unwrap();
    let mut take = |portion: Portion| {
        assert!(portion.origins.len() < 1_200_000);
        Ok(())
    };
    let summary = read(source, &options, &mut |_| (), &mut take).unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    (summary.counts.read, line.split_whitespace().nth(1).unwrap().parse().unwrap())
}

#[test]
#[ignore = "takes a minute; run it with `cargo test -p twinkeep-intake --test it -- --ignored`"]
fn ten_times_the_rows_take_no_more_memory() {
    // The first run leaves the allocator with what any later one begins with.
    let (rows, first) = peak_kib(1000);
    let small = first.max(peak_kib(1000).1);
    let (more_rows, large) = peak_kib(10_000);
    println!("{rows} rows: {} MiB; {more_rows} rows: {} MiB", small >> 10, large >> 10);
    assert_eq!(more_rows, rows * 10);
    assert!(large * 10 < small * 11, "{small} KiB, {large} KiB");
}

const ROWS_PER_STAY: u32 = 2000;
