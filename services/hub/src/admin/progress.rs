//! How far a batch is, as it stands in lists and on its own page.

use super::words;
use askama::Template;
use domain::{
    batch::{BatchState, StoredBatch},
    job::JobPhase,
    language::Language,
    rows::RowCounts,
};

/// See the module's text.
#[derive(Template)]
#[template(path = "progress.html")]
pub struct Progress {
    t: Language,
    state: &'static str,
    /// How the state is coloured.
    tone: &'static str,
    /// Rows with a verdict, and all of them.
    done: u64,
    total: u64,
    /// How many rows have which verdict, those that have none with what they wait for.
    counts: Vec<(&'static str, u64)>,
    /// Whether no worker has room for the model.
    lacks_worker: bool,
}

impl Progress {
    /// That of a batch whose rows have these verdicts.
    pub fn of(batch: &StoredBatch, rows: &RowCounts, lacks_worker: bool, t: Language) -> Self {
        let phases = JobPhase::ALL.map(|phase| (words::job(phase, t), batch.jobs.of(phase)));
        let documents = [
            (
                t.of("documents waiting", "份文档待拆分"),
                batch.documents.unsettled(),
            ),
            (t.of("documents failed", "份文档失败"), batch.documents.failed),
        ];
        let counts = phases.into_iter().chain(documents);
        Self {
            t,
            state: words::batch(batch.state, t),
            tone: tone(batch.state, rows),
            done: rows.total - rows.pending - rows.held,
            total: rows.total,
            counts: counts.filter(|(_, count)| *count > 0).collect(),
            lacks_worker,
        }
    }

    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            state: t.of("running", "进行中"),
            tone: "",
            done: 1,
            total: 3,
            counts: vec![(t.of("answered", "已回答"), 1), (t.of("queued", "排队中"), 2)],
            lacks_worker: true,
        }
    }
}

fn tone(state: BatchState, rows: &RowCounts) -> &'static str {
    match state {
        BatchState::Running { .. } if rows.held > 0 => "warn",
        BatchState::Open | BatchState::Running { .. } => "",
        BatchState::Completed { .. } if rows.failed > 0 => "warn",
        BatchState::Completed { .. } => "good",
        BatchState::Cancelled { .. } | BatchState::Expired { .. } => "bad",
    }
}
