use std::path::Path;

use super::*;

/// The smallest vocabulary there can be: every byte, and the special tokens from id 300 on.
fn tokenizer(without: &str) -> Tokenizer {
    let dir = tempfile::tempdir().unwrap();
    crate::tokenizer::fixtures::write_bytes_only(dir.path(), without);
    Tokenizer::load(dir.path()).unwrap()
}

fn message(role: Role, content: &str, image: bool) -> Message {
    Message {
        role,
        content: content.to_owned(),
        image,
    }
}

#[test]
fn a_conversation_becomes_roles_newlines_and_contents() {
    let tokenizer = tokenizer("");
    let id = |content| tokenizer.special(content).unwrap();
    let conversation = Conversation::new(vec![
        message(Role::System, "s", false),
        message(Role::User, "q", true),
        message(Role::Assistant, "\na", false),
        message(Role::User, "", false),
        message(Role::Observation, "<sop>", false),
    ]);
    let prompt = build(&conversation.unwrap(), &tokenizer).unwrap();
    let byte = |text: &str| text.bytes().map(u32::from).collect::<Vec<_>>();
    let expected = [
        vec![id("[gMASK]"), id("<sop>"), id("<|system|>")],
        byte("\ns"),
        vec![
            id("<|user|>"),
            10,
            id("<|begin_of_image|>"),
            id("<|endoftext|>"),
            id("<|end_of_image|>"),
        ],
        byte("q"),
        vec![id("<|assistant|>")],
        byte("\n\na"),
        vec![id("<|observation|>")],
        byte("\n<sop>"),
        vec![id("<|assistant|>")],
    ];
    assert_eq!(
        prompt,
        Prompt {
            ids: expected.concat(),
            image_at: Some(7)
        }
    );
}

#[test]
fn an_image_without_a_word_is_a_question() {
    let prompt = build(&Conversation::question("", true).unwrap(), &tokenizer("")).unwrap();
    assert_eq!(prompt.image_at, Some(4));
    assert_eq!(prompt.ids.len(), 8);
}

#[test]
fn a_conversation_without_a_question_is_refused() {
    let refused = |messages| Conversation::new(messages).unwrap_err();
    assert_eq!(refused(vec![]), PromptError::Empty);
    assert_eq!(refused(vec![message(Role::User, "", false)]), PromptError::Empty);
    assert_eq!(
        refused(vec![message(Role::System, "s", false)]),
        PromptError::NothingToAnswer
    );
    let answered = vec![
        message(Role::User, "q", false),
        message(Role::Assistant, "a", false),
    ];
    assert_eq!(refused(answered.clone()), PromptError::NothingToAnswer);
    let then_nothing = [answered, vec![message(Role::User, "", false)]].concat();
    assert_eq!(refused(then_nothing), PromptError::NothingToAnswer);
}

#[test]
fn a_second_image_and_an_image_of_another_role_are_refused() {
    let two = vec![
        message(Role::User, "a", true),
        message(Role::Assistant, "b", false),
        message(Role::User, "c", true),
    ];
    assert_eq!(
        Conversation::new(two).unwrap_err(),
        PromptError::SecondImage { first: 1, second: 3 }
    );
    let foreign = vec![message(Role::System, "a", true), message(Role::User, "b", false)];
    assert_eq!(
        Conversation::new(foreign).unwrap_err(),
        PromptError::ImageNotFromUser { message: 1 }
    );
}

#[test]
fn a_missing_special_token_is_named() {
    let conversation = Conversation::question("q", true).unwrap();
    let found = build(&conversation, &tokenizer("<|begin_of_image|>"));
    assert_eq!(
        found,
        Err(PromptError::NoSpecialToken {
            token: "<|begin_of_image|>"
        })
    );
    let without_image = Conversation::question("q", false).unwrap();
    assert!(build(&without_image, &tokenizer("<|begin_of_image|>")).is_ok());
}

#[test]
fn every_chat_of_the_real_vocabulary_is_equal() {
    let Some((dir, vectors)) = crate::tokenizer::fixtures::real_vocabulary() else {
        return;
    };
    let tokenizer = Tokenizer::load(Path::new(&dir)).unwrap();
    let chats = vectors["chat"].as_array().unwrap();
    assert!(!chats.is_empty());
    for chat in chats {
        let messages = chat[0].as_array().unwrap().iter().map(|each| Message {
            role: Role::named(each["role"].as_str().unwrap()).unwrap(),
            content: each["content"].as_str().unwrap().to_owned(),
            image: each["image"].as_bool().unwrap_or(false),
        });
        let conversation = Conversation::new(messages.collect()).unwrap();
        let prompt = build(&conversation, &tokenizer).unwrap();
        assert_eq!(serde_json::json!(prompt.ids), chat[1], "{}", chat[0]);
    }
}
