//! Weights: what reads back, and every way to be refused.

use twinkeep_domain::{Tensor, TensorData};

use super::{WeightsError, decode, encode};

fn tensor(name: &str, shape: &[usize], data: TensorData) -> Tensor {
    Tensor { name: name.to_owned(), shape: shape.to_vec(), data }
}

fn sample() -> Vec<Tensor> {
    vec![
        tensor("a/mean", &[2, 2], TensorData::F32(vec![1.5, -0.0, f32::MIN_POSITIVE, 3.0e38])),
        tensor("b", &[3], TensorData::I32(vec![i32::MIN, 0, i32::MAX])),
        tensor("c", &[1, 5], TensorData::U8(vec![0, 1, 2, 254, 255])),
        tensor("empty", &[0, 7], TensorData::F32(Vec::new())),
    ]
}

/// A file with this header, and data of this length.
fn file(header: &str, data_size: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data_size, 0);
    bytes
}

#[test]
fn tensors_read_back_sorted_by_name_and_always_give_the_same_bytes() {
    let (weights, manifest) = encode(&sample()).unwrap();
    assert_eq!(decode(&weights, &manifest).unwrap(), sample());
    let mut reversed = sample();
    reversed.reverse();
    assert_eq!(encode(&reversed).unwrap(), (weights, manifest));
}

#[test]
fn what_cannot_be_stored_is_refused_before_it_is_written() {
    let shape = tensor("a", &[2, 2], TensorData::U8(vec![1; 3]));
    assert_eq!(encode(&[shape]), Err(WeightsError::Shape { name: "a".into() }));
    let overflow = tensor("a", &[usize::MAX, 2], TensorData::U8(Vec::new()));
    assert_eq!(encode(&[overflow]), Err(WeightsError::Shape { name: "a".into() }));
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let tensor = tensor("a", &[1], TensorData::F32(vec![value]));
        assert_eq!(encode(&[tensor]), Err(WeightsError::NotFinite { name: "a".into() }));
    }
    let twice = [sample()[1].clone(), sample()[1].clone()];
    assert_eq!(encode(&twice), Err(WeightsError::Name { index: 1 }));
    for name in ["", "a\nb", "__metadata__", &"x".repeat(513)] {
        let tensor = tensor(name, &[0], TensorData::U8(Vec::new()));
        assert_eq!(encode(&[tensor]), Err(WeightsError::Name { index: 0 }));
    }
    assert!(matches!(encode(&[]), Err(WeightsError::Format { .. })));
}

#[test]
fn a_header_that_two_readers_could_read_differently_is_refused() {
    let one = r#"{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
    let refused = |header: &str, data_size| {
        let found = decode(&file(header, data_size), b"").unwrap_err();
        assert!(matches!(found, WeightsError::Format { .. }), "{header}: {found}");
    };
    let manifest = br#"{"version":1,"tensors":[{"name":"a","dtype":"U8","shape":[1]}]}"#;
    assert!(decode(&file(&format!(r#"{{"a":{one}}}"#), 1), manifest).is_ok());
    refused(&format!(r#"{{"a":{one},"a":{one}}}"#), 1);
    refused(&format!(r#"{{"__metadata__":{{}},"a":{one}}}"#), 1);
    refused(r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}}"#, 1);
    refused(r#"{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 1);
    refused(r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#, 2);
    refused(r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}"#, 1);
    refused(r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}}"#, 1);
    let huge = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#;
    refused(huge, 0);
    refused(&format!(r#"{{"a":{one}}}"#), 0);
    refused(&format!(r#"{{"a":{one}}}"#), 2);
    refused("[]", 0);
    refused("", 0);
}

#[test]
fn a_type_that_is_not_on_the_list_is_refused() {
    let header = r#"{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#;
    let refused = decode(&file(header, 8), b"");
    assert_eq!(refused, Err(WeightsError::Type { name: "a".into() }));
}

#[test]
fn a_header_over_the_limit_is_refused_before_it_is_parsed() {
    let mut bytes = file(&" ".repeat((1 << 20) + 1), 0);
    assert!(matches!(decode(&bytes, b""), Err(WeightsError::Format { .. })));
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(decode(&bytes, b""), Err(WeightsError::Format { .. })));
}

#[test]
fn tensors_that_are_not_those_of_the_manifest_are_refused() {
    let (weights, _) = encode(&sample()).unwrap();
    let (_, manifest) = encode(&sample()[..3]).unwrap();
    assert_eq!(decode(&weights, &manifest), Err(WeightsError::Manifest));
    assert_eq!(decode(&weights, b""), Err(WeightsError::Manifest));
}

#[test]
fn not_a_number_in_the_file_is_refused() {
    let (weights, manifest) = encode(&sample()[..1]).unwrap();
    let mut changed = weights.clone();
    let end = changed.len();
    changed[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let refused = Err(WeightsError::NotFinite { name: "a/mean".into() });
    assert_eq!(decode(&changed, &manifest), refused);
}

#[test]
fn every_truncation_is_refused() {
    let (weights, manifest) = encode(&sample()).unwrap();
    for length in 0..weights.len() {
        assert!(decode(&weights[..length], &manifest).is_err(), "{length}");
    }
}
