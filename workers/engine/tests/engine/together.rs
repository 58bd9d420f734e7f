//! Questions on one page that are answered together give the bits that each gives alone.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use engine::glm4v::{Asked, Untraced};
use engine::prompt::Conversation;
use engine::quantise::{Mix, quantise};
use engine::sampling::Sampling;
use engine::{Answer, Audience, Engine, EngineError, FinishReason, LoadOptions, Parameters, Question, Token};

use crate::golden::{dir, page};

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

fn load(set: &str, at_once: usize) -> Engine {
    Engine::load(&dir(set), &LoadOptions::default().answering(at_once).unwrap()).unwrap()
}

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

/// What is heard; breaks answer `breaks` off at its third token.
#[derive(Default)]
struct Heard {
    breaks: Option<usize>,
    tokens: BTreeMap<usize, Vec<u32>>,
    ended: BTreeMap<usize, Result<Answer, String>>,
}

impl Audience for Heard {
    fn token(&mut self, question: usize, token: &Token) -> ControlFlow<()> {
        assert!(!self.ended.contains_key(&question));
        let tokens = self.tokens.entry(question).or_default();
        assert_eq!(tokens.len(), token.index);
        tokens.push(token.id);
        if self.breaks == Some(question) && tokens.len() == 3 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn ended(&mut self, question: usize, answer: Result<Answer, EngineError>) -> ControlFlow<()> {
        let answer = answer.map_err(|error| error.to_string());
        assert!(self.ended.insert(question, answer).is_none());
        ControlFlow::Continue(())
    }
}

fn together(engine: &Engine, set: &str, parameters: &[Parameters], heard: &mut Heard) {
    let conversations = conversations();
    let questions: Vec<Question> = conversations
        .iter()
        .zip(parameters)
        .map(|(conversation, parameters)| Question {
            conversation,
            parameters,
        })
        .collect();
    let mut session = engine.open_page(&engine.encode_page(&page(set)).unwrap());
    engine
        .answer_together(&questions, &mut session, heard, &mut Untraced)
        .unwrap();
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

fn same(alone: &Answer, together: &Answer) {
    let bits = |answer: &Answer| -> Vec<_> {
        let all = answer.top_logprobs.iter().flatten();
        all.map(|top| (top.id, top.logprob.to_bits())).collect()
    };
    assert_eq!(alone.token_ids, together.token_ids);
    assert_eq!(bits(alone), bits(together));
    assert_eq!(alone.text, together.text);
    assert_eq!(alone.finish_reason, together.finish_reason);
}

#[test]
fn answers_have_the_bits_that_each_has_alone() {
    let parameters: Vec<Parameters> = (0..QUESTIONS.len()).map(parameters).collect();
    for set in ["tiny-a", "tiny-b"] {
        for at_once in [1, 3, 8] {
            let (engine, mut heard) = (load(set, at_once), Heard::default());
            together(&engine, set, &parameters, &mut heard);
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
        quantise(&dir("tiny-a"), &file, mix, Vec::new(), &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
        let engine = Engine::load(&file, &LoadOptions::default()).unwrap();
        let mut heard = Heard::default();
        together(&engine, "tiny-a", &parameters, &mut heard);
        for (number, alone) in alone(&engine, "tiny-a", &parameters).iter().enumerate() {
            same(alone, heard.ended[&number].as_ref().unwrap());
        }
    }
}

#[test]
fn an_answer_that_is_broken_off_ends_at_once_and_the_others_go_on() {
    let parameters: Vec<Parameters> = (0..QUESTIONS.len()).map(parameters).collect();
    let engine = load("tiny-a", 8);
    let mut heard = Heard {
        breaks: Some(2),
        ..Heard::default()
    };
    together(&engine, "tiny-a", &parameters, &mut heard);
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
    let mut heard = Heard::default();
    together(&engine, "tiny-a", &parameters, &mut heard);
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
    quantise(&dir("tiny-a"), &file, Mix::Q4KM, Vec::new(), &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    for model in [dir("tiny-a"), file] {
        let engine = Engine::load(&model, &LoadOptions::default()).unwrap();
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
    let conversations = conversations();
    let questions: Vec<Question> = conversations
        .iter()
        .zip(&parameters)
        .map(|(conversation, parameters)| Question {
            conversation,
            parameters,
        })
        .collect();
    let mut session = engine.open_page(&engine.encode_page(&page("tiny-a")).unwrap());
    let (mut heard, mut asked) = (Heard::default(), 0);
    let stopped = engine.answer_together(
        &questions,
        &mut session,
        &mut heard,
        &mut Asked(|| {
            asked += 1;
            if asked > 40 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }),
    );
    assert!(matches!(stopped, Err(EngineError::Cancelled)));
    assert_eq!(asked, 41);
    assert!(heard.ended.len() < QUESTIONS.len());
}
