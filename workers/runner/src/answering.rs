//! The engine's side of an order: everything here blocks its thread and computes.

use crate::{fault, hold::Stop, parameters, telling::Pen};
use domain::{
    id::JobId,
    order::{AnswerReport, Fault, FinishReason, OrderQuestion, ReportKind},
};
use engine::{
    Answer, EncodedPage, Engine, EngineError, PageSession, Token, glm4v::Asked, prompt::Conversation,
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
    pub stop: &'a Stop,
    /// Writes answers out while they are being made.
    pub pen: &'a Pen,
    /// Takes each report as soon as there is one; a break ends the sitting.
    pub tell: &'a mut dyn FnMut(ReportKind) -> ControlFlow<()>,
}

impl Sitting<'_> {
    /// Answers all questions on one page: those that cannot be answered are told first, before anything is
    /// computed; the page is encoded once; each answer is told when it is ready. A stop ends it between two
    /// tokens or two parts of a layer, and nothing is told of what was broken off.
    pub(crate) fn hold(&mut self, page: &[u8], questions: &[OrderQuestion]) -> ControlFlow<()> {
        let mut ready = Vec::new();
        for question in questions {
            match prepare(self.engine, question) {
                Ok(one) => ready.push(one),
                Err(fault) => self.fails(question.job, fault)?,
            }
        }
        if ready.is_empty() {
            return ControlFlow::Continue(());
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
        let page = match pages::decode(page, self.limits) {
            Ok(page) => page,
            Err(error) => return Some(Err(fault::of_page(&error))),
        };
        match self
            .engine
            .encode_page_traced(&page, &mut Asked(|| self.goes_on()))
        {
            Ok(encoded) => {
                took("tower", encoded.took);
                Some(Ok(encoded))
            }
            Err(EngineError::Cancelled) => None,
            Err(error) => Some(Err(fault::of_engine(&error))),
        }
    }

    fn answer_all(&mut self, page: &EncodedPage, ready: &[Ready]) -> ControlFlow<()> {
        let mut session = self.engine.open_page(page);
        for one in ready {
            match self.answer(one, &mut session) {
                Some(Ok(answer)) => (self.tell)(ReportKind::Answered { job: one.job, answer })?,
                Some(Err(fault)) => self.fails(one.job, fault)?,
                None => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }

    /// One answer, or nothing if it was stopped.
    fn answer(&self, one: &Ready, session: &mut PageSession) -> Option<Result<AnswerReport, Fault>> {
        let Ready {
            conversation,
            parameters,
            ..
        } = one;
        self.pen.begin(one.job);
        let mut observe = |token: &Token| {
            self.pen.add(&token.text);
            self.goes_on()
        };
        let answered = self.engine.answer_traced(
            conversation,
            Some(session),
            parameters,
            &mut observe,
            &mut Asked(|| self.goes_on()),
        );
        match answered {
            Ok(answer) => report_of(answer, one.input_tokens).map(Ok),
            Err(EngineError::Cancelled) => None,
            Err(error) => Some(Err(fault::of_engine(&error))),
        }
    }

    fn fails(&mut self, job: JobId, fault: Fault) -> ControlFlow<()> {
        (self.tell)(ReportKind::Failed { job, fault })
    }

    fn goes_on(&self) -> ControlFlow<()> {
        if self.stop.is_set() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn prepare(engine: &Engine, question: &OrderQuestion) -> Result<Ready, Fault> {
    let parameters = parameters::for_engine(&question.parameters)?;
    let conversation =
        Conversation::question(&question.text, true).map_err(|error| fault::of_engine(&error.into()))?;
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
        text: answer.text,
        finish_reason,
        input_tokens: input_tokens as u32,
        output_tokens: answer.token_ids.len() as u32,
        compute_ms: (prefill + decode).as_millis() as u64,
        engine: ENGINE.to_owned(),
    })
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
        let mut sitting = Sitting {
            engine: &engine,
            limits: &limits,
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
