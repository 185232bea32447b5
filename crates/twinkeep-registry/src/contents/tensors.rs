//! Tensors as safetensors: a header of JSON, then numbers, to the last byte.
//!
//! The format leaves open what this closes: two tensors of one name, holes, numbers that are none,
//! texts in the header that somebody else's program may act on.

use std::collections::BTreeSet;
use std::fmt;

use safetensors::Dtype;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::{Content, Format};

/// Returns whether a file begins as safetensors: a length below 4 GiB, then the header's brace. No
/// text has such zeros.
pub(super) fn begins(head: &[u8]) -> bool {
    head.get(4..9) == Some(b"\0\0\0\0{")
}

/// Reads a file of tensors as it comes.
#[derive(Default)]
pub(super) struct TensorScan {
    /// What was read of the header, its length included, until it is complete.
    header: Vec<u8>,
    tensors: Option<Vec<Tensor>>,
    /// Which tensor the next byte belongs to, and how much of it was seen.
    current: usize,
    seen: u64,
    /// The beginning of a number whose end is in the next bytes.
    rest: Vec<u8>,
    problem: Option<&'static str>,
}

/// A tensor that the header tells of.
struct Tensor {
    dtype: Dtype,
    size: u64,
}

impl TensorScan {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.problem.is_some() {
            return;
        }
        if let Err(problem) = self.take(bytes) {
            self.problem = Some(problem);
        }
    }

    pub(super) fn finish(self) -> Content {
        if let Some(problem) = self.problem {
            return Content::Unsound(problem);
        }
        match self.tensors {
            Some(tensors) if self.current == tensors.len() => Content::Checked(Format::Safetensors),
            Some(_) => Content::Unsound("it has fewer bytes than its header says"),
            None => Content::Unsound("its header is cut off"),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let mut bytes = bytes;
        if self.tensors.is_none() {
            let missing = self.header_end()?.saturating_sub(self.header.len());
            let (header, after) = bytes.split_at(missing.min(bytes.len()));
            self.header.extend_from_slice(header);
            // The first eight bytes say where the header ends.
            let end = self.header_end()?;
            if self.header.len() < end || end <= LENGTH_SIZE {
                return if after.is_empty() { Ok(()) } else { self.take(after) };
            }
            self.tensors = Some(read_header(&self.header[LENGTH_SIZE..])?);
            self.pass_empty();
            bytes = after;
        }
        while !bytes.is_empty() {
            bytes = self.take_data(bytes)?;
        }
        Ok(())
    }

    /// Returns where the header ends, as far as its length was read.
    fn header_end(&self) -> Result<usize, &'static str> {
        let Some((length, _)) = self.header.split_first_chunk::<LENGTH_SIZE>() else {
            return Ok(LENGTH_SIZE);
        };
        match usize::try_from(u64::from_le_bytes(*length)) {
            Ok(0) => Err("its header is empty"),
            Ok(length) if length <= HEADER_SIZE_MAX => Ok(LENGTH_SIZE + length),
            _ => Err("its header is too large"),
        }
    }

    /// Checks numbers of the current tensor; returns the bytes after it.
    fn take_data<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], &'static str> {
        let tensor = self.tensors.as_ref().and_then(|tensors| tensors.get(self.current));
        let tensor = tensor.ok_or("it has more bytes than its header says")?;
        let left = usize::try_from(tensor.size - self.seen).unwrap_or(usize::MAX);
        let (own, after) = bytes.split_at(left.min(bytes.len()));
        let width = tensor.dtype.bitsize() / 8;
        let mut numbers = own;
        if !self.rest.is_empty() {
            let (end, others) = own.split_at((width - self.rest.len()).min(own.len()));
            self.rest.extend_from_slice(end);
            numbers = others;
            if self.rest.len() == width {
                check_numbers(tensor.dtype, &self.rest)?;
                self.rest.clear();
            }
        }
        let whole = numbers.len() - numbers.len() % width;
        check_numbers(tensor.dtype, &numbers[..whole])?;
        self.rest.extend_from_slice(&numbers[whole..]);
        self.seen += own.len() as u64;
        if self.seen == tensor.size {
            (self.current, self.seen) = (self.current + 1, 0);
            self.pass_empty();
        }
        Ok(after)
    }

    fn pass_empty(&mut self) {
        let tensors = self.tensors.as_deref().unwrap_or_default();
        while tensors.get(self.current).is_some_and(|tensor| tensor.size == 0) {
            self.current += 1;
        }
    }
}

/// Reads the header; returns the tensors in the order of their bytes.
fn read_header(header: &[u8]) -> Result<Vec<Tensor>, &'static str> {
    let Header { mut tensors } = serde_json::from_slice(header)
        .map_err(|_| "its header has a name twice, or something that is none of it")?;
    if tensors.is_empty() {
        return Err("it has no tensors");
    }
    tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let mut end = 0;
    let mut found = Vec::new();
    for (name, tensor) in tensors {
        let valid = (1..=NAME_LEN_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
        if !valid {
            return Err("a tensor has a name that is not valid");
        }
        let width = match tensor.dtype {
            Dtype::F64 | Dtype::I64 | Dtype::U64 => 8,
            Dtype::F32 | Dtype::I32 | Dtype::U32 => 4,
            Dtype::F16 | Dtype::BF16 | Dtype::I16 | Dtype::U16 => 2,
            Dtype::F8_E4M3 | Dtype::F8_E5M2 | Dtype::I8 | Dtype::U8 | Dtype::BOOL => 1,
            _ => return Err("a tensor has a type that is not supported"),
        };
        if DIMENSION_COUNT_MAX < tensor.shape.len() {
            return Err("a tensor has too many dimensions");
        }
        let size = tensor.shape.iter().try_fold(width, |all: u64, &next| all.checked_mul(next));
        let (begin, stop) = tensor.data_offsets;
        if begin != end {
            return Err("its tensors overlap, or there is room between them");
        }
        if size.is_none() || stop.checked_sub(begin) != size {
            return Err("a tensor does not have as many bytes as its shape says");
        }
        end = stop;
        found.push(Tensor { dtype: tensor.dtype, size: stop - begin });
    }
    Ok(found)
}

/// Refuses what is no finite number; what is no number is how faults and traps look.
fn check_numbers(dtype: Dtype, bytes: &[u8]) -> Result<(), &'static str> {
    let sound = match dtype {
        Dtype::F64 => all::<8>(bytes, |n| u64::from_le_bytes(n) >> 52 & 0x7ff != 0x7ff),
        Dtype::F32 => all::<4>(bytes, |n| u32::from_le_bytes(n) >> 23 & 0xff != 0xff),
        Dtype::F16 => all::<2>(bytes, |n| u16::from_le_bytes(n) >> 10 & 0x1f != 0x1f),
        Dtype::BF16 => all::<2>(bytes, |n| u16::from_le_bytes(n) >> 7 & 0xff != 0xff),
        Dtype::F8_E5M2 => bytes.iter().all(|n| n >> 2 & 0x1f != 0x1f),
        Dtype::F8_E4M3 => bytes.iter().all(|n| n & 0x7f != 0x7f),
        Dtype::BOOL => {
            return match bytes.iter().all(|&n| n <= 1) {
                true => Ok(()),
                false => Err("a truth value in it is neither"),
            };
        }
        _ => true,
    };
    if sound { Ok(()) } else { Err("it has a value that is not a finite number") }
}

fn all<const N: usize>(bytes: &[u8], sound: impl Fn([u8; N]) -> bool) -> bool {
    bytes.as_chunks::<N>().0.iter().all(|&number| sound(number))
}

struct Header {
    tensors: Vec<(String, WireTensor)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireTensor {
    dtype: Dtype,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Free text, of which one entry is known: with which library the file was written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format: String,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header of safetensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut names = BTreeSet::new();
        let mut tensors = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom("a name is there twice"));
            }
            if name == METADATA_KEY {
                let Metadata { format } = map.next_value()?;
                if !LIBRARIES.contains(&format.as_str()) {
                    return Err(A::Error::custom("unknown metadata"));
                }
                continue;
            }
            tensors.push((name, map.next_value()?));
        }
        Ok(Header { tensors })
    }
}

const METADATA_KEY: &str = "__metadata__";

/// The libraries that name themselves.
const LIBRARIES: &[&str] = &["flax", "jax", "mlx", "np", "paddle", "pt", "tf"];

/// The bytes that say how long the header is.
const LENGTH_SIZE: usize = 8;

/// Largest header, in bytes: ten thousand tensors need less; the format's own limit is 100 MB.
const HEADER_SIZE_MAX: usize = 1 << 20;

/// Longest name of a tensor, in bytes: a path of modules.
const NAME_LEN_MAX: usize = 512;

/// Convolutions over time and space have five.
const DIMENSION_COUNT_MAX: usize = 8;
