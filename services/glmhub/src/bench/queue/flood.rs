//! Many tenants with one call each, and the same while another one floods the hub.

use super::{
    QueueArgs, Told,
    asking::{self, Size},
};
use crate::bench::{figures::Figures, own_hub::OwnHub};
use domain::access::Role;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use std::time::Duration;

/// How many tenants call at a time.
const AT_ONCE: usize = 4;
/// What the flood is: more than is answered while it is measured.
const FLOOD: Size = Size {
    pages: 2_000,
    questions: 16,
};

/// The setting that keeps no more orders of a tenant out than there are workers: others' orders wait behind few.
pub fn most_orders(workers: usize) -> (&'static str, String) {
    ("GLMHUB_WORK__MOST_ORDERS_OF_TENANT", workers.to_string())
}

/// What was measured, in milliseconds.
#[derive(Serialize)]
pub struct Flood {
    tenants: u32,
    /// Jobs of the flooding tenant that still waited at the end; nothing without a flood.
    flood_left: Option<u64>,
    calm_ms: Figures,
    flooded_ms: Option<Figures>,
}

pub async fn measure(hub: &OwnHub, args: &QueueArgs, tenants: u32) -> anyhow::Result<Flood> {
    let flooding = hub.caller("flooding", Role::Submitter)?;
    for number in 0..20 {
        asking::one_call(&flooding, &args.name, number).await?;
    }
    let calm_ms = Figures::of(calls(hub, args, tenants, 1_000_000).await?);
    let (mut flooded_ms, mut flood_left) = (None, None);
    if args.flood {
        let batch = asking::upload(&flooding, &args.name, FLOOD, 2_000_000).await?;
        asking::submit(&flooding, &batch).await?;
        let begun = tokio::time::Instant::now();
        asking::until(&flooding, &batch, begun, |jobs| jobs["total"] == FLOOD.jobs()).await?;
        flooded_ms = Some(Figures::of(calls(hub, args, tenants, 3_000_000).await?));
        let left = flooding.get(&batch).await?;
        flood_left = left["jobs"]["queued"].as_u64();
    }
    Ok(Flood {
        tenants,
        flood_left,
        calm_ms,
        flooded_ms,
    })
}

async fn calls(hub: &OwnHub, args: &QueueArgs, tenants: u32, first: u64) -> anyhow::Result<Vec<Duration>> {
    let call = |number: u32| async move {
        let caller = hub.caller(&format!("tenant-{number}"), Role::Submitter)?;
        asking::one_call(&caller, &args.name, first + u64::from(number)).await
    };
    stream::iter((0..tenants).map(call))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

impl Told for Flood {
    fn lines(&self) -> Vec<String> {
        let line = |what: &str, Figures { p50, p99, max }: Figures| {
            format!("{what:<28}{p50:>10.1}{p99:>10.1}{max:>10.1}")
        };
        let mut lines = vec![
            format!("{} tenants, {AT_ONCE} at a time, one call each", self.tenants),
            format!("{:<28}{:>10}{:>10}{:>10}", "milliseconds", "p50", "p99", "max"),
            line("without a flood", self.calm_ms),
        ];
        if let (Some(flooded), Some(left)) = (self.flooded_ms, self.flood_left) {
            lines.push(line("beside a flood", flooded));
            lines.push(format!(
                "p99 beside the flood is {:.2} times that without; {left} jobs of the flood still waited",
                flooded.p99 / self.calm_ms.p99
            ));
        }
        lines
    }
}
