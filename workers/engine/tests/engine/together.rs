//! Questions on one page that are answered together give the bits that each gives alone.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::glm4v::Untraced;
use engine::kv::KvType;
use engine::prompt::Conversation;
use engine::quantise::Mix;
use engine::sampling::Sampling;
use engine::{Answer, Engine, FinishReason, Page, Parameters, Question, Request, Schedule, Scheduler};

use crate::golden::{dir, engine_at_once as load, engine_keeping, page};
use crate::hearing::{Ear, Heard, same, taken};
use crate::quantised::{self, made};

const QUESTIONS: [&str; 11] = [
    "图表显示了什么数据？",
    "金额是多少元？ 100.50",
    "",
    "What is in the image?",
    "Who signed?",
    "合计",
    "a",
    "b b b b b b b b b b b b b b",
    "12",
    "日期？",
    "?",
];

fn conversations() -> Vec<Conversation> {
    let one = |question: &&str| Conversation::question(question, true).unwrap();
    QUESTIONS.iter().map(one).collect()
}

/// Different lengths, so that seats change hands; one of them is drawn by chance.
fn parameters(number: usize) -> Parameters {
    let temperature = (number == 3).then_some(0.9);
    Parameters {
        max_new_tokens: Some(3 + number * 5 % 11),
        ignore_eos: true,
        top_logprobs: 3,
        sampling: Sampling {
            temperature,
            seed: 7,
            ..Sampling::default()
        },
        ..Parameters::default()
    }
}

/// Asks all questions about the page of `set` at once.
fn request(engine: &Engine, set: &str, parameters: &[Parameters], ear: Ear) -> Request {
    let each = conversations().into_iter().zip(parameters);
    Request {
        page: Page::Encoded(engine.encode_page(&page(set)).unwrap()),
        questions: each
            .map(|(conversation, parameters)| Question {
                conversation,
                parameters: parameters.clone(),
            })
            .collect(),
        audience: Box::new(ear),
    }
}

fn together(engine: &Engine, set: &str, parameters: &[Parameters], ear: Ear) -> Heard {
    let heard = ear.heard.clone();
    let (mut scheduler, requests) = Scheduler::new(engine, Schedule::default());
    requests.send(request(engine, set, parameters, ear)).unwrap();
    drop(requests);
    scheduler.work();
    taken(heard)
}

fn alone(engine: &Engine, set: &str, parameters: &[Parameters]) -> Vec<Answer> {
    let mut session = engine.open_page(&engine.encode_page(&page(set)).unwrap());
    let each = conversations().into_iter().zip(parameters);
    each.map(|(conversation, parameters)| {
        engine
            .answer(&conversation, Some(&mut session), parameters, &mut |_| {
                ControlFlow::Continue(())
            })
            .unwrap()
    })
    .collect()
}

#[test]
fn answers_have_the_bits_that_each_has_alone() {
    let parameters: Vec<Parameters> = (0..QUESTIONS.len()).map(parameters).collect();
    for set in ["tiny-a", "tiny-b"] {
        for at_once in [1, 3, 8] {
            let engine = load(set, at_once);
            let heard = together(&engine, set, &parameters, Ear::default());
            for (number, alone) in alone(&engine, set, &parameters).iter().enumerate() {
                let answer = heard.ended[&number].as_ref().unwrap();
                same(alone, answer);
                assert_eq!(heard.tokens[&number], answer.token_ids);
            }
        }
    }
}

#[test]
fn quantised_answers_have_the_bits_that_each_has_alone() {
    let parameters: Vec<Parameters> = (0..QUESTIONS.len()).map(parameters).collect();
    let folder = tempfile::tempdir().unwrap();
    for mix in Mix::ALL {
        let file = folder.path().join(format!("{mix}.gguf"));
        made("tiny-a", mix, &file);
        let engine = quantised::load(&file);
        let heard = together(&engine, "tiny-a", &parameters, Ear::default());
        for (number, alone) in alone(&engine, "tiny-a", &parameters).iter().enumerate() {
            same(alone, heard.ended[&number].as_ref().unwrap());
        }
    }
}

#[test]
fn answers_have_these_bits_whatever_keys_and_values_are_kept_in() {
    let parameters: Vec<Parameters> = (0..QUESTIONS.len()).map(parameters).collect();
    for kept in KvType::ALL {
        // Heads of 64 and of 32 values.
        for set in ["tiny-a", "tiny-b"] {
            let engine = engine_keeping(&dir(set), kept);
            let heard = together(&engine, set, &parameters, Ear::default());
            for (number, alone) in alone(&engine, set, &parameters).iter().enumerate() {
                same(alone, heard.ended[&number].as_ref().unwrap());
            }
        }
    }
}

#[test]
fn an_answer_that_is_broken_off_ends_at_once_and_the_others_go_on() {
    let parameters: Vec<Parameters> = (0..QUESTIONS.len()).map(parameters).collect();
    let engine = load("tiny-a", 8);
    let breaks = Ear {
        breaks: Some(2),
        ..Ear::default()
    };
    let heard = together(&engine, "tiny-a", &parameters, breaks);
    let broken = heard.ended[&2].as_ref().unwrap();
    assert_eq!(broken.finish_reason, FinishReason::Cancelled);
    assert_eq!(broken.token_ids.len(), 3);
    for (number, alone) in alone(&engine, "tiny-a", &parameters).iter().enumerate() {
        if number != 2 {
            same(alone, heard.ended[&number].as_ref().unwrap());
        }
    }
}

#[test]
fn a_question_that_cannot_be_answered_fails_alone() {
    let mut parameters: Vec<Parameters> = (0..QUESTIONS.len()).map(parameters).collect();
    parameters[1].max_new_tokens = Some(1_000_000);
    parameters[4].sampling.temperature = Some(f64::NAN);
    let engine = load("tiny-a", 4);
    let heard = together(&engine, "tiny-a", &parameters, Ear::default());
    for number in [1, 4] {
        assert!(heard.ended[&number].is_err(), "{number}");
    }
    let ended = (0..QUESTIONS.len())
        .filter(|number| heard.ended[number].is_ok())
        .count();
    assert_eq!(ended, QUESTIONS.len() - 2);
}

#[test]
fn a_memory_of_what_is_not_a_number_spoils_its_own_logits_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("q4.gguf");
    made("tiny-a", Mix::Q4KM, &file);
    for model in [dir("tiny-a"), file] {
        let engine = quantised::load(&model);
        let model = engine.model();
        let memory = |factor: f64| {
            let (mut cache, rows) = (model.new_cache(), model.embed(&[3, 4, 5]).unwrap());
            let rows = rows.affine(factor, 0.0).unwrap();
            model
                .take_in(&rows, &[0, 1, 2], &mut cache, &mut Untraced)
                .unwrap();
            cache
        };
        let alone = model.step(7, &mut memory(1.0), &mut Untraced).unwrap();
        let (mut well, mut spoilt) = (memory(1.0), memory(f64::NAN));
        let mut caches = [&mut spoilt, &mut well];
        let logits = model.step_each(&[7, 7], &mut caches, &mut Untraced).unwrap();
        assert!(logits[0].iter().any(|logit| !logit.is_finite()));
        assert_eq!(logits[1], alone);
    }
}

#[test]
fn a_stop_ends_all_of_them_within_a_step() {
    let parameters: Vec<Parameters> = (0..QUESTIONS.len()).map(parameters).collect();
    let engine = load("tiny-a", 8);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let stops = Ear {
        goes_on: Some(Box::new(move || counted.fetch_add(1, Ordering::Relaxed) < 40)),
        ..Ear::default()
    };
    let heard = together(&engine, "tiny-a", &parameters, stops);
    assert_eq!(asked.load(Ordering::Relaxed), 41);
    assert!(heard.ended.len() < QUESTIONS.len());
}
