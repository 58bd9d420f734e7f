use super::*;
use crate::{clock::HandClock, id::IdMaker};
use std::sync::Arc;

const RULE: RetryRule = RetryRule {
    most_faults: 3,
    most_losses: 2,
    first_pause: Duration::seconds(2),
    longest_pause: Duration::seconds(5),
};

fn now() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
}

fn out() -> Out {
    let ids = IdMaker::new(Arc::new(HandClock::at(now())));
    Out {
        order: ids.make(),
        attempt: 1,
    }
}

fn queued() -> JobState {
    JobState::Queued { not_before: now() }
}

fn fault(may_pass: bool) -> Fault {
    Fault {
        code: "engine_failed".into(),
        message: "no memory".into(),
        may_pass,
    }
}

#[test]
fn a_report_of_an_older_attempt_is_fenced() {
    let (old, new) = (out(), out());
    let job = queued().dispatch(new).unwrap();
    assert_eq!(job.clone().answer(old, now()), Err(JobRefusal::Fenced));
    assert_eq!(
        job.clone().start(Out { attempt: 2, ..new }),
        Err(JobRefusal::Fenced)
    );
    assert_eq!(job.answer(new, now()), Ok(JobState::Answered { at: now() }));
}

#[test]
fn an_answered_job_is_answered_for_good() {
    let order = out();
    let done = queued().dispatch(order).unwrap().answer(order, now()).unwrap();
    assert_eq!(done.clone().answer(order, now()), Err(JobRefusal::Fenced));
    assert_eq!(
        done.clone().cancel(now()),
        Err(JobRefusal::WrongState(JobPhase::Answered))
    );
    assert_eq!(
        done.requeue(now()),
        Err(JobRefusal::WrongState(JobPhase::Answered))
    );
}

#[test]
fn a_fault_that_cannot_pass_fails_at_once_under_its_own_code() {
    let order = out();
    let job = queued().dispatch(order).unwrap();
    let seen = job
        .fault(
            order,
            &fault(false),
            Tries { faults: 1, losses: 0 },
            &RULE,
            now(),
            0.5,
        )
        .unwrap();
    assert_eq!(
        seen,
        JobState::Failed {
            code: "engine_failed".into(),
            message: "no memory".into(),
            at: now()
        }
    );
}

#[test]
fn the_last_allowed_fault_makes_a_dead_letter_and_the_one_before_does_not() {
    let order = out();
    let job = queued().dispatch(order).unwrap();
    let after = |faults| {
        job.clone()
            .fault(
                order,
                &fault(true),
                Tries { faults, losses: 0 },
                &RULE,
                now(),
                1.0,
            )
            .unwrap()
    };
    assert_eq!(
        after(1),
        JobState::Queued {
            not_before: now() + Duration::seconds(2)
        }
    );
    assert_eq!(
        after(2),
        JobState::Queued {
            not_before: now() + Duration::seconds(4)
        }
    );
    assert!(matches!(after(3), JobState::Failed { code, .. } if code == DEAD_LETTERED));
}

#[test]
fn losses_are_counted_apart_from_faults() {
    let order = out();
    let job = queued().dispatch(order).unwrap().start(order).unwrap();
    let after = |losses| {
        job.clone()
            .lose(order, Tries { faults: 2, losses }, &RULE, now())
            .unwrap()
    };
    assert_eq!(after(1), queued());
    assert!(matches!(after(2), JobState::Failed { code, .. } if code == DEAD_LETTERED));
}

#[test]
fn pauses_double_up_to_the_longest_and_are_spread_over_their_upper_half() {
    let seconds = |tries, random| RULE.pause(tries, random).as_seconds_f64();
    assert_eq!(
        [seconds(1, 0.0), seconds(1, 1.0), seconds(2, 1.0)],
        [1.0, 2.0, 4.0]
    );
    assert_eq!(
        [seconds(3, 1.0), seconds(4_000_000_000, 1.0), seconds(9, 0.0)],
        [5.0, 5.0, 2.5]
    );
}

#[test]
fn only_waiting_jobs_are_refused_and_only_failed_or_refused_ones_requeued() {
    let order = out();
    let decision = IdMaker::new(Arc::new(HandClock::at(now()))).make();
    let dispatched = queued().dispatch(order).unwrap();
    assert_eq!(
        dispatched.clone().refuse(decision, now()),
        Err(JobRefusal::WrongState(JobPhase::Dispatched))
    );
    assert_eq!(
        dispatched.requeue(now()),
        Err(JobRefusal::WrongState(JobPhase::Dispatched))
    );
    let refused = queued().refuse(decision, now()).unwrap();
    assert_eq!(refused.requeue(now()), Ok(queued()));
}

#[test]
fn every_phase_reads_back_from_its_word() {
    for phase in JobPhase::ALL {
        assert_eq!(phase.as_str().parse(), Ok(phase));
    }
    assert_eq!("done".parse::<JobPhase>(), Err(BadPhase));
}

#[test]
fn a_held_job_is_fenced_off_from_its_order_and_goes_on_when_it_is_allowed_again() {
    let (order, ids) = (out(), IdMaker::new(Arc::new(HandClock::at(now()))));
    let hold = Hold {
        decision: ids.make(),
        code: "acceptance_revoked".into(),
        since: now(),
    };
    let running = queued().dispatch(order).unwrap().start(order).unwrap();
    let held = running.hold(hold.clone()).unwrap();
    assert_eq!(held.clone().answer(order, now()), Err(JobRefusal::Fenced));
    assert_eq!(
        held.clone().hold(hold.clone()),
        Err(JobRefusal::WrongState(JobPhase::Held))
    );
    assert!(!held.phase().is_settled());
    assert_eq!(held.clone().cancel(now()), Ok(JobState::Cancelled { at: now() }));
    let later = now() + Duration::hours(1);
    let resumed = held.resume(later).unwrap();
    assert_eq!(resumed, JobState::Queued { not_before: later });
    let done = resumed.dispatch(order).unwrap().answer(order, later).unwrap();
    assert_eq!(done.hold(hold), Err(JobRefusal::WrongState(JobPhase::Answered)));
}

#[test]
fn whatever_has_no_verdict_expires_and_its_order_is_fenced() {
    let order = out();
    let running = queued().dispatch(order).unwrap().start(order).unwrap();
    let expired = running.clone().expire(now()).unwrap();
    assert_eq!(expired, JobState::Expired { at: now() });
    assert!(expired.phase().is_settled());
    assert_eq!(expired.clone().answer(order, now()), Err(JobRefusal::Fenced));
    assert_eq!(
        expired.clone().requeue(now()),
        Err(JobRefusal::WrongState(JobPhase::Expired))
    );
    let answered = running.answer(order, now()).unwrap();
    assert_eq!(
        answered.expire(now()),
        Err(JobRefusal::WrongState(JobPhase::Answered))
    );
}

#[test]
fn what_waits_for_others_is_queued_or_fails_and_nothing_else_but_an_end() {
    let at = now();
    assert_eq!(
        JobState::Waiting.ready(at),
        Ok(JobState::Queued { not_before: at })
    );
    let failed = JobState::Waiting
        .fail_empty("no_page_answered", "none did".into(), at)
        .unwrap();
    assert_eq!(failed.phase(), JobPhase::Failed);
    assert_eq!(failed.clone().wait_again(), Ok(JobState::Waiting));
    let wrong = Err(JobRefusal::WrongState(JobPhase::Failed));
    assert_eq!(failed.ready(at), wrong);
    for refused in [
        JobState::Waiting.dispatch(out()),
        JobState::Waiting.requeue(at),
        JobState::Waiting.resume(at),
        JobState::Waiting.wait_again(),
    ] {
        assert_eq!(refused, Err(JobRefusal::WrongState(JobPhase::Waiting)));
    }
    assert_eq!(JobState::Waiting.cancel(at), Ok(JobState::Cancelled { at }));
    assert_eq!(JobState::Waiting.expire(at), Ok(JobState::Expired { at }));
}
