//! Requests about different pages that are answered at once, whenever they come: each as it is answered alone.

mod joining;
mod memory;
mod pages;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, mpsc::Sender};

use ::pages::RgbPage;
use engine::prompt::Conversation;
use engine::sampling::Sampling;
use engine::{Answer, Engine, Page, Parameters, Question, Request, Schedule, Scheduler};

use crate::golden::{engine_at_once as load, page};
use crate::hearing::{Ear, Heard, same, taken};

/// Something long is stepped aside from whenever it asks.
const AT_EVERY_PART: Schedule = Schedule {
    memory_bytes: u64::MAX,
    page_share: 0.0,
};

/// What one asks, and about what.
#[derive(Clone)]
struct Asked {
    page: Option<RgbPage>,
    /// Whether the page was through the tower before.
    encoded: bool,
    questions: Vec<Question>,
}

/// A page that looks like no other.
fn drawn(number: u32) -> RgbPage {
    let (width, height) = (40 + 8 * number, 64);
    let values = (0..width * height * 3).map(|place| place.wrapping_mul(7 + 12 * number) % 251);
    RgbPage {
        width,
        height,
        pixels: values.map(|value| value as u8).collect(),
    }
}

fn question(text: &str, with_image: bool, tokens: usize) -> Question {
    Question {
        conversation: Conversation::question(text, with_image).unwrap(),
        parameters: Parameters {
            max_new_tokens: Some(tokens),
            ignore_eos: true,
            top_logprobs: 3,
            ..Parameters::default()
        },
    }
}

/// A page of the reference, three others, and nothing but a text; different lengths, and some by chance.
fn several(set: &str) -> Vec<Asked> {
    let drawing = |mut question: Question, seed| {
        question.parameters.sampling = Sampling {
            temperature: Some(0.9),
            seed,
            repetition_penalty: 1.2,
            ..Sampling::default()
        };
        question
    };
    let about = |page: Option<RgbPage>, encoded, tokens: usize| Asked {
        encoded,
        questions: vec![
            question("What is in the image?", page.is_some(), tokens),
            drawing(question("合计", page.is_some(), tokens + 4), tokens as u64),
            question("a", page.is_some(), 2),
        ],
        page,
    };
    vec![
        about(Some(page(set)), false, 9),
        about(Some(drawn(1)), true, 5),
        about(Some(drawn(2)), false, 12),
        about(None, false, 7),
        about(Some(drawn(3)), true, 3),
    ]
}

impl Asked {
    fn request(&self, engine: &Engine, ear: Ear) -> Request {
        let page = match &self.page {
            None => Page::None,
            Some(page) if self.encoded => Page::Encoded(engine.encode_page(page).unwrap()),
            Some(page) => Page::Pixels(engine.pixel_values(page).unwrap()),
        };
        Request {
            page,
            questions: self.questions.clone(),
            audience: Box::new(ear),
        }
    }

    fn alone(&self, engine: &Engine) -> Vec<Answer> {
        let page = self.page.as_ref().map(|page| engine.encode_page(page).unwrap());
        let answer = |question: &Question| {
            let mut session = page.as_ref().map(|page| engine.open_page(page));
            let Question {
                conversation,
                parameters,
            } = question;
            engine
                .answer(conversation, session.as_mut(), parameters, &mut |_| {
                    ControlFlow::Continue(())
                })
                .unwrap()
        };
        self.questions.iter().map(answer).collect()
    }

    /// That all was answered as alone.
    fn check(&self, engine: &Engine, heard: &Heard) {
        let alone = self.alone(engine);
        assert_eq!(heard.ended.len(), alone.len());
        for (number, alone) in alone.iter().enumerate() {
            let answer = heard.ended[&number].as_ref().unwrap();
            same(alone, answer);
            assert_eq!(heard.tokens[&number], answer.token_ids);
        }
    }
}

/// Works at requests to their end; gives what was heard of each.
fn all_heard(engine: &Engine, schedule: Schedule, asked: &[Asked]) -> Vec<Heard> {
    let (mut scheduler, requests) = Scheduler::new(engine, schedule);
    let hears = |asked: &Asked| {
        let ear = Ear::default();
        let heard = ear.heard.clone();
        requests.send(asked.request(engine, ear)).unwrap();
        heard
    };
    let heard: Vec<_> = asked.iter().map(hears).collect();
    drop(requests);
    scheduler.work();
    heard.into_iter().map(taken).collect()
}

/// Sends a request once, when somebody first has `tokens` tokens.
fn sends_at(tokens: usize, requests: Sender<Request>, request: Request) -> Ear {
    let request = Mutex::new(Some((requests, request)));
    Ear {
        on_token: Some(Box::new(move |_, count| {
            if count >= tokens
                && let Some((requests, request)) = request.lock().unwrap().take()
            {
                requests.send(request).unwrap();
            }
        })),
        ..Ear::default()
    }
}

/// Something that happened, as several ears heard it.
type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, what: impl Into<String>) {
    log.lock().unwrap().push(what.into());
}

#[test]
fn answers_about_different_pages_have_the_bits_that_each_has_alone() {
    for set in ["tiny-a", "tiny-b"] {
        for at_once in [1, 3, 8] {
            let engine = load(set, at_once);
            let mut asked = several(set);
            for _ in 0..asked.len() {
                for schedule in [Schedule::default(), AT_EVERY_PART] {
                    let heard = all_heard(&engine, schedule, &asked);
                    for (asked, heard) in asked.iter().zip(&heard) {
                        asked.check(&engine, heard);
                        let encodes = asked.page.is_some() && !asked.encoded;
                        assert_eq!(heard.encoded, usize::from(encodes));
                    }
                }
                asked.rotate_left(1);
            }
        }
    }
}

#[test]
fn the_same_question_has_other_answers_about_other_pages() {
    let engine = load("tiny-a", 8);
    let asked = several("tiny-a");
    let first = |asked: &Asked| -> Vec<u32> {
        let answer = asked.alone(&engine).swap_remove(0);
        let tops = answer.top_logprobs.first().unwrap();
        tops.iter().map(|top| top.logprob.to_bits()).collect()
    };
    let firsts: BTreeSet<Vec<u32>> = asked.iter().map(first).collect();
    assert_eq!(
        firsts.len(),
        asked.len(),
        "an answer could not tell whose page it is about"
    );
}
