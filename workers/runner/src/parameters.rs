//! From the parameters of an order to those of the engine.

use crate::fault;
use domain::order::{Fault, Parameters};
use engine::sampling::Sampling;
use serde_json::Value;
use shapes::Shape;
use std::sync::Arc;

/// The engine's parameters, or the fault `parameters_invalid` that names the field.
///
/// The hub has checked them; the worker checks again, because the ranges belong to what a worker promises.
pub(crate) fn for_engine(given: &Parameters) -> Result<engine::Parameters, Fault> {
    within("temperature", given.temperature, 0.0, 5.0)?;
    within(
        "repetition_penalty",
        given.repetition_penalty,
        f64::MIN_POSITIVE,
        10.0,
    )?;
    let sampling = Sampling {
        temperature: given.temperature,
        top_p: given.top_p,
        top_k: given.top_k.map(|top_k| top_k as usize),
        repetition_penalty: given.repetition_penalty.unwrap_or(1.0),
        seed: given.seed.unwrap_or(0),
    };
    sampling
        .validate()
        .map_err(|error| fault::lasting("parameters_invalid", error))?;
    let max_new_tokens = given.max_new_tokens.map(|most| most as usize);
    Ok(engine::Parameters {
        max_new_tokens,
        sampling,
        shape: given.schema.as_ref().map(shape).transpose()?,
        stop: given.stop.clone().unwrap_or_default(),
        logprobs: given.top_logprobs.is_some(),
        top_logprobs: given.top_logprobs.unwrap_or_default() as usize,
        ..engine::Parameters::default()
    })
}

fn shape(schema: &Value) -> Result<Arc<Shape>, Fault> {
    let shape = Shape::of(schema, shapes::MOST_BYTES).map_err(|_| fault::of_shape())?;
    Ok(Arc::new(shape))
}

fn within(field: &str, value: Option<f64>, least: f64, most: f64) -> Result<(), Fault> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            let message = format!("{field} is {value}, but must be from {least} to {most}");
            Err(fault::lasting("parameters_invalid", message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_parameters_are_greedy_decoding() {
        let seen = for_engine(&Parameters::default()).unwrap();
        assert!(seen.sampling.is_greedy() && seen.max_new_tokens.is_none() && !seen.ignore_eos);
    }

    #[test]
    fn every_parameter_reaches_the_engine() {
        let given = Parameters {
            max_new_tokens: Some(7),
            temperature: Some(0.8),
            top_p: Some(0.9),
            top_k: Some(40),
            repetition_penalty: Some(1.2),
            seed: Some(11),
            stop: Some(vec!["END".into()]),
            top_logprobs: Some(3),
            schema: Some(Shape::object()),
        };
        let seen = for_engine(&given).unwrap();
        assert!(
            seen.shape
                .is_some_and(|shape| shape.fits("{}") && !shape.fits("1"))
        );
        let expected = Sampling {
            temperature: Some(0.8),
            top_p: Some(0.9),
            top_k: Some(40),
            repetition_penalty: 1.2,
            seed: 11,
        };
        assert_eq!((seen.max_new_tokens, seen.sampling), (Some(7), expected));
        assert_eq!(
            (seen.stop, seen.logprobs, seen.top_logprobs),
            (vec!["END".to_owned()], true, 3)
        );
    }

    #[test]
    fn values_out_of_range_are_named() {
        let none = Parameters::default;
        for (field, given) in [
            (
                "temperature",
                Parameters {
                    temperature: Some(5.1),
                    ..none()
                },
            ),
            (
                "temperature",
                Parameters {
                    temperature: Some(f64::NAN),
                    ..none()
                },
            ),
            (
                "temperature",
                Parameters {
                    temperature: Some(-0.1),
                    ..none()
                },
            ),
            (
                "top_p",
                Parameters {
                    top_p: Some(0.0),
                    ..none()
                },
            ),
            (
                "top_k",
                Parameters {
                    top_k: Some(0),
                    ..none()
                },
            ),
            (
                "repetition_penalty",
                Parameters {
                    repetition_penalty: Some(0.0),
                    ..none()
                },
            ),
            (
                "repetition_penalty",
                Parameters {
                    repetition_penalty: Some(10.5),
                    ..none()
                },
            ),
        ] {
            let fault = for_engine(&given).unwrap_err();
            assert_eq!(
                (fault.code.as_str(), fault.may_pass),
                ("parameters_invalid", false)
            );
            assert!(fault.message.starts_with(field), "{}", fault.message);
        }
    }

    #[test]
    fn a_schema_that_no_answer_can_keep_to_is_a_fault() {
        let given = Parameters {
            schema: Some(serde_json::json!({ "enum": [] })),
            ..Parameters::default()
        };
        let fault = for_engine(&given).unwrap_err();
        assert_eq!((fault.code.as_str(), fault.may_pass), ("schema_unusable", false));
    }
}
