//! The chat template, in ids.
//!
//! `[gMASK]<sop>`, then for every message its role token, a newline and the content, then `<|assistant|>`.
//! The newline and the content are encoded apart, so that they never fuse. Nothing closes a message: the
//! next role token does. The image stands between the header and the content of its message as three ids
//! (begin, one placeholder, end), which the engine replaces by the image's rows.

use crate::tokenizer::Tokenizer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    System,
    User,
    Assistant,
    Observation,
}

impl Role {
    /// The role called `name`, as in a messages file.
    pub fn named(name: &str) -> Option<Role> {
        match name {
            "system" => Some(Role::System),
            "user" => Some(Role::User),
            "assistant" => Some(Role::Assistant),
            "observation" => Some(Role::Observation),
            _ => None,
        }
    }

    fn token(self) -> &'static str {
        match self {
            Role::System => "<|system|>",
            Role::User => "<|user|>",
            Role::Assistant => "<|assistant|>",
            Role::Observation => "<|observation|>",
        }
    }
}

/// One message; `image` says that the conversation's image belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub role: Role,
    pub content: String,
    pub image: bool,
}

/// Why messages are not a conversation that can be answered. Messages count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    #[error("there is no question: give at least one message with content or an image")]
    Empty,
    #[error("the last message must be from `user` or `observation`, so that there is something to answer")]
    NothingToAnswer,
    #[error("message {message} has an image, but only a user message may have one")]
    ImageNotFromUser { message: usize },
    #[error("messages {first} and {second} both have an image; the model takes one image per conversation")]
    SecondImage { first: usize, second: usize },
    #[error("the tokenizer has no special token `{token}`; tokenizer_config.json is not a GLM-4V one")]
    NoSpecialToken { token: &'static str },
}

/// Messages that can be answered: one at least, the last a question, one image at most, in a user message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    messages: Vec<Message>,
}

impl Conversation {
    /// Messages without content and without image are dropped, as the original skips them.
    pub fn new(mut messages: Vec<Message>) -> Result<Conversation, PromptError> {
        let mut first_image = None;
        for (index, message) in messages.iter().enumerate().filter(|(_, message)| message.image) {
            let number = index + 1;
            if message.role != Role::User {
                return Err(PromptError::ImageNotFromUser { message: number });
            }
            if let Some(first) = first_image.replace(number) {
                return Err(PromptError::SecondImage {
                    first,
                    second: number,
                });
            }
        }
        messages.retain(|message| message.image || !message.content.is_empty());
        match messages.last().map(|message| message.role) {
            None => Err(PromptError::Empty),
            Some(Role::User | Role::Observation) => Ok(Conversation { messages }),
            Some(Role::System | Role::Assistant) => Err(PromptError::NothingToAnswer),
        }
    }

    /// One question, about an image or not.
    pub fn question(content: &str, image: bool) -> Result<Conversation, PromptError> {
        Conversation::new(vec![Message {
            role: Role::User,
            content: content.to_owned(),
            image,
        }])
    }

    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub fn has_image(&self) -> bool {
        self.messages.iter().any(|message| message.image)
    }
}

/// What the model reads, before the image's rows replace its three ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub ids: Vec<u32>,
    /// Index of the begin-of-image id; the placeholder and the end-of-image id follow it.
    pub image_at: Option<usize>,
}

/// The ids of a conversation, ending where the answer begins.
pub fn build(conversation: &Conversation, tokenizer: &Tokenizer) -> Result<Prompt, PromptError> {
    let special = |token| {
        tokenizer
            .special(token)
            .ok_or(PromptError::NoSpecialToken { token })
    };
    let mut ids = vec![special("[gMASK]")?, special("<sop>")?];
    let mut image_at = None;
    for message in &conversation.messages {
        ids.push(special(message.role.token())?);
        ids.extend(tokenizer.encode("\n"));
        if message.image {
            image_at = Some(ids.len());
            ids.extend([
                special("<|begin_of_image|>")?,
                special("<|endoftext|>")?,
                special("<|end_of_image|>")?,
            ]);
        }
        ids.extend(tokenizer.encode(&message.content));
    }
    ids.push(special(Role::Assistant.token())?);
    Ok(Prompt { ids, image_at })
}

#[cfg(test)]
mod tests;
