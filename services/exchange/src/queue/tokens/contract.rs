//! What every queue does with texts of answers, written against the trait.

use super::{Listener, Tokens, Written};
use crate::queue::contract::Stage;
use domain::id::JobId;

/// One test per promise, as `queue_contract!` has them.
macro_rules! tokens_contract {
    ($make:path: $($promise:ident)*) => {$(
        #[tokio::test]
        async fn $promise() {
            if let Some(stage) = $make().await {
                crate::queue::tokens::contract::$promise(&stage).await;
            }
        }
    )*};
    ($make:path) => {
        tokens_contract! { $make:
            what_is_written_is_heard_in_order_by_all_who_listen
            nobody_hears_of_another_job
            whoever_begins_to_listen_is_noticed
            a_job_that_nobody_listens_to_any_more_is_left_alone
        }
    };
}
pub(crate) use tokens_contract;

/// Pieces of an answer, with characters of several bytes.
const PIECES: [&str; 3] = ["合计", " 12", ".50 €"];

fn pieces(job: JobId, attempt: u32) -> Vec<Written> {
    let mut from = 0;
    let piece = |text: &&str| {
        let written = Written {
            job,
            attempt,
            from,
            text: (*text).to_owned(),
        };
        from += text.len();
        written
    };
    PIECES.iter().map(piece).collect()
}

async fn heard(listener: &mut Listener, count: usize) -> Vec<Written> {
    let mut heard = Vec::new();
    while heard.len() < count {
        heard.push(listener.next().await);
    }
    heard
}

pub(crate) async fn what_is_written_is_heard_in_order_by_all_who_listen<Q: Tokens>(stage: &Stage<Q>) {
    let job = stage.desk.ids.make();
    let mut one = stage.queue.listen(job).await.unwrap();
    let mut other = stage.queue.listen(job).await.unwrap();
    let pieces = pieces(job, 3);
    for piece in &pieces {
        stage.queue.write(piece.clone()).await.unwrap();
    }
    assert_eq!(heard(&mut one, 3).await, pieces);
    drop(one);
    assert_eq!(heard(&mut other, 3).await, pieces);
    assert_eq!(other.at_hand(), None);
}

pub(crate) async fn nobody_hears_of_another_job<Q: Tokens>(stage: &Stage<Q>) {
    let (job, another) = (stage.desk.ids.make(), stage.desk.ids.make());
    let mut listener = stage.queue.listen(job).await.unwrap();
    for piece in pieces(another, 1).into_iter().chain(pieces(job, 1)) {
        stage.queue.write(piece).await.unwrap();
    }
    assert_eq!(heard(&mut listener, 3).await, pieces(job, 1));
    assert_eq!(stage.queue.listening(another).await.unwrap(), None);
}

pub(crate) async fn whoever_begins_to_listen_is_noticed<Q: Tokens>(stage: &Stage<Q>) {
    let job = stage.desk.ids.make();
    assert_eq!(stage.queue.listening(job).await.unwrap(), None);
    let _one = stage.queue.listen(job).await.unwrap();
    let first = stage.queue.listening(job).await.unwrap();
    assert!(first.is_some());
    assert_eq!(stage.queue.listening(job).await.unwrap(), first);
    let _other = stage.queue.listen(job).await.unwrap();
    let second = stage.queue.listening(job).await.unwrap();
    assert!(second.is_some() && second != first, "{first:?} {second:?}");
}

pub(crate) async fn a_job_that_nobody_listens_to_any_more_is_left_alone<Q: Tokens>(stage: &Stage<Q>) {
    let job = stage.desk.ids.make();
    let (one, other) = (
        stage.queue.listen(job).await.unwrap(),
        stage.queue.listen(job).await.unwrap(),
    );
    drop(one);
    assert!(stage.queue.listening(job).await.unwrap().is_some());
    drop(other);
    while stage.queue.listening(job).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
}
