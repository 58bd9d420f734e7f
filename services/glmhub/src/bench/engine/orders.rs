//! Several orders at once: how much more is answered than one after another, and what reading a page costs those that are
//! being answered meanwhile.

use super::asked::{Watch, question, send};
use super::page;
use crate::bench::figures::{Figures, median};
use anyhow::Context as _;
use engine::{Answer, Audience, EncodedPage, Engine, EngineError, Page, Request, Schedule, Scheduler, Token};
use serde::Serialize;
use std::{
    io,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError, mpsc::Sender},
    time::{Duration, Instant},
};

/// Tokens of an answer before a page comes: what a token takes when nobody reads.
const QUIET: usize = 30;

/// What is measured.
pub(super) struct Orders {
    pub orders: usize,
    pub tokens: usize,
    pub rounds: usize,
    pub schedule: Schedule,
}

/// What was measured; times in milliseconds.
#[derive(Serialize)]
pub(super) struct Measured {
    orders: usize,
    tokens_of_each: usize,
    /// Of each round, how much faster all were answered together.
    gains: Vec<f64>,
    one_after_another_tokens_a_second: f64,
    together_tokens_a_second: f64,
    page_share: f64,
    page_alone_ms: f64,
    page_beside_an_answer_ms: f64,
    /// Between two tokens of an answer while nobody reads a page, and while somebody does.
    quiet: Figures,
    reading: Figures,
}

impl Orders {
    pub(super) fn measure(&self, engine: &Engine) -> anyhow::Result<Measured> {
        let alone = engine.encode_page(&page(0))?;
        let pages = (1..self.orders as u32).map(|number| engine.encode_page(&page(number)));
        let pages: Vec<EncodedPage> = std::iter::once(Ok(alone.clone()))
            .chain(pages)
            .collect::<Result<_, _>>()?;
        let (mut apart, mut together) = (Duration::ZERO, Duration::ZERO);
        let mut gains = Vec::new();
        for _ in 0..self.rounds {
            let mut one_by_one = Duration::ZERO;
            for page in &pages {
                one_by_one += self.answer(engine, std::slice::from_ref(page))?;
            }
            let at_once = self.answer(engine, &pages)?;
            gains.push(one_by_one.as_secs_f64() / at_once.as_secs_f64());
            (apart, together) = (apart + one_by_one, together + at_once);
        }
        let tokens = (self.rounds * self.orders * self.tokens) as f64;
        let (quiet, reading, read) = self.gaps(engine, &alone)?;
        Ok(Measured {
            orders: self.orders,
            tokens_of_each: self.tokens,
            gains,
            one_after_another_tokens_a_second: tokens / apart.as_secs_f64(),
            together_tokens_a_second: tokens / together.as_secs_f64(),
            page_share: self.schedule.page_share,
            page_alone_ms: alone.took.as_secs_f64() * 1e3,
            page_beside_an_answer_ms: read.as_secs_f64() * 1e3,
            quiet: Figures::of(quiet),
            reading: Figures::of(reading),
        })
    }

    /// What it takes to answer a question on each of `pages`, all asked at once.
    fn answer(&self, engine: &Engine, pages: &[EncodedPage]) -> anyhow::Result<Duration> {
        let (mut scheduler, requests) = Scheduler::new(engine, self.schedule);
        let began = Instant::now();
        let watches: Vec<Arc<Watch>> = pages.iter().map(|_| Arc::default()).collect();
        for (page, watch) in pages.iter().zip(&watches) {
            let page = Page::Encoded(page.clone());
            send(&requests, request(page, self.tokens, watch.audience())?)?;
        }
        drop(requests);
        scheduler.work();
        let took = began.elapsed();
        for watch in watches {
            watch.check(1, self.tokens)?;
        }
        Ok(took)
    }

    /// The times between tokens of an answer, before a page comes and while it is read up to its first token, and what the
    /// tower took meanwhile.
    fn gaps(
        &self,
        engine: &Engine,
        there: &EncodedPage,
    ) -> anyhow::Result<(Vec<Duration>, Vec<Duration>, Duration)> {
        let (mut scheduler, requests) = Scheduler::new(engine, self.schedule);
        let coming = Arc::new(Watch::default());
        let comes = Page::Pixels(engine.pixel_values(&page(self.orders as u32))?);
        let comes = request(comes, 1, coming.audience())?;
        let writing = Writing {
            coming: coming.clone(),
            written: Arc::default(),
            comes: Mutex::new(Some((requests.clone(), comes))),
        };
        let written = writing.written.clone();
        let most = engine.context_length() - engine.image_tokens() - 100;
        send(
            &requests,
            request(Page::Encoded(there.clone()), most, Box::new(writing))?,
        )?;
        drop(requests);
        scheduler.work();
        coming.check(1, 1)?;
        let written = written.lock().unwrap_or_else(PoisonError::into_inner);
        let gaps: Vec<Duration> = written.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (quiet, reading) = gaps
            .split_at_checked(QUIET - 1)
            .context("the answer was too short")?;
        // The first gaps are those of the answer's beginning.
        Ok((quiet[2..].to_vec(), reading.to_vec(), coming.read()))
    }
}

fn request(page: Page, tokens: usize, audience: Box<dyn Audience + Send>) -> anyhow::Result<Request> {
    Ok(Request {
        page,
        questions: vec![question("What is the total amount?", tokens)?],
        audience,
    })
}

/// An answer that goes on until the page that comes has been read.
struct Writing {
    coming: Arc<Watch>,
    written: Arc<Mutex<Vec<Instant>>>,
    comes: Mutex<Option<(Sender<Request>, Request)>>,
}

impl Audience for Writing {
    fn goes_on(&self) -> ControlFlow<()> {
        match self.coming.is_over() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn failed(&self, error: EngineError) {
        self.coming.failed(&error);
    }

    fn token(&self, _: usize, token: &Token) -> ControlFlow<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.push(Instant::now());
        if token.index + 1 >= QUIET
            && let Some((requests, comes)) = self.comes.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            // The scheduler listens for as long as it tells of tokens.
            let _ = requests.send(comes);
        }
        ControlFlow::Continue(())
    }

    fn ended(&self, _: usize, _: Result<Answer, EngineError>) {}
}

impl Measured {
    pub(super) fn write(&self, to: &mut impl io::Write) -> io::Result<()> {
        writeln!(
            to,
            "orders   {} of {} tokens: {:.2} a second one after another, {:.2} together: {:.2} times (rounds: {:.2?})",
            self.orders,
            self.tokens_of_each,
            self.one_after_another_tokens_a_second,
            self.together_tokens_a_second,
            median(self.gains.clone()),
            self.gains
        )?;
        writeln!(
            to,
            "page     {:.0} ms alone, {:.0} ms beside an answer, at a share of {}",
            self.page_alone_ms, self.page_beside_an_answer_ms, self.page_share
        )?;
        let line = |figures: &Figures| {
            format!(
                "p50 {} ms, p99 {} ms, most {} ms",
                figures.p50, figures.p99, figures.max
            )
        };
        writeln!(to, "tokens   {} apart", line(&self.quiet))?;
        writeln!(
            to,
            "         {} apart while a page is read: p99 is {:.2} times their median, {:.2} times the quiet one",
            line(&self.reading),
            self.reading.p99 / self.reading.p50,
            self.reading.p99 / self.quiet.p50
        )
    }
}
