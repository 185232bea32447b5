//! The formats that are read here, one row each. The first that recognizes a file reads it.

use crate::batch::Batch;
use crate::input::Input;
use crate::members::Files;
use crate::{IntakeError, ReadOptions, fhir, mapped, meds, physionet};

/// One format.
pub(crate) struct Format {
    /// What people call it.
    pub name: &'static str,
    /// How a feed declares it.
    pub media_types: &'static [&'static str],
    /// Looks at the name and the first bytes of a file.
    pub recognizes: fn(&Look<'_>) -> bool,
    pub read: Reader,
}

/// What there is to tell a format by.
pub(crate) struct Look<'l> {
    /// By what the source is read.
    pub options: &'l ReadOptions<'l>,
    /// The name of the file within the source; a stream has none.
    pub name: &'l str,
    /// The first bytes, up to 16 KiB.
    pub head: &'l [u8],
    /// Whether it is the only file of the source.
    pub alone: bool,
}

/// How a format is read.
#[derive(Clone, Copy)]
pub(crate) enum Reader {
    /// Each file on its own, in order and once.
    EachFile(fn(&mut Batch<'_>, Input<'_>) -> Result<(), IntakeError>),
    /// All files from the first one of this format on, together, in any order and several times.
    DataSet(fn(&mut Batch<'_>, &Files) -> Result<(), IntakeError>),
}

/// Returns the format of a file.
pub(crate) fn find(look: &Look<'_>) -> Option<&'static Format> {
    FORMATS.iter().find(|format| (format.recognizes)(look))
}

/// RFC 2046, 4.5.1: bytes of which nothing is known. The content decides.
pub(crate) const UNDECLARED: &str = "application/octet-stream";

const FORMATS: &[Format] = &[
    Format {
        name: "tables of a data set that was named",
        media_types: mapped::MEDIA_TYPES,
        recognizes: |look| look.options.mapping.is_some(),
        read: Reader::DataSet(mapped::read_mapped),
    },
    Format {
        name: "Parquet tables of a known data set",
        media_types: mapped::MEDIA_TYPES,
        recognizes: |look| meds::is_parquet(look.head) && mapped::is_known_table(look.name),
        read: Reader::DataSet(mapped::read_mapped),
    },
    Format {
        name: "MEDS Parquet",
        media_types: &["application/vnd.apache.parquet", "application/x-parquet"],
        recognizes: |look| meds::is_parquet(look.head),
        read: Reader::DataSet(meds::read_meds),
    },
    Format {
        name: "PhysioNet 2012 text",
        media_types: &["text/csv", "text/plain"],
        recognizes: |look| physionet::is_stay(look.head),
        read: Reader::EachFile(physionet::read_stay),
    },
    Format {
        name: "FHIR R4 JSON",
        media_types: &[
            "application/fhir+json",
            "application/fhir+ndjson",
            "application/json",
            "application/x-ndjson",
        ],
        recognizes: |look| fhir::is_fhir(look.head),
        read: Reader::DataSet(fhir::read_fhir),
    },
    Format {
        name: "delimited text",
        media_types: mapped::MEDIA_TYPES,
        recognizes: mapped::recognizes,
        read: Reader::DataSet(mapped::read_mapped),
    },
];
