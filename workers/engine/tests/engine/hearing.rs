//! An audience that remembers what it was told.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use engine::{Answer, Audience, EncodedPage, EngineError, Token};

/// What was heard of one request, by the number of the question.
#[derive(Default)]
pub struct Heard {
    pub encoded: usize,
    pub failed: Option<String>,
    pub tokens: BTreeMap<usize, Vec<u32>>,
    pub ended: BTreeMap<usize, Result<Answer, String>>,
}

type GoesOn = Box<dyn Fn() -> bool + Send>;
type OnToken = Box<dyn Fn(usize, usize) + Send>;

/// Hears one request.
#[derive(Default)]
pub struct Ear {
    pub heard: Arc<Mutex<Heard>>,
    /// Breaks this answer off at its third token.
    pub breaks: Option<usize>,
    pub goes_on: Option<GoesOn>,
    /// Called with the number of the question and how many tokens it has.
    pub on_token: Option<OnToken>,
}

impl Audience for Ear {
    fn goes_on(&self) -> ControlFlow<()> {
        match &self.goes_on {
            Some(goes_on) if !goes_on() => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn encoded(&self, _: &EncodedPage) {
        self.heard.lock().unwrap().encoded += 1;
    }

    fn failed(&self, error: EngineError) {
        let before = self.heard.lock().unwrap().failed.replace(error.to_string());
        assert!(before.is_none());
    }

    fn token(&self, question: usize, token: &Token) -> ControlFlow<()> {
        let mut heard = self.heard.lock().unwrap();
        assert!(!heard.ended.contains_key(&question));
        let tokens = heard.tokens.entry(question).or_default();
        assert_eq!(tokens.len(), token.index);
        tokens.push(token.id);
        let count = tokens.len();
        drop(heard);
        if let Some(on_token) = &self.on_token {
            on_token(question, count);
        }
        if self.breaks == Some(question) && count == 3 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn ended(&self, question: usize, answer: Result<Answer, EngineError>) {
        let answer = answer.map_err(|error| error.to_string());
        let before = self.heard.lock().unwrap().ended.insert(question, answer);
        assert!(before.is_none());
    }
}

/// What was heard, when nothing more will be: the request has let go of its audience.
pub fn taken(heard: Arc<Mutex<Heard>>) -> Heard {
    let heard = Arc::into_inner(heard).expect("the request has ended");
    heard.into_inner().unwrap()
}

/// That two answers have the same bits.
pub fn same(alone: &Answer, together: &Answer) {
    let bits = |answer: &Answer| -> Vec<_> {
        let all = answer.top_logprobs.iter().flatten();
        all.map(|top| (top.id, top.logprob.to_bits())).collect()
    };
    assert_eq!(alone.token_ids, together.token_ids);
    assert_eq!(bits(alone), bits(together));
    assert_eq!(alone.text, together.text);
    assert_eq!(alone.finish_reason, together.finish_reason);
}
