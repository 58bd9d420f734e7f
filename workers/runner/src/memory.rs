//! What orders may take of a worker's memory beside the model.

use crate::settings::{MOST_ORDERS, Settings};
use domain::hardware::{Need, Room};
use engine::{DEFAULT_NEW_TOKENS, Engine, Schedule};

/// What a worker may give to orders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    room: Room,
    most_bytes: u64,
    most_orders: usize,
    page_share: f64,
}

impl Allowance {
    pub(crate) fn of(room: Room, settings: &Settings) -> Self {
        Self {
            room,
            most_bytes: settings.most_answer_bytes,
            most_orders: settings.orders_at_once,
            page_share: settings.page_share,
        }
    }

    /// What the engine may take. If nobody has said how much, that is what a model of this `need` leaves, and at least one
    /// conversation as long as the model takes, which is part of the need.
    pub(crate) fn schedule(&self, engine: &Engine, need: Option<Need>) -> Schedule {
        let longest = engine.model().memory_bytes(engine.context_length());
        let left = match (self.room.memory_bytes, need) {
            (Some(memory), Some(need)) => {
                longest.saturating_add(memory.saturating_sub(need.bytes(self.room.value_bytes)))
            }
            _ => longest.max(Schedule::default().memory_bytes),
        };
        Schedule {
            memory_bytes: match self.most_bytes {
                0 => left,
                bytes => bytes,
            },
            page_share: self.page_share,
        }
    }

    /// How many orders may be in work. If nobody has said how many, that is for how many there is room, each with a page and
    /// an answer that is as long as answers are unless more is asked for.
    pub(crate) fn orders(&self, engine: &Engine, schedule: Schedule) -> usize {
        let model = engine.model();
        let one = model.memory_bytes(engine.image_tokens()) + model.memory_bytes(DEFAULT_NEW_TOKENS);
        match self.most_orders {
            0 => usize::try_from(schedule.memory_bytes / one.max(1)).unwrap_or(usize::MAX),
            orders => orders,
        }
        .clamp(1, MOST_ORDERS)
    }

    /// How many may ever be.
    pub(crate) fn lanes(&self) -> usize {
        match self.most_orders {
            0 => MOST_ORDERS,
            orders => orders.min(MOST_ORDERS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::golden;
    use engine::LoadOptions;

    fn allowance(memory_bytes: Option<u64>, settings: Settings) -> Allowance {
        let room = Room {
            memory_bytes,
            value_bytes: 4,
        };
        Allowance::of(room, &settings)
    }

    const NEED: Need = Need {
        values: 1000,
        working_bytes: 6000,
    };

    #[test]
    fn orders_may_take_what_the_model_leaves_or_what_was_said() {
        let engine = Engine::load(&golden(), &LoadOptions::default()).unwrap();
        let longest = engine.model().memory_bytes(engine.context_length());
        let of = |memory, settings| {
            allowance(memory, settings)
                .schedule(&engine, Some(NEED))
                .memory_bytes
        };
        assert_eq!(of(Some(10_000), Settings::default()), longest);
        assert_eq!(of(Some(10_123), Settings::default()), longest + 123);
        assert_eq!(of(Some(5), Settings::default()), longest);
        assert!(of(None, Settings::default()) >= longest);
        let said = Settings {
            most_answer_bytes: 77,
            ..Settings::default()
        };
        assert_eq!(of(Some(10_000), said), 77);
    }

    #[test]
    fn as_many_orders_are_in_work_as_have_room_or_as_was_said() {
        let engine = Engine::load(&golden(), &LoadOptions::default()).unwrap();
        let model = engine.model();
        let one = model.memory_bytes(engine.image_tokens()) + model.memory_bytes(DEFAULT_NEW_TOKENS);
        let orders = |settings, memory_bytes| {
            let schedule = Schedule {
                memory_bytes,
                ..Schedule::default()
            };
            allowance(None, settings).orders(&engine, schedule)
        };
        let by_memory = |memory_bytes| orders(Settings::default(), memory_bytes);
        assert_eq!(
            [1, one - 1, one, 3 * one, 900 * one].map(by_memory),
            [1, 1, 1, 3, MOST_ORDERS]
        );
        let said = |orders_at_once| Settings {
            orders_at_once,
            ..Settings::default()
        };
        assert_eq!(orders(said(2), 900 * one), 2);
        assert_eq!(allowance(None, said(2)).lanes(), 2);
    }
}
