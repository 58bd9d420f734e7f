//! The engine's side of an order: everything here blocks its thread and computes.

use crate::{
    fault,
    hold::Stop,
    kept_pages::{KeptPages, PageKey},
    parameters,
    telling::Pen,
};
use domain::{
    combining::Texts,
    id::JobId,
    order::{AnswerReport, Fault, FinishReason, Logprob, OrderQuestion, ReportKind, TokenLogprob},
};
use engine::{
    Answer, Audience, EncodedPage, Engine, EngineError, Question, Token, TopLogprob, glm4v::Asked,
    prompt::Conversation,
};
use pages::Limits;
use std::{ops::ControlFlow, time::Duration};

/// Name and version, as answers carry it.
const ENGINE: &str = concat!("glmhub-glm4v ", env!("CARGO_PKG_VERSION"));

/// A question that was counted and found to fit.
struct Ready {
    job: JobId,
    conversation: Conversation,
    parameters: engine::Parameters,
    input_tokens: usize,
}

/// What the engine's thread needs.
pub(crate) struct Sitting<'a> {
    pub engine: &'a Engine,
    pub limits: &'a Limits,
    /// Pages of before, and which one this is.
    pub kept: (&'a KeptPages, PageKey),
    pub stop: &'a Stop,
    /// Writes answers out while they are being made.
    pub pen: &'a Pen,
    /// Takes each report as soon as there is one; a break ends the sitting.
    pub tell: &'a mut dyn FnMut(ReportKind) -> ControlFlow<()>,
}

impl Sitting<'_> {
    /// Answers all questions on one page: those that cannot be answered are told first, before anything is
    /// computed; the page is encoded once, the others are answered together, and each answer is told when it is ready. A
    /// stop ends it between two tokens or two parts of a layer, and nothing is told of what was broken off.
    pub(crate) fn hold(&mut self, page: &[u8], questions: &[OrderQuestion]) -> ControlFlow<()> {
        let texts = match Texts::read(page).transpose() {
            Ok(texts) => texts,
            Err(error) => {
                let fault = fault::lasting("page_unreadable", error);
                return questions
                    .iter()
                    .try_for_each(|question| self.fails(question.job, fault.clone()));
            }
        };
        let mut ready = Vec::new();
        for question in questions {
            match prepare(self.engine, question, texts.as_ref()) {
                Ok(one) => ready.push(one),
                Err(fault) => self.fails(question.job, fault)?,
            }
        }
        if ready.is_empty() {
            return ControlFlow::Continue(());
        }
        if texts.is_some() {
            return self.answer_texts(&ready);
        }
        match self.encode(page) {
            Some(Ok(encoded)) => self.answer_all(&encoded, &ready),
            Some(Err(fault)) => ready
                .iter()
                .try_for_each(|one| self.fails(one.job, fault.clone())),
            None => ControlFlow::Break(()),
        }
    }

    /// The page's rows, or nothing if it was stopped.
    fn encode(&self, page: &[u8]) -> Option<Result<EncodedPage, Fault>> {
        if self.stop.is_set() {
            return None;
        }
        let (kept, key) = &self.kept;
        if let Some(encoded) = kept.get(key) {
            return Some(Ok(encoded));
        }
        let page = match pages::decode(page, self.limits) {
            Ok(page) => page,
            Err(error) => return Some(Err(fault::of_page(&error))),
        };
        match self
            .engine
            .encode_page_traced(&page, &mut Asked(|| goes_on(self.stop)))
        {
            Ok(encoded) => {
                took("tower", encoded.took);
                kept.keep(key.clone(), encoded.clone());
                Some(Ok(encoded))
            }
            Err(EngineError::Cancelled) => None,
            Err(error) => Some(Err(fault::of_engine(&error))),
        }
    }

    /// All questions together; a stop breaks them off.
    fn answer_all(&mut self, page: &EncodedPage, ready: &[Ready]) -> ControlFlow<()> {
        let (engine, stop) = (self.engine, self.stop);
        let mut session = engine.open_page(page);
        let questions: Vec<Question> = ready.iter().map(Ready::question).collect();
        let mut answering = Answering {
            open: ready.iter().map(|one| one.job).collect(),
            sitting: self,
            ready,
        };
        let mut asked = Asked(|| goes_on(stop));
        match engine.answer_together(&questions, &mut session, &mut answering, &mut asked) {
            Ok(()) => ControlFlow::Continue(()),
            Err(EngineError::Cancelled) => ControlFlow::Break(()),
            Err(error) => {
                let fault = fault::of_engine(&error);
                let Answering { sitting, open, .. } = answering;
                open.into_iter()
                    .try_for_each(|job| sitting.fails(job, fault.clone()))
            }
        }
    }

    /// Questions about texts, without a picture, one after the other.
    fn answer_texts(&mut self, ready: &[Ready]) -> ControlFlow<()> {
        let (engine, stop) = (self.engine, self.stop);
        let mut answering = Answering {
            open: Vec::new(),
            sitting: self,
            ready,
        };
        for (place, one) in ready.iter().enumerate() {
            let answer = engine.answer_traced(
                &one.conversation,
                None,
                &one.parameters,
                &mut |token| answering.token(place, token),
                &mut Asked(|| goes_on(stop)),
            );
            match answer {
                Err(EngineError::Cancelled) => return ControlFlow::Break(()),
                answer => answering.ended(place, answer)?,
            }
        }
        ControlFlow::Continue(())
    }

    fn fails(&mut self, job: JobId, fault: Fault) -> ControlFlow<()> {
        (self.tell)(ReportKind::Failed { job, fault })
    }
}

fn goes_on(stop: &Stop) -> ControlFlow<()> {
    if stop.is_set() {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// Hears what becomes of the questions.
struct Answering<'a, 'b> {
    sitting: &'a mut Sitting<'b>,
    ready: &'a [Ready],
    /// Jobs of which nothing was told.
    open: Vec<JobId>,
}

impl Audience for Answering<'_, '_> {
    fn token(&mut self, question: usize, token: &Token) -> ControlFlow<()> {
        self.sitting.pen.add(self.ready[question].job, &token.text);
        goes_on(self.sitting.stop)
    }

    fn ended(&mut self, question: usize, answer: Result<Answer, EngineError>) -> ControlFlow<()> {
        let Ready {
            job, input_tokens, ..
        } = self.ready[question];
        self.sitting.pen.end(job);
        let told = match answer {
            Ok(answer) if self.is_off_schema(question, &answer) => {
                self.sitting.fails(job, fault::off_schema())
            }
            Ok(answer) => match report_of(answer, input_tokens) {
                Some(answer) => (self.sitting.tell)(ReportKind::Answered { job, answer }),
                None => return ControlFlow::Break(()),
            },
            Err(error) => self.sitting.fails(job, fault::of_engine(&error)),
        };
        self.open.retain(|&open| open != job);
        told
    }
}

impl Answering<'_, '_> {
    /// Whether a whole answer does not keep to its question's schema.
    fn is_off_schema(&self, question: usize, answer: &Answer) -> bool {
        let shape = self.ready[question].parameters.shape.as_deref();
        answer.finish_reason == engine::FinishReason::Stop
            && shape.is_some_and(|shape| !shape.fits(&answer.text))
    }
}

impl Ready {
    fn question(&self) -> Question<'_> {
        Question {
            conversation: &self.conversation,
            parameters: &self.parameters,
        }
    }
}

fn prepare(engine: &Engine, question: &OrderQuestion, texts: Option<&Texts>) -> Result<Ready, Fault> {
    let parameters = parameters::for_engine(&question.parameters)?;
    let conversation = match texts {
        Some(texts) => Conversation::question(&texts.ask(&question.text), false),
        None => Conversation::question(&question.text, true),
    };
    let conversation = conversation.map_err(|error| fault::of_engine(&error.into()))?;
    let fit = engine.check_fit(&conversation, parameters.max_new_tokens);
    let input_tokens = fit.map_err(|error| fault::of_engine(&error))?.prompt_tokens;
    Ok(Ready {
        job: question.job,
        conversation,
        parameters,
        input_tokens,
    })
}

/// The answer as it is reported; nothing for one that was broken off.
fn report_of(answer: Answer, input_tokens: usize) -> Option<AnswerReport> {
    let finish_reason = match answer.finish_reason {
        engine::FinishReason::Stop => FinishReason::Stop,
        engine::FinishReason::Length => FinishReason::Length,
        engine::FinishReason::Cancelled => return None,
    };
    let (prefill, decode) = (answer.timings.prefill, answer.timings.decode);
    took("prefill", prefill);
    took("decode", decode);
    Some(AnswerReport {
        text: answer.text.clone(),
        finish_reason,
        input_tokens: input_tokens as u32,
        output_tokens: answer.token_ids.len() as u32,
        compute_ms: (prefill + decode).as_millis() as u64,
        engine: ENGINE.to_owned(),
        logprobs: logprobs_of(&answer),
    })
}

/// The tokens of the text, if they were asked for.
fn logprobs_of(answer: &Answer) -> Option<Vec<TokenLogprob>> {
    let told = |one: &TopLogprob| Logprob {
        token: one.token.clone(),
        logprob: one.logprob.max(Logprob::LEAST),
        bytes: one.bytes.clone(),
    };
    let places = answer.text_tokens.clone();
    let chosen = answer
        .logprobs
        .get(places.clone())
        .filter(|_| !answer.logprobs.is_empty())?;
    let likely = |place: usize| {
        answer
            .top_logprobs
            .get(place)
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let tokens = chosen.iter().zip(places).map(|(chosen, place)| TokenLogprob {
        chosen: told(chosen),
        top_logprobs: likely(place).iter().map(told).collect(),
    });
    Some(tokens.collect())
}

fn took(stage: &'static str, duration: Duration) {
    metrics::histogram!("glmhub_engine_seconds", "stage" => stage).record(duration.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{Bench, golden},
        hold::StopReason,
    };
    use engine::LoadOptions;

    #[tokio::test]
    async fn a_stop_ends_the_sitting_at_the_next_token_and_tells_no_half_answer() {
        let bench = Bench::new().await;
        let engine = Engine::load(&golden(), &LoadOptions::default()).unwrap();
        let page = std::fs::read(golden().join("input.png")).unwrap();
        let (stop, limits, mut told) = (Stop::default(), Limits::default(), 0);
        let mut tell = |_| {
            told += 1;
            stop.set(StopReason::Withdrawn);
            ControlFlow::Continue(())
        };
        let (kept, key) = (KeptPages::new(u64::MAX), PageKey::of(&bench.grant(&[])));
        let mut sitting = Sitting {
            engine: &engine,
            limits: &limits,
            kept: (&kept, key),
            stop: &stop,
            pen: &Pen::take().0,
            tell: &mut tell,
        };
        assert!(sitting.hold(&page, &bench.long_questions(3)).is_break());
        // Stopped already: not even the page is encoded.
        assert!(sitting.hold(&page, &bench.long_questions(1)).is_break());
        assert_eq!(told, 1);
    }
}
