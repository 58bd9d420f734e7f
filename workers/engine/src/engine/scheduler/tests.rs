//! What is wrong with one of several answers, from inside.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Tensor};
use kernels::rope::Heads;

use super::*;
use crate::LoadOptions;
use crate::cache::Cache;
use crate::engine::answer::{Answer, Parameters, Seat, Token};
use crate::engine::page::PageSession;
use crate::glm4v::Untraced;
use crate::kv::KvType;
use crate::ops::Ops;
use crate::prompt::Conversation;

fn engine() -> Engine {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny-a");
    Engine::load(&folder, &LoadOptions::default()).unwrap()
}

type Ends = Arc<Mutex<Vec<Result<Vec<u32>, String>>>>;

struct Hears(Ends);

impl Audience for Hears {
    fn goes_on(&self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn failed(&self, error: EngineError) {
        self.0.lock().unwrap().push(Err(error.to_string()));
    }

    fn token(&self, _: usize, _: &Token) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn ended(&self, _: usize, answer: Result<Answer, EngineError>) {
        let answer = answer.map(|answer| answer.token_ids);
        self.0
            .lock()
            .unwrap()
            .push(answer.map_err(|error| error.to_string()));
    }
}

fn question(with_image: bool) -> Question {
    Question {
        conversation: Conversation::question("What is in the image?", with_image).unwrap(),
        parameters: Parameters {
            max_new_tokens: Some(6),
            ignore_eos: true,
            ..Parameters::default()
        },
    }
}

/// A page whose rows all have this value.
fn page_of(engine: &Engine, value: f32) -> EncodedPage {
    let shape = (engine.image_tokens(), engine.config().hidden);
    let rows = Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    EncodedPage {
        rows: rows.affine(1.0, f64::from(value)).unwrap(),
        took: std::time::Duration::ZERO,
    }
}

fn alone(engine: &Engine, mut session: Option<PageSession>) -> Vec<u32> {
    let Question {
        conversation,
        parameters,
    } = question(session.is_some());
    let mut on = |_: &Token| ControlFlow::Continue(());
    engine
        .answer(&conversation, session.as_mut(), &parameters, &mut on)
        .unwrap()
        .token_ids
}

#[test]
fn a_page_of_what_is_not_a_number_spoils_its_own_answers_alone() {
    let engine = engine();
    let (well, spoilt) = (page_of(&engine, 0.25), page_of(&engine, f32::NAN));
    let (mut scheduler, requests) = Scheduler::new(&engine, Schedule::default());
    let ends = [spoilt, well.clone()].map(|page| {
        let ends = Ends::default();
        let request = Request {
            page: Page::Encoded(page),
            questions: vec![question(true), question(true)],
            audience: Box::new(Hears(ends.clone())),
        };
        requests.send(request).unwrap();
        ends
    });
    drop(requests);
    scheduler.work();
    let [spoilt, heard] = ends.map(|ends| ends.lock().unwrap().clone());
    let broken =
        "the model computed values that are not finite after 0 tokens of the answer: nothing can be said";
    assert_eq!(spoilt, vec![Err(broken.to_owned()); 2]);
    assert_eq!(heard, vec![Ok(alone(&engine, Some(engine.open_page(&well)))); 2]);
}

/// A seat for a question without a page.
fn seat(engine: &Engine) -> Seat<'_> {
    let Question {
        conversation,
        parameters,
    } = question(false);
    let plan = engine.plan(&conversation, parameters.max_new_tokens).unwrap();
    engine.seat(plan, None, &parameters, &mut Untraced).unwrap()
}

#[test]
fn a_step_that_fails_or_panics_costs_the_answer_whose_fault_it_is() {
    let engine = engine();
    let expected = alone(&engine, None);
    for broken in [0, 1, 2] {
        let (mut seats, ends) = (Seats::default(), Ends::default());
        for question in 0..3 {
            let mut seat = seat(&engine);
            if question == broken {
                let heads = Heads { heads: 1, width: 1 };
                // Keys of another width: what is in the way of all when they take their step together.
                seat.cache = Cache::new(engine.config().layers, heads, &Ops::Kernels(KvType::F32));
            }
            let place = Place {
                request: 1,
                question,
                audience: Rc::new(Hears(ends.clone())),
                memory: 0,
            };
            seats.take(place, seat);
        }
        while !seats.is_empty() {
            seats.step(&engine.model);
        }
        let ends = ends.lock().unwrap().clone();
        assert_eq!(ends.len(), 3);
        assert!(ends[0].is_err(), "the broken one ends first: {ends:?}");
        assert_eq!(ends[1..], [Ok(expected.clone()), Ok(expected.clone())]);
    }
}

#[test]
fn a_panic_in_what_is_computed_is_an_error() {
    let panics = attempt::<()>(|| panic!("as a kernel might"));
    assert!(matches!(panics, Err(EngineError::Panicked)));
}
