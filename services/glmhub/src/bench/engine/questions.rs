//! Several questions on one page: how much sooner they have their answers together than one after another, where each of
//! those sends the page through the tower and takes its rows in anew.

use super::asked::{Watch, question, send};
use super::page;
use crate::bench::figures::median;
use engine::{Engine, Page, PixelValues, Request, Schedule, Scheduler, Timings};
use serde::Serialize;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

/// What is measured.
pub(super) struct Questions {
    pub questions: usize,
    pub tokens: usize,
    pub rounds: usize,
    pub schedule: Schedule,
}

/// What was measured, in seconds.
#[derive(Serialize)]
pub(super) struct Measured {
    layers: usize,
    tower_blocks: usize,
    questions: usize,
    tokens_of_each: usize,
    rounds: Vec<Round>,
}

/// Both sides of one round.
#[derive(Serialize)]
struct Round {
    /// All questions one after another, each on a page that nobody has read.
    apart: f64,
    /// All at once on one such page.
    together: f64,
    gain: f64,
    /// How much sooner what comes after the tower is done together: the page is known.
    gain_after_tower: f64,
    /// Of all questions one after another.
    tower: f64,
    prefill: f64,
    decode: f64,
    /// Of all at once.
    tower_together: f64,
}

impl Questions {
    /// Sides take turns in who begins.
    pub(super) fn measure(&self, engine: &Engine) -> anyhow::Result<Measured> {
        let pixels = engine.pixel_values(&page(0))?;
        let mut rounds = Vec::new();
        for round in 0..self.rounds {
            let (apart, together) = if round.is_multiple_of(2) {
                let apart = self.one_by_one(engine, &pixels)?;
                (apart, self.ask(engine, &pixels, 0..self.questions)?)
            } else {
                let together = self.ask(engine, &pixels, 0..self.questions)?;
                (self.one_by_one(engine, &pixels)?, together)
            };
            rounds.push(Round::of(&apart, &together));
        }
        Ok(Measured {
            layers: engine.config().layers,
            tower_blocks: engine.config().vision.layers,
            questions: self.questions,
            tokens_of_each: self.tokens,
            rounds,
        })
    }

    fn one_by_one(&self, engine: &Engine, pixels: &PixelValues) -> anyhow::Result<Asked> {
        let mut all = Asked::default();
        for number in 0..self.questions {
            all.add(self.ask(engine, pixels, number..number + 1)?);
        }
        Ok(all)
    }

    /// Asks questions on a page that nobody has read, all at once.
    fn ask(
        &self,
        engine: &Engine,
        pixels: &PixelValues,
        numbers: std::ops::Range<usize>,
    ) -> anyhow::Result<Asked> {
        let (mut scheduler, requests) = Scheduler::new(engine, self.schedule);
        let (watch, answers) = (Arc::<Watch>::default(), numbers.len());
        let questions =
            numbers.map(|number| question(&format!("What is the amount of item {number}?"), self.tokens));
        let request = Request {
            page: Page::Pixels(pixels.clone()),
            questions: questions.collect::<Result<_, _>>()?,
            audience: watch.audience(),
        };
        let began = Instant::now();
        send(&requests, request)?;
        drop(requests);
        scheduler.work();
        let took = began.elapsed();
        Ok(Asked {
            took,
            tower: watch.read(),
            answers: watch.check(answers, self.tokens)?,
        })
    }
}

/// What one side took.
#[derive(Default)]
struct Asked {
    took: Duration,
    tower: Duration,
    answers: Vec<Timings>,
}

impl Asked {
    fn add(&mut self, other: Self) {
        self.took += other.took;
        self.tower += other.tower;
        self.answers.extend(other.answers);
    }

    fn after_tower(&self) -> f64 {
        (self.took - self.tower).as_secs_f64()
    }
}

impl Round {
    fn of(apart: &Asked, together: &Asked) -> Self {
        let sum =
            |part: fn(&Timings) -> Duration| apart.answers.iter().map(part).sum::<Duration>().as_secs_f64();
        Self {
            apart: apart.took.as_secs_f64(),
            together: together.took.as_secs_f64(),
            gain: apart.took.as_secs_f64() / together.took.as_secs_f64(),
            gain_after_tower: apart.after_tower() / together.after_tower(),
            tower: apart.tower.as_secs_f64(),
            prefill: sum(|timings| timings.prefill),
            decode: sum(|timings| timings.decode),
            tower_together: together.tower.as_secs_f64(),
        }
    }
}

impl Measured {
    pub(super) fn write(&self, to: &mut impl io::Write) -> io::Result<()> {
        let of = |value: fn(&Round) -> f64| -> Vec<f64> { self.rounds.iter().map(value).collect() };
        let middle = |value: fn(&Round) -> f64| median(of(value));
        writeln!(
            to,
            "model     {} layers, {} tower blocks",
            self.layers, self.tower_blocks
        )?;
        writeln!(
            to,
            "questions {} of {} tokens on a page that nobody has read: {:.1} s one after another, {:.1} s together: {:.2} times \
             (rounds: {:.2?})",
            self.questions,
            self.tokens_of_each,
            middle(|round| round.apart),
            middle(|round| round.together),
            middle(|round| round.gain),
            of(|round| round.gain)
        )?;
        writeln!(
            to,
            "          on a page that is known, without the tower's part of both: {:.2} times (rounds: {:.2?})",
            middle(|round| round.gain_after_tower),
            of(|round| round.gain_after_tower)
        )?;
        let share = |part: f64| part / middle(|round| round.apart) * 100.0;
        let (tower, prefill, decode) = (
            middle(|round| round.tower),
            middle(|round| round.prefill),
            middle(|round| round.decode),
        );
        writeln!(
            to,
            "apart     tower {tower:.1} s ({:.0} %), prefill {prefill:.1} s ({:.0} %), answers {decode:.1} s ({:.0} %)",
            share(tower),
            share(prefill),
            share(decode)
        )?;
        let (together, tower) = (
            middle(|round| round.together),
            middle(|round| round.tower_together),
        );
        writeln!(
            to,
            "together  tower {tower:.1} s ({:.0} %), prefill and answers {:.1} s",
            tower / together * 100.0,
            together - tower
        )
    }
}
