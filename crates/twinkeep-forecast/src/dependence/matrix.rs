//! Small symmetric matrices, and their eigenvalues.

/// A symmetric matrix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix {
    size: usize,
    data: Vec<f64>,
}

impl Matrix {
    /// Returns a matrix of zeros.
    pub(crate) fn zero(size: usize) -> Self {
        Self { size, data: vec![0.0; size * size] }
    }

    /// Returns how many rows there are.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Returns an element.
    pub(crate) fn at(&self, row: usize, column: usize) -> f64 {
        self.data[row * self.size + column]
    }

    /// Sets an element and its mirror image.
    pub(crate) fn set(&mut self, row: usize, column: usize, value: f64) {
        self.put(row, column, value);
        self.put(column, row, value);
    }

    fn put(&mut self, row: usize, column: usize, value: f64) {
        self.data[row * self.size + column] = value;
    }

    /// Returns the largest size of an element off the diagonal.
    pub(crate) fn largest_off_diagonal(&self) -> f64 {
        let mut largest = 0.0_f64;
        for row in 0..self.size {
            for column in 0..row {
                largest = largest.max(self.at(row, column).abs());
            }
        }
        largest
    }

    /// Takes away the product of a vector with itself.
    pub(crate) fn subtract_square(&mut self, vector: &[f64]) {
        for row in 0..self.size {
            for column in 0..self.size {
                let value = self.at(row, column) - vector[row] * vector[column];
                self.put(row, column, value);
            }
        }
    }

    /// Returns the nearest matrix that can be a covariance: no eigenvalue is negative.
    pub(crate) fn nearest_covariance(&self) -> Self {
        let (values, vectors) = self.eigen();
        let mut nearest = Self::zero(self.size);
        for (at, &value) in values.iter().enumerate().take_while(|(_, value)| 0.0 < **value) {
            for row in 0..self.size {
                let scaled = value * vectors.at(row, at);
                for column in 0..self.size {
                    nearest.data[row * self.size + column] += scaled * vectors.at(column, at);
                }
            }
        }
        nearest
    }

    /// Returns the eigenvalues, the largest first, and the eigenvectors as columns in their order.
    ///
    /// Jacobi's method: slow for large matrices, exact and simple for small ones.
    pub(crate) fn eigen(&self) -> (Vec<f64>, Self) {
        let size = self.size;
        let mut matrix = self.clone();
        let mut vectors = Self::zero(size);
        (0..size).for_each(|at| vectors.put(at, at, 1.0));
        for _ in 0..SWEEPS_MAX {
            if matrix.largest_off_diagonal() < OFF_DIAGONAL_MIN {
                break;
            }
            for row in 0..size {
                for column in row + 1..size {
                    matrix.rotate(row, column, &mut vectors);
                }
            }
        }
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|&one, &other| matrix.at(other, other).total_cmp(&matrix.at(one, one)));
        let values = order.iter().map(|&at| matrix.at(at, at)).collect();
        let mut sorted = Self::zero(size);
        for (to, &from) in order.iter().enumerate() {
            for row in 0..size {
                sorted.put(row, to, vectors.at(row, from));
            }
        }
        (values, sorted)
    }

    /// Turns two axes so that the element between them becomes 0.
    fn rotate(&mut self, p: usize, q: usize, vectors: &mut Self) {
        let between = self.at(p, q);
        if between.abs() < OFF_DIAGONAL_MIN {
            return;
        }
        let ratio = (self.at(q, q) - self.at(p, p)) / (2.0 * between);
        let tangent = ratio.signum() / (ratio.abs() + (ratio * ratio + 1.0).sqrt());
        let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
        let sine = tangent * cosine;
        for at in 0..self.size {
            let (one, other) = (self.at(at, p), self.at(at, q));
            self.put(at, p, cosine * one - sine * other);
            self.put(at, q, sine * one + cosine * other);
        }
        for at in 0..self.size {
            let (one, other) = (self.at(p, at), self.at(q, at));
            self.put(p, at, cosine * one - sine * other);
            self.put(q, at, sine * one + cosine * other);
        }
        for at in 0..self.size {
            let (one, other) = (vectors.at(at, p), vectors.at(at, q));
            vectors.put(at, p, cosine * one - sine * other);
            vectors.put(at, q, sine * one + cosine * other);
        }
    }
}

/// It converges quadratically; a dozen sweeps are enough for any matrix of doubles.
const SWEEPS_MAX: usize = 20;

/// Far below what a correlation can be known to.
const OFF_DIAGONAL_MIN: f64 = 1e-10;

#[cfg(test)]
mod tests {
    use super::Matrix;

    #[test]
    fn eigenvalues_and_eigenvectors_give_the_matrix_back() {
        let mut matrix = Matrix::zero(4);
        for row in 0..4 {
            for column in 0..=row {
                matrix.set(row, column, ((row * 7 + column * 3) % 5) as f64 - 1.5);
            }
        }
        let (values, vectors) = matrix.eigen();
        assert!(values.is_sorted_by(|one, other| one >= other), "{values:?}");
        for row in 0..4 {
            for column in 0..4 {
                let sum: f64 = (0..4)
                    .map(|at| values[at] * vectors.at(row, at) * vectors.at(column, at))
                    .sum();
                assert!((sum - matrix.at(row, column)).abs() < 1e-8, "{row} {column}");
            }
        }
    }

    #[test]
    fn what_cannot_be_a_covariance_becomes_the_nearest_that_can() {
        let mut matrix = Matrix::zero(3);
        for (row, column, value) in
            [(0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0), (0, 1, 0.9), (1, 2, 0.9), (0, 2, -0.9)]
        {
            matrix.set(row, column, value);
        }
        let (values, _) = matrix.nearest_covariance().eigen();
        assert!(-1e-9 < values[2], "{values:?}");
        let again = matrix.nearest_covariance().nearest_covariance();
        assert!((again.at(0, 1) - matrix.nearest_covariance().at(0, 1)).abs() < 1e-9);
    }
}
