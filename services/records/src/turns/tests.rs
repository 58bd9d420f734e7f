//! Turns over raw rows: what a look costs, and what two who look at once get.

use super::*;
use crate::{
    Stamp,
    databases::{empty_postgres, on_each},
    dispatching::{self, ClaimedPage, Room, Signed},
};
use domain::{
    clock::{Clock as _, HandClock, SharedClock},
    grant::Grant,
    id::{DecisionId, DocumentId, IdMaker, JobId},
    order::questions_digest,
    purpose::Purpose,
};
use std::sync::Arc;

/// A batch, its question, its document, its pages by the number with ids that sort and bytes of their own, and a job for
/// each.
const ROWS: [&str; 5] = [
    "INSERT INTO batches (id, tenant, member, model, revision_sha256, purpose, decision, duties, metadata, \
    opened_at, submitted_at, documents_total, documents_split, pages_total, jobs_total, jobs_queued) \
    VALUES ($1, $2, 'li', 'acme/tiny', $3, 'research', $4, '[]', '{}', $5, $5, 1, 1, $6, $6, $6)",
    "INSERT INTO questions (batch, place, text, parameters) VALUES ($1, 0, 'What?', '{}')",
    "INSERT INTO documents (id, tenant, batch, place, media_type, sha256, bytes, received_at, state, pages, \
    settled_at) VALUES ($1, $2, $3, 0, 'image/png', $4, 1, $5, 'split', $6, $5)",
    "INSERT INTO pages (id, tenant, batch, document, number, sha256, bytes, width, height) \
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $6) \
    SELECT $1 || substr(CAST(100000000 + i AS TEXT), 2), $2, $3, $4, i, \
    substr(CAST($5 AS TEXT), 9) || substr(CAST(100000000 + i AS TEXT), 2), 1, 1, 1 FROM n",
    "INSERT INTO jobs (id, tenant, batch, document, document_place, page, page_number, question, state, \
    created_at, not_before) SELECT $1 || substr(id, length(id) - 7), tenant, batch, document, 0, id, number, 0, 'queued', $3, $3 \
    FROM pages WHERE batch = $2",
];

struct Hall {
    ids: IdMaker,
    clock: Arc<HandClock>,
}

/// What the ids of a batch's rows begin with; the number of the row makes them whole. The last characters of an id are those
/// by which it differs from one that was made in the same millisecond.
fn beginning(id: &str) -> String {
    let (first, last) = (&id[..id.len() - 16], &id[id.len() - 8..]);
    format!("{first}{last}")
}

impl Hall {
    fn new() -> Self {
        let clock = Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)));
        let shared: SharedClock = clock.clone();
        Self {
            ids: IdMaker::new(shared),
            clock,
        }
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// A batch of `tenant` with `pages` jobs that wait, written past all rules.
    async fn backlog(&self, db: &Db, tenant: &str, pages: i64) -> BatchId {
        let mut tx = db.begin().await.unwrap();
        let batch = self.backlog_in(&mut tx, tenant, pages).await;
        tx.commit().await.unwrap();
        batch
    }

    /// As [`Hall::backlog`], within a transaction.
    async fn backlog_in(&self, tx: &mut Tx, tenant: &str, pages: i64) -> BatchId {
        let (batch, sha256): (BatchId, String) = (self.ids.make(), "0".repeat(64));
        let (id, now) = (batch.to_string(), At(self.now()));
        let document = self.ids.make::<DocumentId>().to_string();
        let decision = self.ids.make::<DecisionId>().to_string();
        let page = beginning(&self.ids.make::<PageId>().to_string());
        let job = beginning(&self.ids.make::<JobId>().to_string());
        let [
            insert_batch,
            insert_question,
            insert_document,
            insert_pages,
            insert_jobs,
        ] = ROWS;
        on!(tx: &mut *tx, |c| sqlx::query(insert_batch).bind(&id).bind(tenant).bind(&sha256).bind(&decision).bind(now).bind(pages).run(c)).unwrap();
        on!(tx: &mut *tx, |c| sqlx::query(insert_question).bind(&id).run(c)).unwrap();
        on!(tx: &mut *tx, |c| sqlx::query(insert_document).bind(&document).bind(tenant).bind(&id).bind(&sha256).bind(now).bind(pages).run(c)).unwrap();
        on!(tx: &mut *tx, |c| sqlx::query(insert_pages).bind(&page).bind(tenant).bind(&id).bind(&document).bind(&sha256).bind(pages).run(c)).unwrap();
        on!(tx: &mut *tx, |c| sqlx::query(insert_jobs).bind(&job).bind(&id).bind(now).run(c)).unwrap();
        mark(tx, batch, self.now());
        batch
    }

    fn grant(&self, due: &DuePage, page: &ClaimedPage) -> Grant {
        let sha256 = page.page_sha256;
        Grant {
            order: page.out.order,
            tenant: due.tenant.clone(),
            jobs: page.questions.iter().map(|question| question.job).collect(),
            purpose: Purpose::Research,
            page_sha256: sha256,
            questions_sha256: questions_digest(&page.questions),
            model: "acme/tiny".parse().unwrap(),
            revision_sha256: sha256,
            artifacts_sha256: sha256,
            policies_sha256: sha256,
            terms_sha256: None,
            decision: self.ids.make(),
            attempt: page.out.attempt,
            epoch: 0,
            exp: 0,
            iat: 0,
        }
    }

    /// One step of a dispatch: whose page went out, if one did.
    async fn step(&self, db: &Db, most: u64) -> Option<String> {
        let sent = self.steps(db, most, 1).await?;
        assert!(sent.len() <= 1);
        Some(sent.into_iter().next().unwrap_or_default())
    }

    /// As [`Hall::step`], with room for `orders`: whose pages went out, in their order.
    async fn steps(&self, db: &Db, most: u64, orders: u64) -> Option<Vec<String>> {
        let due = next_page(db, self.now(), most).await.unwrap()?;
        let stamp = Stamp::of_hub(&self.ids, self.now());
        let room = Room {
            orders,
            of_tenant: most,
        };
        let sign = |page: &ClaimedPage| {
            Ok(Signed {
                grant: self.grant(&due, page),
                token: page.out.order.to_string(),
            })
        };
        let found = dispatching::batch_of(db, &due).await.unwrap().unwrap();
        let claimed = dispatching::claim(db, stamp, &due, &found, room, None, sign)
            .await
            .unwrap()
            .orders;
        let tenant = due.tenant.to_string();
        Some(claimed.into_iter().map(|_| tenant.clone()).collect())
    }
}

#[tokio::test]
async fn one_who_floods_does_not_keep_the_others_waiting() {
    on_each(async |db| {
        let hall = Hall::new();
        hall.backlog(db, "flood", 3_000).await;
        for number in 0..200 {
            hall.backlog(db, &format!("small-{number:03}"), 1).await;
        }
        let mut sent = Vec::new();
        for _ in 0..202 {
            sent.push(hall.step(db, 10_000).await.unwrap());
        }
        let flooded = sent.iter().filter(|tenant| *tenant == "flood").count();
        assert_eq!(flooded, 2, "one of each tenant in a round");
        let mut others: Vec<_> = sent.iter().filter(|tenant| *tenant != "flood").collect();
        others.dedup();
        assert_eq!(others.len(), 200);
    })
    .await;
}

#[tokio::test]
async fn who_comes_while_another_floods_is_next_and_then_takes_turns() {
    on_each(async |db| {
        let hall = Hall::new();
        hall.backlog(db, "flood", 500).await;
        for _ in 0..100 {
            assert_eq!(hall.step(db, 1_000).await.as_deref(), Some("flood"));
        }
        hall.backlog(db, "late", 50).await;
        let mut late = 0;
        for _ in 0..20 {
            late += usize::from(hall.step(db, 1_000).await.as_deref() == Some("late"));
        }
        assert!((9..=11).contains(&late), "{late} of 20");
    })
    .await;
}

#[tokio::test]
async fn shares_give_more_and_cap_and_end_when_the_settings_do() {
    on_each(async |db| {
        let hall = Hall::new();
        let share = |tenant: &str, weight, most_orders| Share {
            tenant: tenant.parse().unwrap(),
            weight,
            most_orders,
        };
        set_shares(db, &[share("heavy", 3, None), share("capped", 1, Some(2))])
            .await
            .unwrap();
        for tenant in ["capped", "heavy", "plain"] {
            hall.backlog(db, tenant, 100).await;
        }
        let mut sent = std::collections::BTreeMap::new();
        for _ in 0..42 {
            *sent.entry(hall.step(db, 1_000).await.unwrap()).or_insert(0) += 1;
        }
        assert_eq!(sent["capped"], 2);
        assert!((29..=31).contains(&sent["heavy"]), "{sent:?}");
        set_shares(db, &[]).await.unwrap();
        let next = hall.step(db, 1_000).await;
        assert_eq!(next.as_deref(), Some("capped"), "it is the furthest behind");
    })
    .await;
}

#[tokio::test]
async fn two_who_dispatch_at_once_send_nothing_twice_and_keep_to_the_cap() {
    on_each(async |db| {
        let hall = Hall::new();
        for tenant in ["a", "b", "c"] {
            hall.backlog(db, tenant, 30).await;
        }
        let one = async || {
            let mut sent = vec![];
            while let Some(tenant) = hall.step(db, 7).await {
                sent.push(tenant);
            }
            sent
        };
        let (mut all, more) = tokio::join!(one(), one());
        all.extend(more);
        for tenant in ["a", "b", "c"] {
            assert_eq!(all.iter().filter(|sent| *sent == tenant).count(), 7);
        }
    })
    .await;
}

#[tokio::test]
async fn a_tenant_without_work_is_left_alone_until_it_has_some_and_is_found_without_a_mark() {
    on_each(async |db| {
        let hall = Hall::new();
        hall.backlog(db, "acme", 1).await;
        assert_eq!(hall.step(db, 9).await.as_deref(), Some("acme"));
        for _ in 0..2 {
            assert_eq!(hall.step(db, 9).await, None);
            hall.clock.turn(SECOND_LOOK);
        }
        let due = || async {
            let sql = "SELECT COUNT(*) FROM turns WHERE due_at IS NOT NULL";
            let count: i64 = on!(db, |c| sqlx::query_scalar(sql).fetch_one(c)).unwrap();
            count
        };
        assert_eq!(due().await, 0);
        hall.backlog(db, "acme", 1).await;
        assert_eq!(due().await, 1);
        let forget = "UPDATE turns SET due_at = NULL";
        on!(db, |c| sqlx::query(forget).run(c)).unwrap();
        assert_eq!(hall.step(db, 9).await, None);
        assert_eq!(recall(db, hall.now()).await.unwrap(), 1);
        assert_eq!(recall(db, hall.now()).await.unwrap(), 0);
        assert_eq!(hall.step(db, 9).await.as_deref(), Some("acme"));
    })
    .await;
}

#[tokio::test]
async fn what_was_committed_before_a_mark_is_taken_back_is_found_at_once() {
    on_each(async |db| {
        let hall = Hall::new();
        for rests in [false, true] {
            hall.backlog(db, "acme", 1).await;
            assert_eq!(hall.step(db, 9).await.as_deref(), Some("acme"));
            // A look found nothing. What comes now, a little later, finds the mark set, and then it is taken back.
            let looked = hall.now();
            let once_before = "UPDATE turns SET empty_since = due_at";
            on!(db, |c| sqlx::query(once_before).run(c)).unwrap();
            hall.clock.turn(Duration::milliseconds(1));
            hall.backlog(db, "acme", 1).await;
            take_back(db, "acme", looked, None, rests).await.unwrap();
            assert_eq!(hall.step(db, 9).await.as_deref(), Some("acme"), "{rests}");
            assert_eq!(hall.step(db, 9).await, None);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_committed_after_a_mark_was_taken_back_is_found_when_it_is_marked_again() {
    let Some(db) = empty_postgres(std::time::Duration::from_secs(60)).await else {
        return;
    };
    db.migrate().await.unwrap();
    let hall = Hall::new();
    hall.backlog(&db, "acme", 1).await;
    let mut open = db.begin().await.unwrap();
    hall.backlog_in(&mut open, "acme", 1).await;
    // It has marked by now, and found the mark set.
    open.connection().await.unwrap();
    assert_eq!(hall.step(&db, 9).await.as_deref(), Some("acme"));
    assert_eq!(hall.step(&db, 9).await, None);
    open.commit().await.unwrap();
    let found = async {
        loop {
            match hall.step(&db, 9).await {
                None => tokio::task::yield_now().await,
                found => return found,
            }
        }
    };
    let found = tokio::time::timeout(std::time::Duration::from_secs(60), found).await;
    assert_eq!(found.unwrap().as_deref(), Some("acme"));
}

#[tokio::test]
async fn what_goes_out_together_is_what_would_have_gone_out_one_by_one() {
    on_each(async |db| {
        let share = |tenant: &str, weight, most_orders| Share {
            tenant: tenant.parse().unwrap(),
            weight,
            most_orders,
        };
        let shares = [share("together-heavy", 5, None), share("single-heavy", 5, None)];
        set_shares(db, &shares).await.unwrap();
        let mut orders = vec![];
        for (kind, room) in [("single", 1), ("together", 16)] {
            let hall = Hall::new();
            on!(db, |c| sqlx::query("UPDATE dispatch_round SET round = 0").run(c)).unwrap();
            for (tenant, pages) in [("heavy", 40), ("plain", 12), ("small", 1)] {
                hall.backlog(db, &format!("{kind}-{tenant}"), pages).await;
            }
            let mut sent = vec![];
            while let Some(more) = hall.steps(db, 30, room).await {
                assert!(more.len() <= room as usize);
                sent.extend(more.iter().map(|tenant| tenant.replace(kind, "")));
            }
            orders.push(sent);
        }
        assert_eq!(orders[0].len(), 30 + 12 + 1, "the cap holds for many at once too");
        assert_eq!(orders[0], orders[1]);
    })
    .await;
}

/// How many pages of the database PostgreSQL touches for a statement.
async fn blocks(db: &Db, sql: &str) -> i64 {
    let Db::Postgres(pool) = db else {
        panic!("not PostgreSQL")
    };
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}");
    let plan: serde_json::Value = sqlx::query_scalar(sqlx::AssertSqlSafe(explain))
        .fetch_one(pool)
        .await
        .unwrap();
    let top = &plan[0]["Plan"];
    top["Shared Hit Blocks"].as_i64().unwrap() + top["Shared Read Blocks"].as_i64().unwrap()
}

/// `GLMHUB_TEST_BACKLOG` makes the backlog longer; with a million it takes a few minutes.
#[tokio::test]
async fn a_look_costs_no_more_with_a_long_backlog_than_with_a_short_one() {
    let Some(db) = empty_postgres(std::time::Duration::from_secs(600)).await else {
        return;
    };
    db.migrate().await.unwrap();
    let hall = Hall::new();
    let moment = "'2100-01-01T00:00:00Z'";
    let next = NEXT.replace("$1", moment).replace("$2", "32");
    let firsts = FIRSTS.replace("$1", "'flood'");
    let mut costs = vec![];
    let long = std::env::var_os("GLMHUB_TEST_BACKLOG")
        .map_or(60_000, |text| text.to_str().unwrap().parse().unwrap());
    for more in [500, long] {
        hall.backlog(&db, "flood", more).await;
        on!(&db, |c| sqlx::query("ANALYZE").run(c)).unwrap();
        costs.push((blocks(&db, &next).await, blocks(&db, &firsts).await));
        let begun = std::time::Instant::now();
        for _ in 0..20 {
            hall.step(&db, 10_000).await.unwrap();
        }
        eprintln!(
            "{more} more wait: {costs:?} pages touched, {:?} for a claim",
            begun.elapsed() / 20
        );
    }
    let [short, long] = costs[..] else {
        panic!("{costs:?}")
    };
    // A deeper index has a few pages more on the way to its first entry.
    assert!(
        long.0 <= short.0 + 8 && long.1 <= short.1 + 8,
        "{short:?} {long:?}"
    );
    db.close().await;
}
