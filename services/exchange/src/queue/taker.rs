//! Who takes orders, and which.

use domain::{
    digest::Sha256,
    hardware::{Need, Room},
    id::WorkerId,
};

/// A worker that takes orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taker {
    /// Who it is.
    pub worker: WorkerId,
    /// What it has room for.
    pub room: Room,
    /// Which it takes rather than others.
    pub preference: Preference,
}

/// Which orders a worker takes rather than others that it could take too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preference {
    /// None.
    Any,
    /// Those of a revision: it has it loaded.
    First(Sha256),
    /// Those of other revisions: it has been at this one for long enough.
    Last(Sha256),
    /// None but those of a revision: it works at some, and could not begin with others yet.
    Only(Sha256),
}

impl Taker {
    /// A worker that takes whatever there is.
    pub fn of_anything(worker: WorkerId) -> Self {
        Self {
            worker,
            room: Room {
                memory_bytes: None,
                value_bytes: 4,
            },
            preference: Preference::Any,
        }
    }

    /// Whether it can hold what takes `need`.
    pub(crate) fn can_hold(&self, need: Option<Need>) -> bool {
        self.room.holds(need)
    }

    /// Orders of a lower rank are taken before those of a higher one, and those without one not at all.
    pub(crate) fn rank(&self, revision: &Sha256) -> Option<u8> {
        match self.preference {
            Preference::First(preferred) if preferred == *revision => Some(0),
            Preference::Last(shunned) if shunned == *revision => Some(2),
            Preference::Only(only) if only != *revision => None,
            _ => Some(1),
        }
    }
}
