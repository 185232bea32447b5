//! From the codes of a cohort to the variables of a pack, looked up once.

use twinkeep_domain::{Code, Pack};

/// For each code of a cohort or timeline, the index of the pack's variable it is.
#[derive(Clone, Debug)]
pub struct CodeMap {
    variables: Vec<Option<u32>>,
}

impl CodeMap {
    /// Looks every code up in the pack; codes that the pack does not know are passed over.
    pub fn new(pack: &Pack, codes: &[Code]) -> Self {
        let find = |code: &Code| pack.find(code.as_str()).and_then(|at| u32::try_from(at).ok());
        Self { variables: codes.iter().map(find).collect() }
    }

    /// Returns the pack's variable for [`twinkeep_domain::Event::code`], if the pack knows it.
    pub fn variable(&self, code: u32) -> Option<usize> {
        self.variables.get(code as usize).copied().flatten().map(|at| at as usize)
    }
}
