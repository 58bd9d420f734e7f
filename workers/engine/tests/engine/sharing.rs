//! Several questions on one page give the bits that each gives alone.

use std::ops::ControlFlow;

use engine::kv::KvType;
use engine::prompt::{Conversation, Message, Role};
use engine::{Answer, Engine, PageSession, Parameters};

use crate::golden::{dir, engine, engine_keeping, page};

const QUESTIONS: [&str; 4] = [
    "图表显示了什么数据？",
    "金额是多少元？ 100.50",
    "",
    "What is in the image?",
];

fn ask(engine: &Engine, session: &mut PageSession, conversation: &Conversation) -> Answer {
    let parameters = Parameters {
        max_new_tokens: Some(12),
        ignore_eos: true,
        top_logprobs: 5,
        ..Default::default()
    };
    engine
        .answer(conversation, Some(session), &parameters, &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap()
}

/// The answer's log probabilities to the bit.
fn bits(answer: &Answer) -> Vec<(u32, u32)> {
    answer
        .top_logprobs
        .iter()
        .flatten()
        .map(|top| (top.id, top.logprob.to_bits()))
        .collect()
}

fn same(first: &Answer, second: &Answer) {
    assert_eq!(first.token_ids, second.token_ids);
    assert_eq!(bits(first), bits(second));
    assert_eq!(first.text, second.text);
}

#[test]
fn questions_that_share_a_page_are_answered_as_each_is_alone() {
    let kinds = ["tiny-a", "tiny-b"].into_iter();
    for (set, kept) in kinds.flat_map(|set| KvType::ALL.map(|kept| (set, kept))) {
        let engine = engine_keeping(&dir(set), kept);
        let encoded = engine.encode_page(&page(set)).unwrap();
        let mut shared = engine.open_page(&encoded);
        for question in QUESTIONS {
            let conversation = Conversation::question(question, true).unwrap();
            let alone = engine.open_page(&engine.encode_page(&page(set)).unwrap());
            let together = ask(&engine, &mut shared, &conversation);
            same(&together, &ask(&engine, &mut { alone }, &conversation));
            same(&together, &ask(&engine, &mut shared, &conversation));
        }
    }
}

#[test]
fn a_conversation_that_begins_differently_does_not_take_the_remembered_rows() {
    let engine = engine("tiny-a");
    let encoded = engine.encode_page(&page("tiny-a")).unwrap();
    let plain = Conversation::question("描述图片", true).unwrap();
    let message = |role, content: &str, image| Message {
        role,
        content: content.to_owned(),
        image,
    };
    let with_system = Conversation::new(vec![
        message(Role::System, "You read charts.", false),
        message(Role::User, "描述图片", true),
    ])
    .unwrap();
    let mut shared = engine.open_page(&encoded);
    for conversation in [&plain, &with_system, &plain] {
        let alone = ask(&engine, &mut engine.open_page(&encoded), conversation);
        same(&ask(&engine, &mut shared, conversation), &alone);
    }
}

#[test]
fn questions_may_be_asked_from_several_threads_at_once() {
    let engine = engine("tiny-a");
    let encoded = engine.encode_page(&page("tiny-a")).unwrap();
    std::thread::scope(|scope| {
        let asked = QUESTIONS.map(|question| {
            let conversation = Conversation::question(question, true).unwrap();
            let (engine, encoded) = (&engine, &encoded);
            let thread = scope.spawn(move || ask(engine, &mut engine.open_page(encoded), &conversation));
            (question, thread)
        });
        for (question, thread) in asked {
            let conversation = Conversation::question(question, true).unwrap();
            same(
                &thread.join().unwrap(),
                &ask(&engine, &mut engine.open_page(&encoded), &conversation),
            );
        }
    });
}
