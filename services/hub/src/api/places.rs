//! Places of questions in their batch's list: which of them a document is asked.

use crate::problem::Problem;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Places as a query gives them, `0,2`, or as a list.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) enum Places {
    Text(String),
    List(Vec<u32>),
}

impl From<String> for Places {
    fn from(text: String) -> Self {
        Places::Text(text)
    }
}

impl From<Vec<u32>> for Places {
    fn from(list: Vec<u32>) -> Self {
        Places::List(list)
    }
}

impl Places {
    /// Each place once. Problem: 400 `question_unknown`.
    pub(super) fn checked(self) -> Result<Vec<u32>, Problem> {
        let places: Result<BTreeSet<u32>, _> = match self {
            Places::Text(text) => text.split(',').map(|place| place.trim().parse()).collect(),
            Places::List(list) => Ok(list.into_iter().collect()),
        };
        let places = places.ok().filter(|places| !places.is_empty()).ok_or_else(|| {
            unknown_question(
                "`questions` are places in the batch's list, counted from 0, such as 0,2".to_owned(),
            )
        })?;
        Ok(places.into_iter().collect())
    }

    /// The same in a batch of so many questions.
    pub(super) fn within(self, questions: usize) -> Result<Vec<u32>, Problem> {
        let places = self.checked()?;
        match places.iter().find(|place| **place as usize >= questions) {
            None => Ok(places),
            Some(place) => Err(unknown_question(format!(
                "there is no question at place {place}: the batch has {questions}, counted from 0"
            ))),
        }
    }
}

/// The 400 for places at which there are no questions.
pub(super) fn unknown_question(detail: String) -> Problem {
    Problem::bad_request("question_unknown", detail).with("field", "questions")
}
