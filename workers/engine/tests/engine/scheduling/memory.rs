//! Who is admitted where memory is short.

use super::*;
use crate::golden::{dir, engine_keeping};
use engine::kv::KvType;

/// Bytes for one of the questions of `asked` with its page.
fn need(engine: &Engine, asked: &Asked, question: usize) -> u64 {
    let Question {
        conversation,
        parameters,
    } = &asked.questions[question];
    let fit = engine.check_fit(conversation, parameters.max_new_tokens).unwrap();
    let before = match &asked.page {
        // Two ids and a role's two stand before the image.
        Some(_) => 4 + fit.image_tokens,
        None => 0,
    };
    let model = engine.model();
    model.memory_bytes(before) + model.memory_bytes(fit.prompt_tokens - before + fit.max_new_tokens)
}

/// What is admitted with so much memory, as the numbers of requests whose tokens come one after another.
fn order_of_tokens(engine: &Engine, asked: &[Asked], memory_bytes: u64) -> Vec<usize> {
    let schedule = Schedule {
        memory_bytes,
        // While one is taken in, the other hardly goes on: both are to be seen side by side.
        page_share: 100.0,
    };
    let (mut scheduler, requests) = Scheduler::new(engine, schedule);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut heard = Vec::new();
    for (number, asked) in asked.iter().enumerate() {
        let order = order.clone();
        let ear = Ear {
            on_token: Some(Box::new(move |_, _| order.lock().unwrap().push(number))),
            ..Ear::default()
        };
        heard.push(ear.heard.clone());
        requests.send(asked.request(engine, ear)).unwrap();
    }
    drop(requests);
    scheduler.work();
    for (asked, heard) in asked.iter().zip(heard) {
        asked.check(engine, &taken(heard));
    }
    order.lock().unwrap().clone()
}

/// Two requests about pages of their own, one question each.
fn two() -> Vec<Asked> {
    let mut asked = vec![several("tiny-a").swap_remove(1), several("tiny-a").swap_remove(4)];
    for asked in &mut asked {
        asked.questions.truncate(1);
        asked.questions[0].parameters.max_new_tokens = Some(20);
    }
    asked
}

fn need_of_all(engine: &Engine, asked: &[Asked]) -> u64 {
    asked.iter().map(|asked| need(engine, asked, 0)).sum()
}

/// How often the next token is of another request than the last.
fn changes(engine: &Engine, asked: &[Asked], memory_bytes: u64) -> usize {
    let order = order_of_tokens(engine, asked, memory_bytes);
    order.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

#[test]
fn who_does_not_fit_beside_others_waits_for_them() {
    let (engine, asked) = (load("tiny-a", 8), two());
    let both = need_of_all(&engine, &asked);
    assert!(changes(&engine, &asked, both) > 1, "both fit");
    assert_eq!(changes(&engine, &asked, both - 1), 1, "one after the other");
}

#[test]
fn in_half_of_the_bits_twice_as_many_fit() {
    let [exact, halves] = [KvType::F32, KvType::F16].map(|kept| engine_keeping(&dir("tiny-a"), kept));
    let asked = two();
    let room = need_of_all(&halves, &asked);
    assert_eq!(need_of_all(&exact, &asked), 2 * room);
    assert!(changes(&halves, &asked, room) > 1, "both fit");
    assert_eq!(changes(&exact, &asked, room), 1, "one after the other");
}

#[test]
fn pages_that_nobody_is_asked_about_give_their_memory_back_to_who_waits() {
    let engine = load("tiny-a", 8);
    let asked = several("tiny-a");
    let most = |asked: &Asked| {
        (0..asked.questions.len())
            .map(|at| need(&engine, asked, at))
            .max()
    };
    let largest = asked.iter().filter_map(most).max().unwrap();
    order_of_tokens(&engine, &asked, largest);
}

#[test]
fn a_question_that_would_never_fit_fails_alone() {
    let engine = load("tiny-a", 8);
    let mut asked = several("tiny-a").swap_remove(1);
    asked.questions.truncate(2);
    let room = need(&engine, &asked, 0);
    let segments = |rows: usize| engine.model().memory_bytes(rows);
    // One more segment than the others.
    asked.questions[1].parameters.max_new_tokens = Some(300);
    assert!(need(&engine, &asked, 1) == room + segments(256), "{room}");
    let schedule = Schedule {
        memory_bytes: room,
        ..Schedule::default()
    };
    let heard = all_heard(&engine, schedule, std::slice::from_ref(&asked)).swap_remove(0);
    same(&asked.alone(&engine)[0], heard.ended[&0].as_ref().unwrap());
    let error = heard.ended[&1].as_ref().unwrap_err();
    assert!(error.contains(&format!("there are {room}")), "{error}");
}
