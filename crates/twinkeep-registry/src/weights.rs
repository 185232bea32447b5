//! Weights as safetensors: a data-only format, and checks that the format leaves out.
//!
//! The manifest beside the weights says which tensors there are. It is readable without a key and
//! signed like every file, and the weights must be exactly what it says.

use std::collections::BTreeSet;
use std::fmt;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use twinkeep_domain::{Tensor, TensorData};

#[cfg(test)]
mod tests;

/// Why weights are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// The bytes are not safetensors, or not in the one form that is taken.
    #[error("the weights are not valid safetensors: {problem}")]
    Format {
        /// What is wrong.
        problem: &'static str,
    },
    /// A name is empty, too long, or there twice.
    #[error("tensor {index} has a name that is not valid, or that another one has")]
    Name {
        /// Its position.
        index: usize,
    },
    /// A shape does not fit the number of elements.
    #[error("tensor `{name}` does not have as many elements as its shape says")]
    Shape {
        /// Which one.
        name: String,
    },
    /// A type that is not on the list.
    #[error("tensor `{name}` has a type that is not supported")]
    Type {
        /// Which one.
        name: String,
    },
    /// NaN or infinity.
    #[error("tensor `{name}` has a value that is not a finite number")]
    NotFinite {
        /// Which one.
        name: String,
    },
    /// The tensors are not those of the manifest.
    #[error("the tensors are not those of the manifest")]
    Manifest,
}

/// What the manifest says.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    tensors: Vec<ManifestTensor>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct ManifestTensor {
    name: String,
    dtype: String,
    shape: Vec<usize>,
}

/// Returns the weights as safetensors, and their manifest.
pub(crate) fn encode(tensors: &[Tensor]) -> Result<(Vec<u8>, Vec<u8>), WeightsError> {
    check_tensors(tensors)?;
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|tensor| to_bytes(&tensor.data)).collect();
    let view = |(tensor, bytes)| {
        let tensor: &Tensor = tensor;
        let bytes: &Vec<u8> = bytes;
        TensorView::new(dtype(&tensor.data), tensor.shape.clone(), bytes)
            .map(|view| (tensor.name.as_str(), view))
            .map_err(|_| WeightsError::Shape { name: tensor.name.clone() })
    };
    let views: Result<Vec<_>, _> = tensors.iter().zip(&bytes).map(view).collect();
    let weights = safetensors::serialize(views?, None)
        .map_err(|_| WeightsError::Format { problem: "they cannot be written" })?;
    if header(&weights).is_none() {
        return Err(WeightsError::Format { problem: "the header is too large" });
    }
    Ok((weights, manifest(tensors)?))
}

/// Reads weights that are exactly what `manifest` says; tensors come sorted by name.
pub(crate) fn decode(weights: &[u8], signed_manifest: &[u8]) -> Result<Vec<Tensor>, WeightsError> {
    let header =
        header(weights).ok_or(WeightsError::Format { problem: "the header is too large" })?;
    let DistinctNames = serde_json::from_slice(header).map_err(|_| WeightsError::Format {
        problem: "the header has a repeated or unknown key",
    })?;
    let file = SafeTensors::deserialize(weights)
        .map_err(|_| WeightsError::Format { problem: "the header does not describe the data" })?;
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        tensors.push(Tensor { shape: view.shape().to_vec(), data: from_view(&name, &view)?, name });
    }
    tensors.sort_by(|left, right| left.name.cmp(&right.name));
    check_tensors(&tensors)?;
    if manifest(&tensors)? == signed_manifest { Ok(tensors) } else { Err(WeightsError::Manifest) }
}

fn check_tensors(tensors: &[Tensor]) -> Result<(), WeightsError> {
    if tensors.is_empty() || tensors.len() > TENSOR_COUNT_MAX {
        return Err(WeightsError::Format { problem: "there are no tensors, or too many" });
    }
    let mut names = BTreeSet::new();
    for (index, tensor) in tensors.iter().enumerate() {
        let name = tensor.name.as_str();
        let valid = (1..=NAME_LEN_MAX).contains(&name.len())
            && !name.chars().any(char::is_control)
            && name != METADATA_KEY;
        if !valid || !names.insert(name) {
            return Err(WeightsError::Name { index });
        }
        let elements = tensor.shape.iter().try_fold(1_usize, |all, &next| all.checked_mul(next));
        if elements != Some(tensor.data.len()) {
            return Err(WeightsError::Shape { name: name.to_owned() });
        }
        if let TensorData::F32(values) = &tensor.data
            && !values.iter().all(|value| value.is_finite())
        {
            return Err(WeightsError::NotFinite { name: name.to_owned() });
        }
    }
    Ok(())
}

fn manifest(tensors: &[Tensor]) -> Result<Vec<u8>, WeightsError> {
    let describe = |tensor: &Tensor| ManifestTensor {
        name: tensor.name.clone(),
        dtype: dtype(&tensor.data).to_string(),
        shape: tensor.shape.clone(),
    };
    let mut tensors: Vec<ManifestTensor> = tensors.iter().map(describe).collect();
    tensors.sort_by(|left, right| left.name.cmp(&right.name));
    serde_json::to_vec(&Manifest { version: 1, tensors }).map_err(|_| WeightsError::Manifest)
}

fn dtype(data: &TensorData) -> Dtype {
    match data {
        TensorData::F32(_) => Dtype::F32,
        TensorData::I32(_) => Dtype::I32,
        TensorData::U8(_) => Dtype::U8,
    }
}

fn to_bytes(data: &TensorData) -> Vec<u8> {
    match data {
        TensorData::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        TensorData::I32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        TensorData::U8(values) => values.clone(),
    }
}

fn from_view(name: &str, view: &TensorView<'_>) -> Result<TensorData, WeightsError> {
    let words = view.data().chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]]);
    match view.dtype() {
        Dtype::F32 => Ok(TensorData::F32(words.map(f32::from_le_bytes).collect())),
        Dtype::I32 => Ok(TensorData::I32(words.map(i32::from_le_bytes).collect())),
        Dtype::U8 => Ok(TensorData::U8(view.data().to_vec())),
        _ => Err(WeightsError::Type { name: name.to_owned() }),
    }
}

/// Returns the header, if it is there and not too large: eight bytes of length, then JSON.
fn header(weights: &[u8]) -> Option<&[u8]> {
    let (length, rest) = weights.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    if length > HEADER_SIZE_MAX {
        return None;
    }
    rest.get(..length)
}

/// A header in which each name is there once. The library keeps the last of two equal ones, so that two
/// readers could see two different models.
struct DistinctNames;

impl<'de> Deserialize<'de> for DistinctNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = DistinctNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header of safetensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DistinctNames, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA_KEY {
                return Err(A::Error::custom("metadata"));
            }
            let TensorHeader { .. } = map.next_value()?;
            if !names.insert(name) {
                return Err(A::Error::custom("repeated name"));
            }
        }
        Ok(DistinctNames)
    }
}

/// A derived reader refuses a repeated field, too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TensorHeader {
    #[serde(rename = "dtype")]
    _dtype: IgnoredAny,
    #[serde(rename = "shape")]
    _shape: IgnoredAny,
    #[serde(rename = "data_offsets")]
    _data_offsets: IgnoredAny,
}

/// Free text in the header; nothing of ours writes it, and nobody would read it.
const METADATA_KEY: &str = "__metadata__";

/// Largest header, in bytes: 10,000 tensors need less; the library's own limit is 100 MB.
const HEADER_SIZE_MAX: usize = 1 << 20;

/// Most tensors: what fits the header.
const TENSOR_COUNT_MAX: usize = 16_384;

/// Longest name of a tensor, in bytes: a path of modules and a code.
const NAME_LEN_MAX: usize = 512;
