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
    seen: watch::Receiver<Draft>,
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
    pen.begin(job);
    pen.add("合计");
    while_telling(&bench, &stop, seen, async {
        let mut first = bench.queue.listen(job).await.unwrap();
        assert_eq!(texts(&mut first, 6).await, "合计");
        let mut second = bench.queue.listen(job).await.unwrap();
        pen.add(" 12 €");
        assert_eq!(texts(&mut second, 13).await, "合计 12 €");
    })
    .await;
}

#[tokio::test]
async fn the_next_answer_is_told_to_its_own_listeners() {
    let (bench, stop) = (Bench::new().await, Stop::default());
    let (one, other, (pen, seen)) = (bench.ids.make(), bench.ids.make(), Pen::take());
    pen.begin(one);
    pen.add("first");
    pen.begin(other);
    pen.add("second");
    let mut early = bench.queue.listen(one).await.unwrap();
    let mut late = bench.queue.listen(other).await.unwrap();
    let told = while_telling(&bench, &stop, seen, texts(&mut late, 6)).await;
    assert_eq!(told, "second");
    assert_eq!(early.at_hand(), None);
}

#[tokio::test]
async fn nothing_is_told_of_work_that_was_stopped() {
    let (bench, stop) = (Bench::new().await, Stop::default());
    let (job, (pen, seen)) = (bench.ids.make(), Pen::take());
    let mut listener = bench.queue.listen(job).await.unwrap();
    pen.begin(job);
    pen.add("secret");
    stop.set(StopReason::Withdrawn);
    let mut telling = Telling::new(&*bench.queue, &stop, 1, seen);
    assert_eq!(telling.begun(), Some(job));
    telling.ask(job).await;
    assert!(telling.listening.is_some());
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
