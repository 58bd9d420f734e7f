//! Pages that go through the tower while others are answered.

use super::*;
use engine::EngineThread;

/// An ear that notes tokens and the end of its tower.
fn noting(name: &'static str, log: &Log) -> Ear {
    let log = log.clone();
    Ear {
        on_token: Some(Box::new(move |_, _| note(&log, name))),
        ..Ear::default()
    }
}

#[test]
fn running_answers_go_on_while_a_page_is_read() {
    let engine = load("tiny-a", 8);
    let blocks = engine.config().vision.layers;
    let writes = Asked {
        page: Some(drawn(1)),
        encoded: true,
        questions: vec![question("a", true, 200)],
    };
    let comes = several("tiny-a").swap_remove(0);
    let (mut scheduler, requests) = Scheduler::new(&engine, AT_EVERY_PART);
    let log = Log::default();
    let second = comes.request(&engine, noting("comes", &log));
    let seen = log.clone();
    let Ear { heard, on_token, .. } = noting("writes", &log);
    let hears = on_token.unwrap();
    let sends = sends_at(2, requests.clone(), second).on_token.unwrap();
    let ear = Ear {
        heard: heard.clone(),
        on_token: Some(Box::new(move |question, count| {
            sends(question, count);
            hears(question, count);
        })),
        ..Ear::default()
    };
    requests.send(writes.request(&engine, ear)).unwrap();
    drop(requests);
    scheduler.work();
    writes.check(&engine, &taken(heard));
    let seen = seen.lock().unwrap().clone();
    let before = seen.iter().position(|name| name == "comes").unwrap();
    // At the least one between any two blocks of the tower, and as many between layers of the prompt.
    assert!(before > 2 + blocks, "{before} tokens before the page was read");
}

#[test]
fn who_needs_no_tower_does_not_wait_for_anothers() {
    let engine = load("tiny-a", 8);
    let asked = several("tiny-a");
    let (mut scheduler, requests) = Scheduler::new(&engine, AT_EVERY_PART);
    let (page, known, text) = (&asked[0], &asked[1], &asked[3]);
    let log = Log::default();
    let joining = ["known", "text"].map(|name| noting(name, &log));
    let heard = [joining[0].heard.clone(), joining[1].heard.clone()];
    let [first, second] = joining;
    let late = vec![known.request(&engine, first), text.request(&engine, second)];
    let late = Mutex::new(Some((requests.clone(), late)));
    let mut in_tower = noting("page", &log);
    // It is asked for the first time in the tower when nobody else is there.
    in_tower.goes_on = Some(Box::new(move || {
        if let Some((requests, late)) = late.lock().unwrap().take() {
            late.into_iter()
                .for_each(|request| requests.send(request).unwrap());
        }
        true
    }));
    let read = in_tower.heard.clone();
    requests.send(page.request(&engine, in_tower)).unwrap();
    drop(requests);
    scheduler.work();
    for (asked, heard) in [known, text].into_iter().zip(heard) {
        asked.check(&engine, &taken(heard));
    }
    page.check(&engine, &taken(read));
    let log = log.lock().unwrap().clone();
    assert_ne!(log[0], "page", "{log:?}");
}

#[test]
fn a_page_that_came_by_another_way_is_not_sent_through_the_tower_again() {
    struct Finds(Ear, engine::EncodedPage);
    impl engine::Audience for Finds {
        fn goes_on(&self) -> ControlFlow<()> {
            self.0.goes_on()
        }
        fn found(&self) -> Option<engine::EncodedPage> {
            Some(self.1.clone())
        }
        fn encoded(&self, page: &engine::EncodedPage) {
            self.0.encoded(page);
        }
        fn failed(&self, error: engine::EngineError) {
            self.0.failed(error);
        }
        fn token(&self, question: usize, token: &engine::Token) -> ControlFlow<()> {
            self.0.token(question, token)
        }
        fn ended(&self, question: usize, answer: Result<Answer, engine::EngineError>) {
            self.0.ended(question, answer);
        }
    }
    let engine = load("tiny-a", 8);
    let asked = several("tiny-a").swap_remove(0);
    let (mut scheduler, requests) = Scheduler::new(&engine, Schedule::default());
    let ear = Ear::default();
    let heard = ear.heard.clone();
    let mut request = asked.request(&engine, Ear::default());
    let there = engine.encode_page(asked.page.as_ref().unwrap()).unwrap();
    request.audience = Box::new(Finds(ear, there));
    requests.send(request).unwrap();
    drop(requests);
    scheduler.work();
    let heard = taken(heard);
    assert_eq!(heard.encoded, 0);
    asked.check(&engine, &heard);
}

#[test]
fn an_engine_on_a_thread_of_its_own_ends_when_nobody_can_ask_it_any_more() {
    let thread = EngineThread::start(load("tiny-a", 8), Schedule::default()).unwrap();
    let asked = several("tiny-a");
    let handle = thread.handle().clone();
    let heard: Vec<_> = asked
        .iter()
        .map(|asked| {
            let ear = Ear::default();
            let heard = ear.heard.clone();
            handle.submit(asked.request(handle.engine(), ear)).unwrap();
            heard
        })
        .collect();
    assert!(!thread.is_over());
    drop(handle);
    thread.end();
    let engine = load("tiny-a", 8);
    for (asked, heard) in asked.iter().zip(heard) {
        asked.check(&engine, &taken(heard));
    }
}
