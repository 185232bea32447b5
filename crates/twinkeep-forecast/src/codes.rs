//! From the codes of a cohort to the variables of a pack, looked up once.

use twinkeep_domain::{Code, Pack, Timeline, Timestamp};

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

    /// Returns when a timeline begins for the pack: at the first value of one of its variables. A
    /// record may hold a birth or a diagnosis long before that.
    pub(crate) fn start(&self, timeline: &Timeline) -> Option<Timestamp> {
        let known = timeline
            .events()
            .iter()
            .filter(|event| event.value.is_some() && self.variable(event.code).is_some());
        known.filter_map(|event| event.time).next()
    }
}
