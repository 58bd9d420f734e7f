use super::*;

fn page(number: u32, verdict: JobPhase) -> SourcePage {
    let job = "job_01jd9z5m2k7q8r3s4t5v6w7x8y".parse().unwrap();
    SourcePage {
        page: number,
        job,
        verdict,
        cut: false,
    }
}

fn answered(number: u32, text: &str, tokens: u32) -> Input {
    Input {
        pages: vec![page(number, JobPhase::Answered)],
        answer: Some((text.into(), tokens)),
    }
}

fn failed(number: u32) -> Input {
    Input {
        pages: vec![page(number, JobPhase::Failed)],
        answer: None,
    }
}

fn numbers(portion: &Portion) -> Vec<u32> {
    portion.pages.iter().map(|page| page.page).collect()
}

#[test]
fn what_fits_is_one_portion_and_names_every_page_the_failed_too() {
    let inputs = vec![
        failed(1),
        answered(2, "two", 4),
        failed(3),
        answered(4, "four", 4),
    ];
    let portions = portions(inputs, 200);
    let [one] = &portions[..] else {
        panic!("{portions:?}")
    };
    assert_eq!(numbers(one), [1, 2, 3, 4]);
    let asked = one.texts.ask("Who?");
    assert!(
        asked.contains("[Page 2]\ntwo\n\n[Page 4]\nfour\n\n") && asked.ends_with("Question: Who?"),
        "{asked}"
    );
    assert!(one.pages.iter().all(|page| !page.cut));
}

#[test]
fn what_does_not_fit_is_divided_and_every_round_leaves_fewer() {
    let mut inputs: Vec<Input> = (1..=100)
        .map(|number| answered(number, "some words", 60))
        .collect();
    let mut rounds = 0;
    loop {
        let portions = portions(inputs, 400);
        assert_eq!(
            portions.iter().flat_map(numbers).collect::<Vec<_>>(),
            (1..=100).collect::<Vec<_>>()
        );
        rounds += 1;
        if portions.len() == 1 {
            break;
        }
        let part = |portion: Portion| Input {
            pages: portion.pages,
            answer: Some(("a part".into(), 90)),
        };
        inputs = portions.into_iter().map(part).collect();
    }
    assert_eq!(rounds, 4);
}

#[test]
fn an_answer_that_would_crowd_out_the_others_is_cut_and_that_is_told() {
    let long = "字".repeat(1000);
    let portions = portions(vec![answered(1, &long, 900), answered(2, "short", 2)], 400);
    let [one] = &portions[..] else {
        panic!("{portions:?}")
    };
    assert_eq!(
        one.pages.iter().map(|page| page.cut).collect::<Vec<_>>(),
        [true, false]
    );
    let kept = one.texts.ask("").matches('字').count();
    assert!((60..100).contains(&kept), "{kept}");
}

#[test]
fn nothing_answered_is_no_portion() {
    assert_eq!(portions(vec![failed(1), failed(2)], 400), []);
}

#[test]
fn texts_come_back_from_their_bytes_and_pictures_are_none() {
    let [one] = &portions(vec![answered(1, "a\n\"b\"", 3)], 400)[..] else {
        panic!()
    };
    assert_eq!(Texts::read(&one.texts.to_bytes()), Some(Ok(one.texts.clone())));
    assert_eq!(Texts::read(b"\x89PNG\r\n\x1a\n"), None);
    assert!(Texts::read(b"glmhub texts 1\n{}").unwrap().is_err());
}

#[test]
fn room_is_what_question_and_answer_leave() {
    let most = |tokens| Parameters {
        max_new_tokens: tokens,
        ..Parameters::default()
    };
    let usual = room(8192, "", &most(None)).unwrap();
    assert_eq!(room(8192, "", &most(Some(USUAL_TOKENS))), Some(usual));
    assert_eq!(room(8192, "?", &most(Some(USUAL_TOKENS - 1))), Some(usual));
    assert_eq!(room(8192, "", &most(Some(8192))), None);
    let least = 8192 - (usual - LEAST_ROOM);
    assert_eq!(room(least, "", &most(None)), Some(LEAST_ROOM));
    assert_eq!(room(least - 1, "", &most(None)), None);
}

#[test]
fn only_the_last_answer_keeps_to_the_questions_schema() {
    let asked = Parameters {
        max_new_tokens: Some(7),
        schema: Some(serde_json::json!({ "type": "number" })),
        ..Parameters::default()
    };
    let free = Parameters {
        schema: None,
        ..asked.clone()
    };
    for (role, expected) in [
        (Role::Page, &asked),
        (Role::Whole, &asked),
        (Role::Source, &free),
        (Role::Part, &free),
    ] {
        assert_eq!(role.parameters(&asked), *expected);
    }
}
