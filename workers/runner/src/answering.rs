//! An order at the engine: what it asks, and what becomes of it.

use crate::{
    fault,
    hold::Stop,
    kept_pages::{KeptPages, PageKey},
    parameters,
    seat::Seat,
    telling::Pen,
};
use domain::{
    combining::Texts,
    id::JobId,
    order::{AnswerReport, Fault, FinishReason, Logprob, OrderQuestion, ReportKind, TokenLogprob},
};
use engine::{
    Answer, Audience, EncodedPage, Engine, EngineError, EngineHandle, Page, Question, Request, Token,
    TopLogprob, prompt::Conversation,
};
use pages::Limits;
use std::{ops::ControlFlow, sync::Arc, time::Duration};

/// Name and version, as answers carry it.
const ENGINE: &str = concat!("glmhub-glm4v ", env!("CARGO_PKG_VERSION"));

/// A question that was counted and found to fit.
struct Ready {
    job: JobId,
    conversation: Conversation,
    parameters: engine::Parameters,
    input_tokens: usize,
}

/// Takes each report as soon as there is one.
pub(crate) type Tell = Box<dyn Fn(ReportKind) + Send>;

/// What an order brings to the engine.
pub(crate) struct Sitting<'a> {
    pub engine: &'a EngineHandle,
    pub limits: &'a Limits,
    /// Pages of before, and which one this is.
    pub kept: (Arc<KeptPages>, PageKey),
    pub stop: Arc<Stop>,
    /// Writes answers out while they are being made.
    pub pen: Pen,
    pub tell: Tell,
    pub seat: Seat,
}

impl Sitting<'_> {
    /// Asks the engine all questions on one page: those that cannot be answered are told first, before anything is
    /// computed. What becomes of the others is told as it comes, and nothing of what a stop broke off.
    pub(crate) fn ask(self, page: &[u8], questions: &[OrderQuestion]) {
        let texts = match Texts::read(page).transpose() {
            Ok(texts) => texts,
            Err(error) => {
                let jobs = questions.iter().map(|question| question.job);
                return self.fail(jobs, &fault::lasting("page_unreadable", error));
            }
        };
        let mut ready = Vec::new();
        for question in questions {
            match prepare(self.engine.engine(), question, texts.as_ref()) {
                Ok(one) => ready.push(one),
                Err(fault) => self.fail([question.job], &fault),
            }
        }
        if ready.is_empty() || self.stop.is_set() {
            return;
        }
        let page = match texts {
            Some(_) => Ok(Page::None),
            None => self.page(page),
        };
        match page {
            Ok(page) => self.submit(page, ready),
            Err(fault) => self.fail(ready.iter().map(|one| one.job), &fault),
        }
    }

    /// The page as it was encoded before, or as it is to be.
    fn page(&self, page: &[u8]) -> Result<Page, Fault> {
        let (kept, key) = &self.kept;
        if let Some(encoded) = kept.get(key) {
            return Ok(Page::Encoded(encoded));
        }
        let page = pages::decode(page, self.limits).map_err(|error| fault::of_page(&error))?;
        let pixels = self.engine.engine().pixel_values(&page);
        pixels.map(Page::Pixels).map_err(|error| fault::of_engine(&error))
    }

    fn submit(self, page: Page, ready: Vec<Ready>) {
        let questions = ready.iter().map(Ready::question).collect();
        let hearing = Hearing {
            ready,
            kept: self.kept,
            stop: self.stop,
            pen: self.pen,
            tell: self.tell,
            _seat: self.seat,
        };
        let request = Request {
            page,
            questions,
            audience: Box::new(hearing),
        };
        if let Err(error) = self.engine.submit(request) {
            tracing::error!(%error, "an order could not be worked at");
        }
    }

    fn fail(&self, jobs: impl IntoIterator<Item = JobId>, fault: &Fault) {
        for job in jobs {
            (self.tell)(failed(job, fault.clone()));
        }
    }
}

fn failed(job: JobId, fault: Fault) -> ReportKind {
    ReportKind::Failed { job, fault }
}

/// Hears on the engine's thread what becomes of the questions, and never holds it up.
struct Hearing {
    ready: Vec<Ready>,
    kept: (Arc<KeptPages>, PageKey),
    stop: Arc<Stop>,
    pen: Pen,
    tell: Tell,
    _seat: Seat,
}

impl Audience for Hearing {
    fn goes_on(&self) -> ControlFlow<()> {
        if self.stop.is_set() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn found(&self) -> Option<EncodedPage> {
        let (kept, key) = &self.kept;
        kept.again(key)
    }

    fn encoded(&self, page: &EncodedPage) {
        took("tower", page.took);
        let (kept, key) = &self.kept;
        kept.keep(key.clone(), page.clone());
    }

    fn failed(&self, error: EngineError) {
        let fault = fault::of_engine(&error);
        for one in &self.ready {
            (self.tell)(failed(one.job, fault.clone()));
        }
    }

    fn token(&self, question: usize, token: &Token) -> ControlFlow<()> {
        self.pen.add(self.ready[question].job, &token.text);
        self.goes_on()
    }

    fn ended(&self, question: usize, answer: Result<Answer, EngineError>) {
        let Ready {
            job, input_tokens, ..
        } = self.ready[question];
        self.pen.end(job);
        let told = match answer {
            Ok(answer) if self.is_off_schema(question, &answer) => Some(failed(job, fault::off_schema())),
            Ok(answer) => {
                let report = report_of(answer, input_tokens);
                report.map(|answer| ReportKind::Answered { job, answer })
            }
            Err(error) => Some(failed(job, fault::of_engine(&error))),
        };
        if let Some(told) = told {
            (self.tell)(told);
        }
    }
}

impl Hearing {
    /// Whether a whole answer does not keep to its question's schema.
    fn is_off_schema(&self, question: usize, answer: &Answer) -> bool {
        let shape = self.ready[question].parameters.shape.as_deref();
        answer.finish_reason == engine::FinishReason::Stop
            && shape.is_some_and(|shape| !shape.fits(&answer.text))
    }
}

impl Ready {
    fn question(&self) -> Question {
        Question {
            conversation: self.conversation.clone(),
            parameters: self.parameters.clone(),
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
    use engine::{EngineThread, LoadOptions, Schedule};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_stop_ends_the_sitting_at_the_next_token_and_tells_no_half_answer() {
        let bench = Bench::new().await;
        let engine = Engine::load(&golden(), &LoadOptions::default()).unwrap();
        let thread = EngineThread::start(engine, Schedule::default()).unwrap();
        let page = std::fs::read(golden().join("input.png")).unwrap();
        let (stop, told) = (Arc::new(Stop::default()), Arc::new(AtomicUsize::new(0)));
        let kept = Arc::new(KeptPages::new(u64::MAX));
        let key = PageKey::of(&bench.grant(&[]));
        let sit_down = |questions| {
            let (stops, counts) = (stop.clone(), told.clone());
            let sitting = Sitting {
                engine: thread.handle(),
                limits: &Limits::default(),
                kept: (kept.clone(), key.clone()),
                stop: stop.clone(),
                pen: Pen::take().0,
                tell: Box::new(move |_| {
                    counts.fetch_add(1, Ordering::Relaxed);
                    stops.set(StopReason::Withdrawn);
                }),
                seat: Seat::take(),
            };
            sitting.ask(&page, &bench.long_questions(questions));
        };
        sit_down(3);
        // All of it is asked behind the first.
        sit_down(1);
        thread.end();
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
}
