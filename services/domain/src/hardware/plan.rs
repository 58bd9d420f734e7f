//! The memory of a worker that has several orders in work: seats for their answers, and the tower beside them, since a page
//! is read while others are answered about.

use super::{COMPUTED, KvType, Shape, TowerShape, Verdict};
use serde::Serialize;

/// Bytes of attention scores that are computed on a card at one time. They, their distances to the largest, and their
/// exponentials are there together.
pub const SCORE_BYTES: u64 = 1 << 26;

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The processors, in the machine's memory.
    Processor,
    /// A card, in its own memory.
    Card,
}

/// Bytes of a worker, by what they are for. What a driver takes is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The weights as they lie there.
    #[serde(rename = "weights_bytes")]
    pub weights: u64,
    /// What keys and values are kept in there.
    pub kv: KvType,
    /// Keys and values of one token.
    #[serde(rename = "cache_bytes_per_token")]
    pub cache_per_token: u64,
    /// Keys and values of one order whose context is full.
    #[serde(rename = "cache_bytes_per_order")]
    pub cache: u64,
    /// How many orders are in work.
    pub orders: u32,
    /// What the vision tower holds beside the weights at its widest.
    #[serde(rename = "tower_bytes")]
    pub tower: u64,
    /// All of it.
    #[serde(rename = "total_bytes")]
    pub total: u64,
}

impl Place {
    /// What keys and values are kept in there if this was asked for, or nothing was. A card has no blocks of them.
    pub fn keeps(self, asked: Option<KvType>) -> KvType {
        match (self, asked) {
            (Place::Processor, asked) => asked.unwrap_or(KvType::F32),
            (Place::Card, Some(KvType::F32)) => KvType::F32,
            (Place::Card, _) => KvType::F16,
        }
    }
}

impl Shape {
    /// What a worker takes with `orders` orders of `context` tokens in work, whose weights take so many bytes there, and with
    /// keys and values in `kv`.
    pub fn plan(&self, place: Place, kv: KvType, weights: u64, context: u32, orders: u32) -> Plan {
        let cache_per_token = self.cache_per_token(kv);
        let cache = cache_per_token.saturating_mul(context.into());
        let tower = self.tower.map_or(0, |tower| match place {
            Place::Processor => tower.widest(),
            Place::Card => tower.widest_on_card(),
        });
        let caches = cache.saturating_mul(orders.into());
        Plan {
            weights,
            kv,
            cache_per_token,
            cache,
            orders,
            tower,
            total: weights.saturating_add(caches).saturating_add(tower),
        }
    }
}

impl Plan {
    /// Whether it fits into so many bytes.
    pub fn verdict(&self, available: u64) -> Verdict {
        Verdict::of(self.total, available)
    }

    /// With how many orders at once it would fit into so many bytes, contexts full.
    pub fn most_orders(&self, available: u64) -> u64 {
        let fixed = self.weights.saturating_add(self.tower);
        available.saturating_sub(fixed) / self.cache.max(1)
    }
}

impl TowerShape {
    /// Rows themselves, queries with keys and values, what was attended to, keys and values once more head by head; and the
    /// scores of some queries.
    fn widest_on_card(self) -> u64 {
        let rows = u64::from(self.positions) * u64::from(self.hidden) * COMPUTED;
        7 * rows + 3 * SCORE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::GLM_4V;
    use super::*;

    const FILE: u64 = 8_500_000_000;

    #[test]
    fn every_order_has_its_full_context_and_the_tower_is_there_once() {
        let plan = |place: Place, orders| GLM_4V.plan(place, place.keeps(None), FILE, 8192, orders);
        let card = plan(Place::Card, 8);
        assert_eq!((card.kv, card.cache_per_token), (KvType::F16, 40_960));
        assert_eq!(card.cache, 8192 * 40_960);
        assert_eq!(card.tower, 7 * 6401 * 1792 * 4 + 3 * (64 << 20));
        assert_eq!(card.total, FILE + 8 * 8192 * 40_960 + card.tower);
        let processor = plan(Place::Processor, 3);
        assert_eq!((processor.kv, processor.cache_per_token), (KvType::F32, 81_920));
        assert_eq!(processor.total, FILE + 3 * 8192 * 81_920 + processor.tower);
        assert!(processor.tower < card.tower);
        let text = Shape {
            tower: None,
            ..GLM_4V
        };
        assert_eq!(
            text.plan(Place::Card, KvType::F16, 7, 10, 2).total,
            7 + 2 * 10 * 40_960
        );
    }

    #[test]
    fn a_card_of_12_gb_takes_eight_orders_in_8_5_gigabytes_and_not_one_in_bf16() {
        let card = 12_000_000_000;
        let plan = GLM_4V.plan(Place::Card, KvType::F16, FILE, 8192, 8);
        assert_eq!(plan.verdict(card), Verdict::Tight);
        assert_eq!(plan.most_orders(card), 8);
        assert_eq!(
            GLM_4V.plan(Place::Card, KvType::F16, FILE, 8192, 9).verdict(card),
            Verdict::DoesNotRun
        );
        assert_eq!(
            GLM_4V.plan(Place::Card, KvType::F16, FILE, 8192, 5).verdict(card),
            Verdict::Runs
        );
        let bf16 = GLM_4V.plan(Place::Card, KvType::F16, 26_600_000_000, 8192, 1);
        assert_eq!(
            (bf16.verdict(card), bf16.most_orders(card)),
            (Verdict::DoesNotRun, 0)
        );
    }

    #[test]
    fn what_is_asked_for_is_kept_where_it_can_be() {
        let asked = KvType::ALL.map(Some);
        assert_eq!(asked.map(|kv| Place::Processor.keeps(kv)), KvType::ALL);
        let on_cards = [KvType::F32, KvType::F16, KvType::F16];
        assert_eq!(asked.map(|kv| Place::Card.keeps(kv)), on_cards);
        let token = |kv| GLM_4V.plan(Place::Processor, kv, FILE, 8192, 1).cache_per_token;
        assert_eq!(KvType::ALL.map(token), [81_920, 40_960, 21_760]);
        let narrow = Shape {
            head_width: 40,
            ..GLM_4V
        };
        let plan = narrow.plan(Place::Processor, KvType::Q8_0, FILE, 8192, 1);
        assert_eq!(plan.cache_per_token, 40 * 2 * 2 * 2 * 34);
    }

    #[test]
    fn the_last_byte_decides_how_many_orders_fit() {
        let plan = GLM_4V.plan(Place::Card, KvType::F16, FILE, 8192, 3);
        assert_eq!(plan.most_orders(plan.total), 3);
        assert_eq!(plan.most_orders(plan.total - 1), 2);
    }

    #[test]
    fn a_plan_is_told_by_names_with_their_units() {
        let told = serde_json::to_value(GLM_4V.plan(Place::Card, KvType::F16, 1, 100, 2)).unwrap();
        assert_eq!(told["kv"], "f16");
        assert_eq!(told["cache_bytes_per_order"], 4_096_000);
        assert_eq!(
            told["total_bytes"],
            1 + 2 * 4_096_000 + told["tower_bytes"].as_u64().unwrap()
        );
    }
}
