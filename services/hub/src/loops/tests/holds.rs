//! How long a document stays with the intake that took it.

use super::desk::Desk;
use records::documents;
use time::Duration;

#[tokio::test]
async fn a_document_whose_hold_is_kept_up_is_nobody_elses() {
    let desk = Desk::new().await;
    desk.submitted("acme", 1).await;
    let mut taken = desk.take_document().await.unwrap();
    for _ in 0..3 {
        desk.clock.turn(Duration::seconds(50));
        let until = desk.stamp().at + Duration::minutes(1);
        assert!(documents::prolong(&desk.db, &mut taken, until).await.unwrap());
        assert!(desk.take_document().await.is_none());
    }
    assert!(desk.split(&taken, 2).await);
}

#[tokio::test]
async fn a_document_that_another_took_is_not_held_by_the_first_any_more() {
    let desk = Desk::new().await;
    desk.submitted("acme", 1).await;
    let mut first = desk.take_document().await.unwrap();
    desk.clock.turn(Duration::seconds(61));
    let second = desk.take_document().await.unwrap();
    let until = desk.stamp().at + Duration::minutes(1);
    assert!(!documents::prolong(&desk.db, &mut first, until).await.unwrap());
    assert!(!desk.split(&first, 2).await);
    assert!(desk.split(&second, 2).await);
}
