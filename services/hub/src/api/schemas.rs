//! JSON schemas of questions: what no answer could keep to is refused at the door.

use crate::{problem::Problem, work_settings::WorkSettings};
use actix_web::rt::task::spawn_blocking;
use domain::question::Question;
use shapes::{BadShape, Shape};

/// Whether the schemas of all questions can be followed. Problem: 400 `schema_unusable`, with `field`.
pub(crate) async fn check(questions: &[Question], settings: &WorkSettings) -> Result<(), Problem> {
    let most = settings.most_schema_bytes;
    for (place, question) in questions.iter().enumerate() {
        let Some(schema) = question.parameters().schema.clone() else {
            continue;
        };
        // Compiling takes milliseconds, and others wait on this thread.
        let compiled = spawn_blocking(move || Shape::of(&schema, most).map(drop)).await;
        compiled
            .map_err(Problem::internal)?
            .map_err(|bad| unusable(place, &bad))?;
    }
    Ok(())
}

fn unusable(place: usize, bad: &BadShape) -> Problem {
    Problem::bad_request("schema_unusable", bad.to_string())
        .with("field", format!("questions[{place}].parameters.schema"))
}
