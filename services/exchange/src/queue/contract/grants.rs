//! What every queue does for grants: epochs, and what is said while a lease and its grant stand.

use super::*;

pub(crate) async fn what_is_said_under_a_lease_is_told_while_it_and_its_grant_stand<Q: Queue>(
    stage: &Stage<Q>,
) where
    Stage<Q>: Passing,
{
    let (acme, rival) = ("acme".parse().unwrap(), "rival".parse().unwrap());
    let taker = Taker::of_anything(stage.worker());
    let [kept, withdrawn, lost] = [
        stage.offered().await,
        stage.offered().await,
        stage.offered().await,
    ];
    let said = async |lease: &Lease, epoch: u64| {
        let reports =
            [ReportKind::Started, ReportKind::HandedBack].map(|kind| stage.report(&lease.order, kind));
        let then = Then::GoesOn;
        let under = Under {
            tenant: &acme,
            epoch,
            then,
        };
        let stands = stage.queue.report_under(lease, under, &reports).await.unwrap();
        let told = stage.queue.collect(9, NO_WAIT).await.unwrap();
        let receipts: Vec<String> = told.iter().map(|one| one.receipt.clone()).collect();
        stage.queue.acknowledge(&receipts).await.unwrap();
        let told: Vec<Report> = told.into_iter().map(|one| one.report).collect();
        assert!(told.is_empty() || told == reports);
        (stands.standing, stands.epoch, told.len())
    };
    stage.queue.announce_epoch(&rival, 9).await.unwrap();
    let mut leases = Vec::new();
    for order in [kept, withdrawn, lost] {
        let lease = stage.queue.take(&taker, NO_WAIT).await.unwrap().unwrap();
        assert_eq!(lease.order, order);
        leases.push(lease);
    }
    assert_eq!(said(&leases[0], 0).await, (Standing::Held, 0, 2));
    stage.queue.announce_epoch(&acme, 2).await.unwrap();
    assert_eq!(said(&leases[0], 1).await, (Standing::Held, 2, 0));
    assert_eq!(said(&leases[0], 2).await, (Standing::Held, 2, 2));
    stage.queue.withdraw(leases[1].order.id).await.unwrap();
    assert_eq!(said(&leases[1], 2).await, (Standing::Withdrawn, 2, 0));
    stage.a_lease_goes_by().await;
    let again = stage.queue.take(&taker, NO_WAIT).await.unwrap().unwrap();
    assert_eq!(again.order, leases[0].order);
    assert_eq!(said(&leases[0], 2).await, (Standing::Lost, 2, 0));
    assert_eq!(said(&leases[2], 2).await, (Standing::Lost, 2, 0));
    assert_eq!(said(&again, 2).await, (Standing::Held, 2, 2));
}

pub(crate) async fn the_last_words_under_a_lease_end_it_if_they_are_told<Q: Queue>(stage: &Stage<Q>) {
    let acme = "acme".parse().unwrap();
    let order = stage.offered().await;
    let taker = Taker::of_anything(stage.worker());
    let lease = stage.queue.take(&taker, NO_WAIT).await.unwrap().unwrap();
    let last = stage.report(&order, ReportKind::Started);
    stage.queue.announce_epoch(&acme, 2).await.unwrap();
    let says_under = async |epoch: u64| {
        let then = Then::Ends;
        let under = Under {
            tenant: &acme,
            epoch,
            then,
        };
        let said = stage.queue.report_under(&lease, under, from_ref(&last)).await;
        (said.unwrap(), stage.depth().await)
    };
    let stands = |standing| Stands { standing, epoch: 2 };
    assert_eq!(says_under(1).await, (stands(Standing::Held), (0, 1, 0)));
    assert_eq!(says_under(2).await, (stands(Standing::Held), (0, 0, 1)));
    assert_eq!(stage.queue.held(&[order.id]).await.unwrap(), []);
    assert_eq!(says_under(2).await, (stands(Standing::Lost), (0, 0, 1)));
    let told = stage.queue.collect(9, NO_WAIT).await.unwrap();
    assert_eq!(told[0].report, last);
}

pub(crate) async fn an_epoch_only_rises<Q: Queue>(stage: &Stage<Q>) {
    let (acme, rival) = ("acme".parse().unwrap(), "rival".parse().unwrap());
    assert_eq!(stage.queue.epoch(&acme).await.unwrap(), 0);
    stage.queue.announce_epoch(&acme, 7).await.unwrap();
    stage.queue.announce_epoch(&acme, 3).await.unwrap();
    assert_eq!(stage.queue.epoch(&acme).await.unwrap(), 7);
    assert_eq!(stage.queue.epoch(&rival).await.unwrap(), 0);
}

pub(crate) async fn an_order_comes_with_the_epoch_of_its_tenant_or_it_has_to_be_asked_for<Q: Queue>(
    stage: &Stage<Q>,
) {
    let order = stage.offered().await;
    let tenant = order.tenant.clone().unwrap();
    let taker = Taker::of_anything(stage.worker());
    let of_nobody = WorkOrder {
        tenant: None,
        ..stage.desk.order()
    };
    stage.queue.offer(of_nobody.clone()).await.unwrap();
    stage.queue.announce_epoch(&tenant, 3).await.unwrap();
    let lease = stage.queue.take(&taker, NO_WAIT).await.unwrap().unwrap();
    assert_eq!((lease.order, lease.epoch), (order, Some(3)));
    let lease = stage.queue.take(&taker, NO_WAIT).await.unwrap().unwrap();
    assert_eq!((lease.order, lease.epoch), (of_nobody, None));
}
