//! Requests that come while others are answered, and requests that go.

use super::*;
use crate::quantised::{self, made};
use engine::quantise::Mix;

#[test]
fn a_request_changes_no_bit_of_others_at_whatever_token_it_joins() {
    for set in ["tiny-a", "tiny-b"] {
        joins_at_every_token(&load(set, 8), &several(set));
    }
}

#[test]
fn quantised_answers_about_different_pages_have_the_bits_that_each_has_alone() {
    let folder = tempfile::tempdir().unwrap();
    for mix in Mix::ALL {
        let file = folder.path().join(format!("{mix}.gguf"));
        made("tiny-a", mix, &file);
        let engine = quantised::load(&file);
        joins_at_every_token(&engine, &several("tiny-a"));
    }
}

fn joins_at_every_token(engine: &Engine, asked: &[Asked]) {
    for tokens in 1..=9 {
        for (first, second) in [(0, 2), (2, 0), (1, 4), (3, 2), (0, 3)] {
            let (first, second) = (&asked[first], &asked[second]);
            let (mut scheduler, requests) = Scheduler::new(engine, AT_EVERY_PART);
            let joining = Ear::default();
            let joined = joining.heard.clone();
            let ear = sends_at(tokens, requests.clone(), second.request(engine, joining));
            let heard = ear.heard.clone();
            requests.send(first.request(engine, ear)).unwrap();
            drop(requests);
            scheduler.work();
            first.check(engine, &taken(heard));
            second.check(engine, &taken(joined));
        }
    }
}

#[test]
fn who_is_broken_off_leaves_before_the_next_step_and_the_others_go_on() {
    let engine = load("tiny-a", 8);
    let asked = several("tiny-a");
    let (mut scheduler, requests) = Scheduler::new(&engine, Schedule::default());
    let over = Arc::new(Mutex::new(false));
    let (asks, hears) = (over.clone(), over.clone());
    let leaving = Ear {
        goes_on: Some(Box::new(move || !*asks.lock().unwrap())),
        on_token: Some(Box::new(move |question, count| {
            *hears.lock().unwrap() |= question == 0 && count == 3;
        })),
        ..Ear::default()
    };
    let (left, staying) = (leaving.heard.clone(), Ear::default());
    let stayed = staying.heard.clone();
    requests.send(asked[1].request(&engine, leaving)).unwrap();
    requests.send(asked[2].request(&engine, staying)).unwrap();
    drop(requests);
    scheduler.work();
    let left = taken(left);
    // The third question was short.
    assert_eq!((left.tokens[&0].len(), left.ended.contains_key(&0)), (3, false));
    assert!(!left.ended.contains_key(&1));
    asked[2].check(&engine, &taken(stayed));
}

#[test]
fn a_page_that_is_broken_off_in_the_tower_is_told_of_no_more() {
    let engine = load("tiny-a", 8);
    let asked = several("tiny-a");
    for asks in [1, 2, 5, 9] {
        let (mut scheduler, requests) = Scheduler::new(&engine, AT_EVERY_PART);
        let left = Mutex::new(asks);
        let leaving = Ear {
            goes_on: Some(Box::new(move || {
                let mut left = left.lock().unwrap();
                *left -= 1;
                *left > 0
            })),
            ..Ear::default()
        };
        let (left, staying) = (leaving.heard.clone(), Ear::default());
        let stayed = staying.heard.clone();
        requests.send(asked[1].request(&engine, staying)).unwrap();
        requests.send(asked[0].request(&engine, leaving)).unwrap();
        drop(requests);
        scheduler.work();
        let left = taken(left);
        assert!(left.encoded == 0 && left.failed.is_none() && left.ended.is_empty());
        asked[1].check(&engine, &taken(stayed));
    }
}

#[test]
fn an_audience_that_panics_loses_its_own_answer_alone() {
    let engine = load("tiny-a", 8);
    let asked = several("tiny-a");
    let (mut scheduler, requests) = Scheduler::new(&engine, Schedule::default());
    let panicking = Ear {
        on_token: Some(Box::new(|question, count| {
            assert!(question != 1 || count < 2, "as an audience might");
        })),
        ..Ear::default()
    };
    let (lost, well) = (panicking.heard.clone(), Ear::default());
    let heard = well.heard.clone();
    requests.send(asked[0].request(&engine, panicking)).unwrap();
    requests.send(asked[2].request(&engine, well)).unwrap();
    drop(requests);
    scheduler.work();
    let (lost, alone) = (taken(lost), asked[0].alone(&engine));
    assert_eq!(lost.ended[&1].as_ref().unwrap_err(), "the engine panicked");
    for number in [0, 2] {
        same(&alone[number], lost.ended[&number].as_ref().unwrap());
    }
    asked[2].check(&engine, &taken(heard));
}

#[test]
fn who_came_later_does_not_wait_for_all_questions_of_who_came_first() {
    let engine = load("tiny-a", 1);
    let mut many = several("tiny-a").swap_remove(1);
    many.questions = vec![question("a", true, 3); 5];
    let one = Asked {
        questions: vec![question("b", true, 3)],
        ..many.clone()
    };
    let (mut scheduler, requests) = Scheduler::new(&engine, Schedule::default());
    let log = Log::default();
    for (name, asked) in [("many", &many), ("one", &one)] {
        let log = log.clone();
        let ear = Ear {
            on_token: Some(Box::new(move |_, count| {
                if count == 3 {
                    note(&log, name);
                }
            })),
            ..Ear::default()
        };
        requests.send(asked.request(&engine, ear)).unwrap();
    }
    drop(requests);
    scheduler.work();
    let ended = log.lock().unwrap().clone();
    let place = ended.iter().position(|name| name == "one").unwrap();
    assert!(place < 5, "{ended:?}");
}
