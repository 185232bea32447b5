//! Named arrays: how a model's weights travel between the engine and the registry.

/// An array with a name and a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Unique within a model.
    pub name: String,
    /// Length of each dimension; the product is the number of elements.
    pub shape: Vec<usize>,
    /// The elements, in row-major order.
    pub data: TensorData,
}

/// The elements of a [`Tensor`].
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    /// 32-bit floating point.
    F32(Vec<f32>),
    /// 32-bit signed integers.
    I32(Vec<i32>),
    /// Bytes.
    U8(Vec<u8>),
}

impl TensorData {
    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(data) => data.len(),
            Self::I32(data) => data.len(),
            Self::U8(data) => data.len(),
        }
    }

    /// Returns whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
