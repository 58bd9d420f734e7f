//! Several orders in work at once: each is answered as it is alone, and what ends one ends no other.

use super::*;
use domain::{
    id::{JobId, OrderId},
    order::OrderQuestion,
};
use std::collections::BTreeMap;

/// Of two orders each may be in work, and the worker looks for the second at once.
fn two_at_once() -> Settings {
    Settings {
        orders_at_once: 2,
        look: Duration::from_millis(1),
        ..Settings::default()
    }
}

/// The page of another reference.
async fn another_page(bench: &Bench) -> Sha256 {
    let file = golden().join("../tiny-b/input.png");
    bench.blobs.put_file(&file).await.unwrap().sha256
}

/// An order of a tenant about a page.
fn order_of(bench: &Bench, tenant: &str, page_sha256: Sha256, questions: &[OrderQuestion]) -> WorkOrder {
    let grant = Grant {
        tenant: tenant.parse().unwrap(),
        page_sha256,
        ..bench.grant(questions)
    };
    bench.granted(&grant, questions.to_vec())
}

/// Everything that was told, in its order.
#[derive(Default)]
struct Told(Vec<(OrderId, ReportKind)>);

impl Told {
    fn texts(&self) -> BTreeMap<JobId, String> {
        let text = |(_, kind): &(OrderId, ReportKind)| match kind {
            ReportKind::Answered { job, answer } => Some((*job, answer.text.clone())),
            _ => None,
        };
        self.0.iter().filter_map(text).collect()
    }

    fn of(&self, order: OrderId) -> Vec<ReportKind> {
        let own = self.0.iter().filter(|(id, _)| *id == order);
        own.map(|(_, kind)| kind.clone()).collect()
    }

    fn ends(&self, order: OrderId) -> usize {
        self.of(order).iter().filter(|kind| is_end(kind)).count()
    }

    fn place(&self, order: OrderId, is: impl Fn(&ReportKind) -> bool) -> Option<usize> {
        self.0.iter().position(|(id, kind)| *id == order && is(kind))
    }
}

fn is_end(kind: &ReportKind) -> bool {
    matches!(kind, ReportKind::Answered { .. } | ReportKind::Failed { .. })
}

/// Lets a worker work at the first order, offers the second when that has begun, and goes on until all has been told.
/// `on_second` is called when the second has begun.
async fn worked_at(
    bench: &Bench,
    settings: Settings,
    [first, second]: [WorkOrder; 2],
    is_all: impl Fn(&Told) -> bool,
    on_second: impl AsyncFn(),
) -> Told {
    let (worker, shutdown) = (bench.worker_with(settings), CancellationToken::new());
    let watching = async {
        let mut told = Told::default();
        let (first_id, second_id) = (first.id, second.id);
        let mut second = Some(second);
        bench.queue.offer(first).await.unwrap();
        while !is_all(&told) {
            let report = bench.next_report().await;
            if report.order == first_id
                && let Some(second) = second.take()
            {
                bench.queue.offer(second).await.unwrap();
            }
            if report.order == second_id && report.kind == ReportKind::Started {
                on_second().await;
            }
            told.0.push((report.order, report.kind));
        }
        shutdown.cancel();
        told
    };
    tokio::join!(worker.run(shutdown.clone()), watching).1
}

/// What each question is answered where every order is in work alone.
async fn alone(bench: &Bench, orders: &[WorkOrder]) -> BTreeMap<JobId, String> {
    let mut texts = BTreeMap::new();
    for order in orders {
        assert!(matches!(
            bench.step_at(order.clone()).await,
            Outcome::Finished { failed: 0, .. }
        ));
        let reports = bench.reports().await;
        texts.extend(Told(reports.into_iter().map(|kind| (order.id, kind)).collect()).texts());
    }
    texts
}

#[tokio::test]
async fn orders_of_two_tenants_are_answered_together_each_about_its_own_page() {
    let bench = Bench::new().await;
    let other = another_page(&bench).await;
    let (many, few) = (bench.long_questions(16), bench.long_questions(3));
    let orders = [
        order_of(&bench, "acme", bench.page, &many),
        order_of(&bench, "other", other, &few),
    ];
    let ids = [orders[0].id, orders[1].id];
    let expected = alone(&bench, &orders).await;
    // The same question about the other page has another answer: an answer from the wrong page would show.
    assert_ne!(expected[&many[0].job], expected[&few[0].job]);
    let told = worked_at(
        &bench,
        two_at_once(),
        orders,
        |told| told.texts().len() == 19,
        async || {},
    )
    .await;
    assert_eq!(told.texts(), expected);
    let begun = told.place(ids[1], |kind| *kind == ReportKind::Started).unwrap();
    let last = told.0.iter().rposition(|(id, _)| *id == ids[0]).unwrap();
    assert!(begun < last, "the second order was not in work beside the first");
    assert_eq!(bench.queue.depth().await.unwrap(), Depth::default());
}

#[tokio::test]
async fn a_revocation_of_one_tenant_ends_its_order_and_leaves_that_of_another_alone() {
    let bench = Bench::new().await;
    let other = another_page(&bench).await;
    let (many, few) = (bench.long_questions(40), bench.long_questions(3));
    let orders = [
        order_of(&bench, "acme", bench.page, &many),
        order_of(&bench, "other", other, &few),
    ];
    let ids = [orders[0].id, orders[1].id];
    let expected = alone(&bench, &orders[1..]).await;
    let revoke = async || {
        let acme = "acme".parse().unwrap();
        bench.queue.announce_epoch(&acme, 1).await.unwrap();
    };
    let all = |told: &Told| told.ends(ids[0]) + told.ends(ids[1]) == 43;
    let told = worked_at(&bench, two_at_once(), orders, all, revoke).await;
    let revoked = told.of(ids[0]);
    let failed = faults(&revoked);
    assert_eq!(answers(&revoked) + failed.len(), 40);
    assert!(!failed.is_empty() && failed.iter().all(|(_, code, _)| *code == "grant_superseded"));
    let of_other = told
        .texts()
        .into_iter()
        .filter(|(job, _)| expected.contains_key(job));
    assert_eq!(of_other.collect::<BTreeMap<_, _>>(), expected);
}

#[tokio::test]
async fn an_order_that_is_taken_back_leaves_the_others_in_work() {
    let bench = Bench::new().await;
    let other = another_page(&bench).await;
    let (many, few) = (bench.long_questions(40), bench.long_questions(3));
    let orders = [
        order_of(&bench, "acme", bench.page, &many),
        order_of(&bench, "acme", other, &few),
    ];
    let (first, expected) = (orders[0].id, alone(&bench, &orders[1..]).await);
    let (second, withdraw) = (orders[1].id, async || bench.queue.withdraw(first).await.unwrap());
    let all_of_second = |told: &Told| told.ends(second) == 3;
    let told = worked_at(&bench, two_at_once(), orders, all_of_second, withdraw).await;
    let of_other = told
        .texts()
        .into_iter()
        .filter(|(job, _)| expected.contains_key(job));
    assert_eq!(of_other.collect::<BTreeMap<_, _>>(), expected);
    assert!(answers(&told.of(first)) < 40);
    assert!(faults(&told.of(first)).is_empty());
}

/// Two orders, the second of a revision that has the same weights under another name.
async fn of_two_revisions(bench: &Bench) -> [WorkOrder; 2] {
    let without = |file: &&&str| **file != "generation_config.json";
    let files: Vec<&str> = FILES.iter().filter(without).copied().collect();
    let (revision_sha256, artifacts_sha256) = import(&bench.blobs, &files).await;
    let (many, few) = (bench.long_questions(9), bench.long_questions(1));
    let grant = Grant {
        revision_sha256,
        artifacts_sha256,
        ..bench.grant(&few)
    };
    [
        order_of(bench, "acme", bench.page, &many),
        bench.granted(&grant, few),
    ]
}

#[tokio::test]
async fn an_order_of_another_model_is_not_taken_while_the_worker_works_with_one() {
    let bench = Bench::new().await;
    let orders = of_two_revisions(&bench).await;
    let ids = [orders[0].id, orders[1].id];
    let told = worked_at(
        &bench,
        two_at_once(),
        orders,
        |told| told.texts().len() == 10,
        async || {},
    )
    .await;
    let begun = told.place(ids[1], |kind| *kind == ReportKind::Started).unwrap();
    let last = told.0.iter().rposition(|(id, _)| *id == ids[0]).unwrap();
    assert!(begun > last, "{begun} {last}");
}

#[tokio::test]
async fn where_weights_change_hands_all_that_was_asked_of_the_old_ones_is_answered_first() {
    let bench = Bench::new().await;
    let orders = of_two_revisions(&bench).await;
    // The second is taken while the first is in work, and waits for its weights.
    let impatient = Settings {
        stay: Duration::ZERO,
        ..two_at_once()
    };
    let ids = [orders[0].id, orders[1].id];
    let told = worked_at(
        &bench,
        impatient,
        orders,
        |told| told.texts().len() == 10,
        async || {},
    )
    .await;
    let begun = told.place(ids[1], |kind| *kind == ReportKind::Started).unwrap();
    assert_eq!(
        told.0[..begun]
            .iter()
            .filter(|(id, kind)| *id == ids[0] && is_end(kind))
            .count(),
        9
    );
}
