use super::*;
use crate::{
    fixtures::{Bench, golden_question_and_answer},
    hold::StopReason,
};
use exchange::queue::{Listener, Tokens as _};

/// Tells until `told` has come to its end.
async fn while_telling<T>(
    bench: &Bench,
    stop: &Stop,
    seen: watch::Receiver<Vec<Draft>>,
    told: impl Future<Output = T>,
) -> T {
    tokio::select! {
        told = told => told,
        never = Telling::new(&*bench.queue, stop, 1, seen).run() => match never {},
    }
}

/// What is heard from the start on. Whoever is new may hear a piece of the middle first.
async fn texts(listener: &mut Listener, bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < bytes {
        let written = listener.next().await;
        if written.from == text.len() {
            text.push_str(&written.text);
        }
    }
    text
}

#[tokio::test]
async fn whoever_begins_to_listen_late_is_told_the_answer_from_its_start() {
    let (bench, stop) = (Bench::new().await, Stop::default());
    let (job, (pen, seen)) = (bench.ids.make(), Pen::take());
    pen.add(job, "合计");
    while_telling(&bench, &stop, seen, async {
        let mut first = bench.queue.listen(job).await.unwrap();
        assert_eq!(texts(&mut first, 6).await, "合计");
        let mut second = bench.queue.listen(job).await.unwrap();
        pen.add(job, " 12 €");
        assert_eq!(texts(&mut second, 13).await, "合计 12 €");
    })
    .await;
}

#[tokio::test]
async fn answers_that_are_written_together_are_told_to_their_own_listeners() {
    let (bench, stop) = (Bench::new().await, Stop::default());
    let (one, other, (pen, seen)) = (bench.ids.make(), bench.ids.make(), Pen::take());
    pen.add(one, "fir");
    pen.add(other, "second");
    pen.add(one, "st");
    let mut early = bench.queue.listen(one).await.unwrap();
    let mut late = bench.queue.listen(other).await.unwrap();
    let told = while_telling(&bench, &stop, seen, async {
        (texts(&mut early, 5).await, texts(&mut late, 6).await)
    });
    assert_eq!(told.await, ("first".to_owned(), "second".to_owned()));
}

#[tokio::test]
async fn an_answer_that_ended_is_forgotten_when_another_begins() {
    let bench = Bench::new().await;
    let (one, other, (pen, seen)) = (bench.ids.make(), bench.ids.make(), Pen::take());
    pen.add(one, "first");
    pen.end(one);
    let jobs = || seen.borrow().iter().map(|draft| draft.job).collect::<Vec<_>>();
    assert_eq!(jobs(), [one]);
    pen.add(other, "second");
    assert_eq!(jobs(), [other]);
}

#[tokio::test]
async fn nothing_is_told_of_work_that_was_stopped() {
    let (bench, stop) = (Bench::new().await, Stop::default());
    let (job, (pen, seen)) = (bench.ids.make(), Pen::take());
    let mut listener = bench.queue.listen(job).await.unwrap();
    pen.add(job, "secret");
    stop.set(StopReason::Withdrawn);
    let mut telling = Telling::new(&*bench.queue, &stop, 1, seen);
    assert_eq!(telling.begun(), [job]);
    telling.ask(job).await;
    assert!(telling.told[&job].listening.is_some());
    telling.tell(job).await;
    assert_eq!(listener.at_hand(), None);
}

#[tokio::test]
async fn what_a_worker_tells_begins_the_answer_that_it_reports() {
    let bench = Bench::new().await;
    let (text, answer) = golden_question_and_answer();
    let question = bench.question(&text, 16);
    let mut listener = bench.queue.listen(question.job).await.unwrap();
    let order = bench.order(vec![question]);
    bench.step_at(order).await;
    let mut told = String::new();
    while let Some(written) = listener.at_hand() {
        assert_eq!((written.from, written.attempt), (told.len(), 1));
        told.push_str(&written.text);
    }
    assert!(
        !told.is_empty() && answer.starts_with(&told),
        "{told:?} of {answer:?}"
    );
}
