//! The files of a folder, archive, or stream, each given to the format that it has.
//!
//! Most formats are read file by file while the source streams by. A data set whose tables need
//! each other is gathered first: files of a folder are opened again, those of an archive wait in a
//! spool.

use std::io::{Cursor, Read};
use std::sync::Arc;

use twinkeep_vault::spool::{Spool, SpoolWriter};

use crate::batch::{At, Batch, Refusal};
use crate::formats::{self, Look, Reader};
use crate::input::{self, Blob, DiskFile, Input, KnownFile, cannot_spool, drain, spool};
use crate::source::{Container, cannot_read, damaged, head, unpack};
use crate::{IntakeError, Place, Reason};

/// Reads the files of one source as they come.
pub(crate) struct Members {
    /// Whether a file of no known format ends the reading instead of going to quarantine.
    alone: bool,
    data_set: Option<DataSet>,
}

/// A data set that is being gathered.
struct DataSet {
    read: fn(&mut Batch<'_>, &Files) -> Result<(), IntakeError>,
    files: Vec<Waiting>,
    spool: Option<SpoolWriter>,
}

/// A file that waits for the others.
struct Waiting {
    place: Place,
    name: Arc<str>,
    at: Kept,
}

/// Where a file waits.
enum Kept {
    /// On the disk, packed or not.
    Disk(KnownFile, Option<Container>),
    /// In the spool, unpacked, from here to there.
    Spool(u64, u64),
}

impl Members {
    /// For a source that is one file.
    pub(crate) fn only_one() -> Self {
        Self { alone: true, data_set: None }
    }

    /// For a folder or an archive.
    pub(crate) fn many() -> Self {
        Self { alone: false, data_set: None }
    }

    /// Reads one file, or keeps it for [`Members::finish`]. `disk` is the file itself if it is on
    /// the disk.
    pub(crate) fn read(
        &mut self,
        batch: &mut Batch<'_>,
        place: &Place,
        name: &Arc<str>,
        reader: &mut dyn Read,
        disk: Option<&DiskFile>,
    ) -> Result<(), IntakeError> {
        let head = head(reader).map_err(|error| damaged(batch, place, error))?;
        let packing = Container::of(&head).filter(|container| *container != Container::Tar);
        let mut rest = Cursor::new(head).chain(reader);
        let Some(packing) = packing else {
            return self.read_unpacked(batch, place, name, &mut rest, (disk, None));
        };
        let mut unpacked = unpack(batch, place, packing, Box::new(&mut rest))?;
        self.read_unpacked(batch, place, name, &mut unpacked, (disk, Some(packing)))?;
        drop(unpacked);
        // The digest is over the whole file.
        drain(&mut rest).map_err(|error| damaged(batch, place, error))
    }

    fn read_unpacked(
        &mut self,
        batch: &mut Batch<'_>,
        place: &Place,
        name: &Arc<str>,
        reader: &mut dyn Read,
        (disk, packing): (Option<&DiskFile>, Option<Container>),
    ) -> Result<(), IntakeError> {
        let head = head(reader).map_err(|error| damaged(batch, place, error))?;
        if self.alone && head.is_empty() {
            return Err(IntakeError::Empty { place: place.clone() });
        }
        let format = match &self.data_set {
            Some(_) => None,
            None => formats::find(&Look {
                options: &batch.options,
                name,
                head: &head,
                alone: self.alone,
            }),
        };
        let mut reader = Cursor::new(head).chain(reader);
        match format.map(|format| format.read) {
            Some(Reader::EachFile(read)) => {
                read(batch, Input { place, name, reader: &mut reader })?;
            }
            Some(Reader::DataSet(read)) => {
                let mut data_set = DataSet { read, files: Vec::new(), spool: None };
                data_set.keep(batch, place, name, &mut reader, (disk, packing))?;
                self.data_set = Some(data_set);
            }
            None => match &mut self.data_set {
                Some(data_set) => {
                    data_set.keep(batch, place, name, &mut reader, (disk, packing))?
                }
                None if self.alone => {
                    return Err(IntakeError::Unrecognized { place: place.clone() });
                }
                None => {
                    let input = Input { place, name, reader: &mut reader };
                    refuse_unrecognized(batch, input)?;
                }
            },
        }
        drain(&mut reader).map_err(|error| damaged(batch, place, error))
    }

    /// Reads what was kept.
    pub(crate) fn finish(self, batch: &mut Batch<'_>) -> Result<(), IntakeError> {
        let Some(data_set) = self.data_set else { return Ok(()) };
        let place = batch.place_of(None);
        let spool = data_set.spool.map(SpoolWriter::finish).transpose();
        let spool = spool.map_err(|error| cannot_spool(&place, error))?;
        let files = Files { files: data_set.files, spool };
        (data_set.read)(batch, &files)?;
        files.check_unchanged()
    }
}

impl DataSet {
    fn keep(
        &mut self,
        batch: &Batch<'_>,
        place: &Place,
        name: &Arc<str>,
        reader: &mut dyn Read,
        (disk, packing): (Option<&DiskFile>, Option<Container>),
    ) -> Result<(), IntakeError> {
        let at = if let Some(disk) = disk {
            Kept::Disk(disk.known().clone(), packing)
        } else {
            let writer = match &mut self.spool {
                Some(writer) => writer,
                none => none.insert(
                    SpoolWriter::create(batch.options.spool)
                        .map_err(|error| cannot_spool(place, error))?,
                ),
            };
            let start = writer.length();
            spool(batch, place, reader, writer)?;
            Kept::Spool(start, writer.length())
        };
        self.files.push(Waiting { place: place.clone(), name: Arc::clone(name), at });
        Ok(())
    }
}

/// The files of a data set, which can be read in any order and several times.
pub(crate) struct Files {
    files: Vec<Waiting>,
    spool: Option<Spool>,
}

impl Files {
    /// Returns the place and the name of each file, in the order of the source.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&Place, &Arc<str>)> {
        self.files.iter().map(|file| (&file.place, &file.name))
    }

    /// Opens a file by its place in [`Files::list`], to be read from its start, unpacked.
    pub(crate) fn open(
        &self,
        batch: &Batch<'_>,
        index: usize,
    ) -> Result<Box<dyn Read + '_>, IntakeError> {
        let Waiting { place, at, .. } = &self.files[index];
        match at {
            Kept::Spool(start, end) => Ok(Box::new(self.spool_of(place)?.reader(*start, *end))),
            Kept::Disk(disk, packing) => {
                let blob = disk.open().map_err(|error| cannot_read(place, error))?;
                let reader = Box::new(batch.meter.again(blob.reader(0)));
                match packing {
                    None => Ok(reader),
                    Some(packing) => unpack(batch, place, *packing, reader),
                }
            }
        }
    }

    /// Returns a file for reading from anywhere.
    pub(crate) fn blob(&self, batch: &Batch<'_>, index: usize) -> Result<Blob, IntakeError> {
        let Waiting { place, at, .. } = &self.files[index];
        match at {
            Kept::Spool(start, end) => {
                Ok(Blob::of_spool(self.spool_of(place)?.clone(), *start, *end))
            }
            Kept::Disk(disk, None) => disk.open().map_err(|error| cannot_read(place, error)),
            Kept::Disk(_, Some(_)) => input::blob(batch, place, &mut self.open(batch, index)?),
        }
    }

    fn spool_of(&self, place: &Place) -> Result<&Spool, IntakeError> {
        let gone = || std::io::Error::from(std::io::ErrorKind::NotFound);
        self.spool.as_ref().ok_or_else(|| cannot_spool(place, gone()))
    }

    fn check_unchanged(&self) -> Result<(), IntakeError> {
        self.files.iter().try_for_each(|file| match &file.at {
            Kept::Disk(disk, _) => {
                disk.check_unchanged().map_err(|error| cannot_read(&file.place, error))
            }
            Kept::Spool(..) => Ok(()),
        })
    }
}

/// Keeps a file of no known format whole.
pub(crate) fn refuse_unrecognized(
    batch: &mut Batch<'_>,
    mut input: Input<'_>,
) -> Result<(), IntakeError> {
    let limit = batch.limits.text_file_size_max;
    let bytes = input.whole(batch, "the size of a file of no known format in bytes", limit)?;
    let refusal = Refusal { reason: Reason::MissingHeader, field: None };
    batch.refuse(At { file: input.name, row: 0 }, refusal, bytes)
}
