//! What an unfinished training has learned, in `training/`: sealed, and bound to what it learns from.
//!
//! A training writes every target when it is learned. If it is cut off, by a kill, a power cut, or
//! Ctrl-C, the next training of the same data, pack, configuration, and program takes the targets
//! that are there, and ends with the same bytes. Whatever differs makes it another training: it
//! starts over, says why, and deletes what the other left.
//!
//! # Invariants
//!
//! - The folder of a run is named by a keyed digest of all that its result depends on.
//! - A file that does not open, or was moved, counts as not there.
//! - Nothing is left when a training ends, or when a person is erased.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinkeep_domain::{Code, Cohort, Tensor, TensorData};
use twinkeep_forecast::TrainParts;
use twinkeep_vault::digest::{Sha256, hmac_sha256, to_hex};
use twinkeep_vault::files::{
    PRIVATE_FILE, create_private_dir, read_bounded, sync_dir, write_atomic,
};
use twinkeep_vault::{Purpose, SecretKey, open, seal};

use crate::{App, AppError};

/// All that the result of a training depends on, by what people call it.
pub(crate) type Ingredients = BTreeMap<&'static str, String>;

/// The place of one training.
pub(crate) struct TrainingFolder<'a> {
    key: &'a SecretKey,
    dir: PathBuf,
    run: String,
    /// Held as long as the training runs; given back by the system if it is killed.
    _turn: File,
    /// What differed from the trainings that were found unfinished, if none was this one.
    pub(crate) differs: Vec<String>,
    /// Why something could not be kept, if so. The training goes on: it can only not be resumed.
    pub(crate) problem: Option<io::Error>,
}

impl<'a> TrainingFolder<'a> {
    /// Opens the folder of a training, and deletes what other unfinished ones left.
    ///
    /// With `start_over`, deletes what this one left, too.
    pub(crate) fn open(
        app: &'a App,
        ingredients: &Ingredients,
        start_over: bool,
    ) -> Result<Self, AppError> {
        let root = app.layout.training();
        let cannot = |error: io::Error| {
            let attempt = format!("cannot write to `{}`", root.display());
            AppError::environment("training-write", attempt).because(error)
        };
        let described = describe(ingredients)?;
        let run = to_hex(&hmac_sha256(&app.training_key, &described)[..16]);
        let key = &app.training_key;
        // One at a time, so that nobody deletes a folder that another just made.
        create_private_dir(&root).map_err(cannot)?;
        let all = File::open(&root).map_err(cannot)?;
        all.lock().map_err(cannot)?;
        let differs = clear_others(key, &root, &run, ingredients).map_err(cannot)?;
        let dir = root.join(&run);
        create_private_dir(&dir).map_err(cannot)?;
        let turn = File::open(&dir).map_err(cannot)?;
        match turn.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(AppError::refused("train-running", "the same training is running")
                    .hint("wait for the other process, or stop it"));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        if start_over {
            clear(&dir).map_err(cannot)?;
        }
        let sealed =
            seal(key, Purpose::Training, context(&run, DESCRIPTION).as_bytes(), &described);
        write_atomic(&dir.join(DESCRIPTION), &sealed, PRIVATE_FILE).map_err(cannot)?;
        Ok(Self { key, dir, run, _turn: turn, differs, problem: None })
    }

    /// Refuses to go on if the folder was deleted meanwhile, as an erasure does: what was learned
    /// may be from the person.
    pub(crate) fn refuse_if_deleted(&self) -> Result<(), AppError> {
        if self.dir.join(DESCRIPTION).exists() {
            return Ok(());
        }
        let attempt = "somebody was erased while the training ran, so its result is not kept";
        Err(AppError::refused("train-erased", attempt).hint("train again, without the person"))
    }

    /// Deletes the folder: the training is done.
    pub(crate) fn finish(self) -> Option<io::Error> {
        let removed = fs::remove_dir_all(&self.dir);
        self.problem.or(removed.err().filter(|error| error.kind() != io::ErrorKind::NotFound))
    }

    fn read(&self, name: &str) -> Option<Vec<Tensor>> {
        let sealed = read_bounded(&self.dir.join(name), PART_SIZE_MAX).ok()?;
        let context = context(&self.run, name);
        let bytes = open(self.key, Purpose::Training, context.as_bytes(), &sealed).ok()?;
        let part: Vec<PartTensor> = postcard::from_bytes(bytes.expose()).ok()?;
        Some(part.into_iter().map(PartTensor::into_tensor).collect())
    }

    fn write(&self, name: &str, part: &[Tensor]) -> io::Result<()> {
        let part: Vec<PartTensor> = part.iter().map(PartTensor::of).collect();
        let bytes = postcard::to_allocvec(&part).map_err(io::Error::other)?;
        let context = context(&self.run, name);
        let sealed = seal(self.key, Purpose::Training, context.as_bytes(), &bytes);
        write_atomic(&self.dir.join(name), &sealed, PRIVATE_FILE)
    }
}

impl TrainParts for TrainingFolder<'_> {
    fn get(&mut self, code: &Code) -> Option<Vec<Tensor>> {
        self.read(&file_name(code))
    }

    fn put(&mut self, code: &Code, part: &[Tensor]) {
        if let Err(error) = self.write(&file_name(code), part) {
            self.problem.get_or_insert(error);
        }
    }
}

impl App {
    /// Deletes what unfinished trainings learned, since somebody who may have taught it was erased.
    pub(crate) fn forget_training(&self) -> Result<(), AppError> {
        let root = self.layout.training();
        let removed = match fs::remove_dir_all(&root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => removed.and_then(|()| sync_dir(self.layout.root())),
        };
        removed.map_err(|error| {
            let attempt = format!("cannot delete `{}`", root.display());
            AppError::environment("training-write", attempt).because(error)
        })
    }
}

/// Returns a digest over everything that is known of the people of some cohorts. It says nothing
/// about anybody: who could compute it has all the events.
pub(crate) fn data_digest(cohorts: &[&Cohort]) -> String {
    let mut digest = Sha256::default();
    let mut put = |bytes: &[u8]| {
        digest.update(&(bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    };
    for cohort in cohorts {
        put(&(cohort.timelines.len() as u64).to_le_bytes());
        for timeline in &cohort.timelines {
            put(&timeline.subject().reveal().to_le_bytes());
            for event in timeline.events() {
                // By name: the numbers of codes are those of the cohort.
                let code = cohort.codes.get(event.code as usize).map_or("", Code::as_str);
                put(code.as_bytes());
                put(&event.time.map_or(Vec::new(), |time| time.micros().to_le_bytes().to_vec()));
                put(&event
                    .value
                    .map_or(Vec::new(), |value| value.to_bits().to_le_bytes().to_vec()));
                put(event.text.as_deref().unwrap_or_default().as_bytes());
            }
        }
    }
    to_hex(&digest.finish())
}

/// Deletes the folders of other trainings that nobody is at; returns what differs from the one
/// that is closest.
fn clear_others(
    key: &SecretKey,
    root: &Path,
    run: &str,
    ingredients: &Ingredients,
) -> io::Result<Vec<String>> {
    let mut closest: Option<Vec<String>> = None;
    let mut same = false;
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == run {
            same = true;
            continue;
        }
        // Another training is running there.
        if File::open(entry.path())?.try_lock().is_err() {
            continue;
        }
        if let Some(found) = difference(key, &entry.path(), &name, ingredients)
            && closest.as_ref().is_none_or(|closest| found.len() < closest.len())
        {
            closest = Some(found);
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(closest.filter(|_| !same).unwrap_or_default())
}

/// Returns in what the training of a folder differs; `None` if it does not say what it is.
fn difference(
    key: &SecretKey,
    dir: &Path,
    run: &str,
    ingredients: &Ingredients,
) -> Option<Vec<String>> {
    let sealed = read_bounded(&dir.join(DESCRIPTION), DESCRIPTION_SIZE_MAX).ok()?;
    let context = context(run, DESCRIPTION);
    let bytes = open(key, Purpose::Training, context.as_bytes(), &sealed).ok()?;
    let other: BTreeMap<String, String> = serde_json::from_slice(bytes.expose()).ok()?;
    let differs = |(name, own): &(&&str, &String)| other.get(**name) != Some(*own);
    Some(ingredients.iter().filter(differs).map(|(name, _)| (*name).to_owned()).collect())
}

fn describe(ingredients: &Ingredients) -> Result<Vec<u8>, AppError> {
    serde_json::to_vec(ingredients).map_err(|error| {
        AppError::environment("json", "cannot describe the training").because(error)
    })
}

fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        fs::remove_file(entry?.path())?;
    }
    sync_dir(dir)
}

/// A code may have any character; its digest has none that a file name must not have.
fn file_name(code: &Code) -> String {
    let mut digest = Sha256::default();
    digest.update(code.as_str().as_bytes());
    format!("part-{}", to_hex(&digest.finish()[..8]))
}

/// What binds a sealed file to its place.
fn context(run: &str, name: &str) -> String {
    format!("{run}/{name}")
}

/// A [`Tensor`] as it is written.
#[derive(Serialize, Deserialize)]
struct PartTensor {
    name: String,
    shape: Vec<usize>,
    data: PartData,
}

#[derive(Serialize, Deserialize)]
enum PartData {
    F32(Vec<f32>),
    I32(Vec<i32>),
    U8(Vec<u8>),
}

impl PartTensor {
    fn of(tensor: &Tensor) -> Self {
        let data = match &tensor.data {
            TensorData::F32(data) => PartData::F32(data.clone()),
            TensorData::I32(data) => PartData::I32(data.clone()),
            TensorData::U8(data) => PartData::U8(data.clone()),
        };
        Self { name: tensor.name.clone(), shape: tensor.shape.clone(), data }
    }

    fn into_tensor(self) -> Tensor {
        let data = match self.data {
            PartData::F32(data) => TensorData::F32(data),
            PartData::I32(data) => TensorData::I32(data),
            PartData::U8(data) => TensorData::U8(data),
        };
        Tensor { name: self.name, shape: self.shape, data }
    }
}

/// The file that says what a folder is of.
const DESCRIPTION: &str = "run";

/// Ten times what a description takes.
const DESCRIPTION_SIZE_MAX: u64 = 64 << 10;

/// A target of 400 trees of 31 leaves takes 1 MB.
const PART_SIZE_MAX: u64 = 256 << 20;
