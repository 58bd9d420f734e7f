use super::*;
use time::Duration;

fn now() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
}

fn one(waiting: u64) -> DocumentCounts {
    DocumentCounts {
        waiting,
        split: 1 - waiting,
        ..DocumentCounts::default()
    }
}

#[test]
fn a_batch_without_documents_cannot_be_submitted() {
    assert_eq!(
        BatchState::Open.submit(&DocumentCounts::default(), now()),
        Err(BatchRefusal::Empty)
    );
}

#[test]
fn submitting_and_cancelling_again_change_nothing() {
    let later = now() + Duration::hours(1);
    let running = BatchState::Open.submit(&one(1), now()).unwrap();
    assert_eq!(running.submit(&one(1), later), Ok(running));
    let cancelled = running.cancel(now()).unwrap();
    assert_eq!(cancelled.cancel(later), Ok(cancelled));
    assert_eq!(
        cancelled.submit(&one(1), later),
        Err(BatchRefusal::WrongState("cancelled"))
    );
}

#[test]
fn a_batch_completes_only_when_every_document_and_job_has_its_verdict() {
    let running = BatchState::Running { submitted_at: now() };
    let busy = JobCounts {
        running: 1,
        answered: 3,
        ..JobCounts::default()
    };
    let done = JobCounts {
        failed: 1,
        answered: 3,
        ..JobCounts::default()
    };
    assert_eq!(
        running.complete(&one(1), &done, now()),
        Err(BatchRefusal::Unfinished)
    );
    assert_eq!(
        running.complete(&one(0), &busy, now()),
        Err(BatchRefusal::Unfinished)
    );
    let completed = running.complete(&one(0), &done, now()).unwrap();
    assert_eq!(
        completed,
        BatchState::Completed {
            submitted_at: now(),
            at: now()
        }
    );
    assert_eq!(
        completed.cancel(now()),
        Err(BatchRefusal::WrongState("completed"))
    );
    assert_eq!(completed.reopen(), Ok(running));
}

#[test]
fn counts_add_up_over_every_phase() {
    let jobs = JobCounts {
        queued: 1,
        dispatched: 2,
        running: 3,
        held: 4,
        answered: 5,
        failed: 6,
        cancelled: 7,
        refused: 8,
        expired: 9,
        waiting: 10,
    };
    assert_eq!((jobs.total(), jobs.unsettled()), (55, 20));
}

#[test]
fn only_what_is_open_or_running_expires_and_then_takes_nothing_more() {
    let later = now() + Duration::hours(1);
    let running = BatchState::Running { submitted_at: now() };
    let expired = running.expire(later).unwrap();
    assert_eq!(
        expired,
        BatchState::Expired {
            submitted_at: Some(now()),
            at: later
        }
    );
    assert!(BatchState::Open.expire(later).is_ok());
    let over = Err(BatchRefusal::WrongState("expired"));
    assert_eq!(expired.expire(later), over);
    assert_eq!(expired.cancel(later), over);
    assert_eq!(expired.reopen(), over);
    assert_eq!(expired.submit(&one(1), later), over);
    let done = running.complete(&one(0), &JobCounts::default(), now()).unwrap();
    assert_eq!(done.expire(later), Err(BatchRefusal::WrongState("completed")));
}
