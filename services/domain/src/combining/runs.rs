//! How many runs of the model combine what the pages of a document answered, told before they have.

use super::{SHARES, cut_to, room};
use crate::{order::Parameters, question::USUAL_TOKENS};

/// What combining takes for one question about one document, if every page answers as long as it may, in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runs {
    /// Runs without a page: the one that gives the answer about the document, and those for portions of long ones.
    pub jobs: u64,
    /// The most tokens that they read.
    pub most_input: u64,
    /// Whether there are as many of them whatever the pages answer.
    pub is_exact: bool,
}

/// The runs for a document of so many pages, in a context of so many tokens.
pub fn runs(pages: u32, context: u32, question: &str, asked: &Parameters) -> Runs {
    let jobs_only = |jobs| Runs {
        jobs,
        most_input: 0,
        is_exact: true,
    };
    if pages == 0 {
        return jobs_only(0);
    }
    // Without room the job fails before anything is read.
    let Some(room) = room(context, question, asked) else {
        return jobs_only(1);
    };
    let answer = asked.max_new_tokens.unwrap_or(USUAL_TOKENS);
    let around = u64::from(context - answer - room);
    let (_, taken, _) = cut_to(String::new(), answer, room / SHARES);
    let (taken, at_once) = (u64::from(taken), u64::from(room / taken));
    let (mut texts, mut jobs, mut most_input) = (u64::from(pages), 0, 0);
    loop {
        let portions = texts.div_ceil(at_once);
        jobs += portions;
        most_input += portions * around + texts * taken;
        if portions == 1 {
            return Runs {
                jobs,
                most_input,
                is_exact: pages <= SHARES,
            };
        }
        texts = portions;
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Input, portions},
        *,
    };

    /// The runs that portions of answers of the greatest length come to.
    fn of_portions(pages: u32, room: u32, answer: u32) -> u64 {
        let (mut texts, mut jobs) = (pages as usize, 0);
        loop {
            let input = || Input {
                pages: vec![],
                answer: Some(("said".into(), answer)),
            };
            let portions = portions((0..texts).map(|_| input()).collect(), room).len();
            jobs += portions as u64;
            if portions <= 1 {
                return jobs;
            }
            texts = portions;
        }
    }

    fn asked(answer: u32) -> Parameters {
        Parameters {
            max_new_tokens: Some(answer),
            ..Parameters::default()
        }
    }

    #[test]
    fn the_runs_are_those_that_combining_makes_of_the_longest_answers() {
        for (context, answer) in [(512, 4), (512, 40), (8_192, 256), (8_192, 4_000)] {
            let room = room(context, "Who?", &asked(answer)).unwrap();
            for pages in (1..40).chain([100, 500]) {
                let runs = runs(pages, context, "Who?", &asked(answer));
                assert_eq!(
                    runs.jobs,
                    of_portions(pages, room, answer),
                    "{context} {answer} {pages}"
                );
                assert!(!runs.is_exact || runs.jobs == 1, "{context} {answer} {pages}");
                assert!(runs.most_input <= runs.jobs * u64::from(context - answer));
                assert!(runs.most_input > u64::from(pages));
            }
        }
    }

    #[test]
    fn a_document_without_pages_takes_no_run_and_one_without_room_a_job_that_reads_nothing() {
        let none = runs(0, 512, "Who?", &asked(4));
        assert_eq!((none.jobs, none.most_input, none.is_exact), (0, 0, true));
        let without_room = runs(9, 512, &"Who? ".repeat(200), &asked(4));
        assert_eq!(
            (without_room.jobs, without_room.most_input, without_room.is_exact),
            (1, 0, true)
        );
    }
}
