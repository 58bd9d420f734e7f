//! Whether a worker can hold a revision.

use serde::{Deserialize, Serialize};

/// What a revision takes in memory, as its own files say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Values of all weights that a worker keeps in bytes of its choice: none of a quantised file, which stays as it is.
    pub values: u64,
    /// What one page takes beside these, at the model's full context, with what quantised weights take.
    pub working_bytes: u64,
}

impl Need {
    /// Bytes where each value of the weights takes `value_bytes`.
    pub fn bytes(self, value_bytes: u64) -> u64 {
        let weights = self.values.saturating_mul(value_bytes);
        weights.saturating_add(self.working_bytes)
    }
}

/// What a worker has for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// The most bytes that a model may take; none if nobody knows.
    pub memory_bytes: Option<u64>,
    /// Bytes that each value of the weights takes there.
    pub value_bytes: u64,
}

impl Room {
    /// Whether a revision fits. Where either side is not known, it is tried.
    pub fn holds(self, need: Option<Need>) -> bool {
        match (need, self.memory_bytes) {
            (Some(need), Some(memory)) => need.bytes(self.value_bytes) <= memory,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_fits_up_to_the_last_byte_and_by_how_its_weights_are_kept() {
        let need = Need {
            values: 100,
            working_bytes: 50,
        };
        let room = |memory, value_bytes| Room {
            memory_bytes: Some(memory),
            value_bytes,
        };
        assert!(room(450, 4).holds(Some(need)) && !room(449, 4).holds(Some(need)));
        assert!(room(250, 2).holds(Some(need)) && !room(249, 2).holds(Some(need)));
        assert!(room(0, 4).holds(None));
        let unknown = Room {
            memory_bytes: None,
            value_bytes: 4,
        };
        let endless = Need {
            values: u64::MAX,
            working_bytes: 1,
        };
        assert!(unknown.holds(Some(endless)) && !room(u64::MAX - 1, 4).holds(Some(endless)));
    }
}
