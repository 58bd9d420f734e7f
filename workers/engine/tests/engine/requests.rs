//! What a request may ask, and how it ends.

use std::ops::ControlFlow;

use engine::glm4v::{Asked, Trace};
use engine::prompt::{Conversation, PromptError};
use engine::sampling::Sampling;
use engine::{Answer, Engine, EngineError, FinishReason, Parameters};

use crate::golden::{engine, page};

fn text(question: &str) -> Conversation {
    Conversation::question(question, false).unwrap()
}

fn go_on(_: &engine::Token) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn ask(engine: &Engine, question: &str, parameters: &Parameters) -> Result<Answer, EngineError> {
    engine.answer(&text(question), None, parameters, &mut go_on)
}

#[test]
fn a_request_that_does_not_fit_is_refused_with_the_numbers() {
    let engine = engine("tiny-a");
    let fit = engine
        .check_fit(&Conversation::question("", true).unwrap(), Some(100))
        .unwrap();
    // Two ids to begin with, the header, the image and the answer's role.
    assert_eq!(
        (fit.prompt_tokens, fit.image_tokens, fit.max_new_tokens),
        (2 + 2 + 11 + 1, 11, 100)
    );
    let room = engine.context_length() - fit.prompt_tokens;
    let question = Conversation::question("", true).unwrap();
    assert!(engine.check_fit(&question, Some(room)).is_ok());
    match engine.check_fit(&question, Some(room + 1)).unwrap_err() {
        EngineError::DoesNotFit {
            prompt_tokens: 16,
            image_tokens: 11,
            max_new_tokens,
            context_length: 512,
        } => {
            assert_eq!(max_new_tokens, room + 1);
        }
        other => panic!("{other}"),
    }
    let long = engine
        .check_fit(&text(&"语".repeat(600)), None)
        .unwrap_err()
        .to_string();
    assert!(long.contains("512") && long.contains("does not fit"), "{long}");
    assert!(matches!(
        engine.check_fit(&question, Some(0)),
        Err(EngineError::NothingAsked)
    ));
}

#[test]
fn without_a_number_the_answer_may_have_what_the_context_has_left() {
    let engine = engine("tiny-a");
    let fit = engine.check_fit(&text("hi"), None).unwrap();
    assert_eq!(fit.prompt_tokens + fit.max_new_tokens, engine.context_length());
}

#[test]
fn a_page_and_an_image_belong_together() {
    let engine = engine("tiny-a");
    let with_image = Conversation::question("?", true).unwrap();
    let refused = engine.answer(&with_image, None, &Parameters::default(), &mut go_on);
    assert!(matches!(refused, Err(EngineError::NoPage)));
    let mut session = engine.open_page(&engine.encode_page(&page("tiny-a")).unwrap());
    let refused = engine.answer(&text("?"), Some(&mut session), &Parameters::default(), &mut go_on);
    assert!(matches!(refused, Err(EngineError::NoImage)));
    assert!(matches!(
        Conversation::question("", false),
        Err(PromptError::Empty)
    ));
}

#[test]
fn an_end_id_ends_the_answer_unless_it_is_ignored() {
    // Greedy token 3 of this set is one of its end ids.
    let (engine, expected) = (engine("tiny-b"), crate::golden::Expected::load("tiny-b"));
    let encoded = engine.encode_page(&page("tiny-b")).unwrap();
    let parameters = Parameters {
        max_new_tokens: Some(16),
        top_logprobs: 2,
        ..Default::default()
    };
    let mut session = engine.open_page(&encoded);
    let answer = engine
        .answer(
            &expected.conversation(),
            Some(&mut session),
            &parameters,
            &mut go_on,
        )
        .unwrap();
    let end = expected
        .greedy_ids
        .iter()
        .position(|id| engine.end_ids().contains(id));
    let length = end.unwrap_or(16);
    assert_eq!(answer.token_ids, expected.greedy_ids[..length]);
    assert_eq!(answer.top_logprobs.len(), length);
    assert_eq!(
        answer.finish_reason,
        if end.is_some() {
            FinishReason::Stop
        } else {
            FinishReason::Length
        }
    );
}

#[test]
fn the_observer_sees_every_token_and_may_break_off() {
    let engine = engine("tiny-c");
    let parameters = Parameters {
        max_new_tokens: Some(20),
        ignore_eos: true,
        ..Default::default()
    };
    let whole = ask(&engine, "hello", &parameters).unwrap();
    let mut seen = Vec::new();
    let mut observe = |token: &engine::Token| {
        assert_eq!(token.index, seen.len());
        seen.push(token.id);
        if seen.len() == 5 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let broken = engine
        .answer(&text("hello"), None, &parameters, &mut observe)
        .unwrap();
    assert_eq!(broken.finish_reason, FinishReason::Cancelled);
    assert_eq!(seen, whole.token_ids[..5]);
    assert_eq!(broken.token_ids, seen);
    assert_eq!(
        (whole.finish_reason, whole.token_ids.len()),
        (FinishReason::Length, 20)
    );
}

#[test]
fn the_streamed_text_is_the_answer_s_text() {
    let engine = engine("tiny-c");
    for seed in 0..8 {
        let sampling = Sampling {
            temperature: Some(1.5),
            seed,
            ..Default::default()
        };
        let parameters = Parameters {
            max_new_tokens: Some(30),
            ignore_eos: true,
            sampling,
            ..Default::default()
        };
        let mut streamed = String::new();
        let mut observe = |token: &engine::Token| {
            streamed.push_str(&token.text);
            ControlFlow::Continue(())
        };
        let answer = engine
            .answer(&text("hi"), None, &parameters, &mut observe)
            .unwrap();
        assert!(answer.text.starts_with(&streamed));
        let plain = engine.tokenizer().decode(&answer.token_ids);
        assert_eq!(answer.text, plain.strip_prefix('\n').unwrap_or(&plain));
        assert!(answer.token_ids.iter().all(|&id| engine.tokenizer().is_known(id)));
    }
}

#[test]
fn a_sampled_answer_is_the_same_for_the_same_seed() {
    let engine = engine("tiny-c");
    let sampled = |seed| {
        let sampling = Sampling {
            temperature: Some(1.0),
            top_p: Some(0.9),
            seed,
            ..Default::default()
        };
        let parameters = Parameters {
            max_new_tokens: Some(20),
            ignore_eos: true,
            sampling,
            ..Default::default()
        };
        ask(&engine, "hello world", &parameters).unwrap().token_ids
    };
    assert_eq!(sampled(7), sampled(7));
    assert_ne!(sampled(7), sampled(8));
}

#[test]
fn a_setting_out_of_range_is_refused_before_anything_is_computed() {
    let sampling = Sampling {
        top_p: Some(1.5),
        ..Default::default()
    };
    let refused = ask(
        &engine("tiny-c"),
        "hi",
        &Parameters {
            sampling,
            ..Default::default()
        },
    );
    assert!(matches!(refused, Err(EngineError::Sampling(_))));
}

#[test]
fn an_encoding_can_be_broken_off_between_blocks() {
    let engine = engine("tiny-b");
    let mut heard = Vec::new();
    let mut observe = |progress: engine::Progress| {
        heard.push((progress.blocks_done, progress.blocks));
        if progress.blocks_done == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let broken = engine.encode_page_observed(&page("tiny-b"), &mut observe);
    assert!(matches!(broken, Err(EngineError::Cancelled)));
    assert_eq!(heard, [(1, 3), (2, 3)]);
}

/// Asks how often a computation asks whether to go on, and breaks it off at every one of these places.
fn broken_off_everywhere(mut compute: impl FnMut(&mut dyn Trace) -> Result<(), EngineError>) -> usize {
    let mut places = 0;
    compute(&mut Asked(|| {
        places += 1;
        ControlFlow::Continue(())
    }))
    .unwrap();
    for last in 1..=places {
        let mut asked = 0;
        let broken = compute(&mut Asked(|| {
            asked += 1;
            if asked == last {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }));
        assert!(matches!(broken, Err(EngineError::Cancelled)));
        assert_eq!(asked, last);
    }
    places
}

#[test]
fn an_encoding_can_be_broken_off_inside_of_a_block() {
    let (engine, page) = (engine("tiny-b"), page("tiny-b"));
    let blocks = engine.config().vision.layers;
    let places = broken_off_everywhere(|trace| engine.encode_page_traced(&page, trace).map(|_| ()));
    // At the latest after queries, attention and the two halves of each block.
    assert!(places > 4 * blocks, "{places}");
}

#[test]
fn taking_a_prompt_in_can_be_broken_off_inside_of_a_layer() {
    let engine = engine("tiny-c");
    let (question, parameters) = (
        text("hi"),
        Parameters {
            max_new_tokens: Some(1),
            ..Default::default()
        },
    );
    let mut no_matter = |_: &engine::Token| ControlFlow::Continue(());
    let places = broken_off_everywhere(|trace| {
        let answer = engine.answer_traced(&question, None, &parameters, &mut no_matter, trace);
        answer.map(|_| ())
    });
    assert!(places > 4 * engine.config().layers, "{places}");
}

#[test]
fn taking_a_prompt_in_can_be_broken_off_between_layers() {
    let engine = engine("tiny-c");
    let mut asked = 0;
    let mut once = Asked(|| {
        asked += 1;
        if asked == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let mut no_token = |_: &engine::Token| unreachable!("no token is chosen before the prompt was taken in");
    let (question, parameters) = (text("hi"), Parameters::default());
    let broken = engine.answer_traced(&question, None, &parameters, &mut no_token, &mut once);
    assert!(matches!(broken, Err(EngineError::Cancelled)));
    assert_eq!(asked, 2);
}

#[test]
fn an_answer_can_be_broken_off_between_the_layers_of_a_token() {
    let engine = engine("tiny-c");
    let tokens = std::cell::Cell::new(0);
    let mut count = |_: &engine::Token| {
        tokens.set(tokens.get() + 1);
        ControlFlow::Continue(())
    };
    let mut asked_after = 0;
    let mut stop = Asked(|| {
        asked_after += usize::from(tokens.get() == 3);
        if asked_after == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let parameters = Parameters {
        max_new_tokens: Some(20),
        ignore_eos: true,
        ..Default::default()
    };
    let broken = engine.answer_traced(&text("hello"), None, &parameters, &mut count, &mut stop);
    assert!(matches!(broken, Err(EngineError::Cancelled)));
    assert_eq!((tokens.get(), asked_after), (3, 2));
}

#[test]
fn a_page_without_its_bytes_is_refused() {
    let page = pages::RgbPage {
        width: 10,
        height: 10,
        pixels: vec![0; 299],
    };
    let refused = engine("tiny-a").encode_page(&page).unwrap_err().to_string();
    assert!(
        refused.contains("10 x 10") && refused.contains("299"),
        "{refused}"
    );
}
