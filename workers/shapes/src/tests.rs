use super::*;

const MOST: usize = 16 * 1024;

fn of(schema: Value) -> Result<Shape, BadShape> {
    Shape::of(&schema, MOST)
}

fn invoice() -> Value {
    json!({
        "type": "object",
        "properties": { "total": { "type": "integer", "minimum": 0, "maximum": 999 }, "currency": { "enum": ["EUR", "CNY"] } },
        "required": ["total", "currency"],
        "additionalProperties": false,
    })
}

/// A vocabulary of single bytes, the last of which ends answers.
fn bytes() -> Vocabulary {
    let words = (0..=255u8).map(|byte| vec![byte]).chain([Vec::new()]);
    Vocabulary::new(words.collect(), 256)
}

/// What is written if at each place the first of `wishes` is taken that may be.
fn written(shape: &Shape, wishes: &[u8]) -> String {
    let mut following = bytes().follow(shape).unwrap();
    let mut text = Vec::new();
    while !following.is_complete() && text.len() < 200 {
        let mut logits = vec![0.0; 257];
        following.narrow(&mut logits).unwrap();
        let may = |id: &u32| logits[*id as usize] > f32::MIN;
        if may(&256) {
            break;
        }
        let wished = wishes.iter().map(|&byte| u32::from(byte)).find(may);
        let id = wished.or_else(|| (0..256).find(may)).unwrap();
        following.take(id).unwrap();
        text.push(id as u8);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn what_is_written_keeps_to_the_schema_whatever_is_wished() {
    let shape = of(invoice()).unwrap();
    for wishes in [&b"x\"}7CE"[..], b" \n{}[]9", b"-1e"] {
        let text = written(&shape, wishes);
        assert!(shape.fits(&text), "{text}");
        assert!(!text.contains(' '), "{text}");
    }
}

#[test]
fn an_answer_that_does_not_keep_to_it_is_known() {
    let shape = of(invoice()).unwrap();
    assert!(shape.fits(r#"{"total": 12, "currency": "EUR"}"#));
    for bad in [
        "",
        "{",
        "12",
        r#"{"total":"12","currency":"EUR"}"#,
        r#"{"total":1,"currency":"USD"}"#,
    ] {
        assert!(!shape.fits(bad), "{bad}");
    }
    assert!(of(Shape::object()).unwrap().fits("{\"any\":[1]}"));
}

#[test]
fn schemas_that_are_long_deep_or_lead_elsewhere_are_refused_with_the_reason() {
    assert_eq!(of(json!(true)).unwrap_err(), BadShape::NoObject);
    let long = json!({ "description": "x".repeat(MOST) });
    assert!(matches!(of(long), Err(BadShape::TooLong { most: MOST, .. })));
    let most = json!({ "description": "x".repeat(MOST - "{\"description\":\"\"}".len()) });
    assert_eq!(most.to_string().len(), MOST);
    assert!(of(most).is_ok());
    let mut deep = json!({});
    for _ in 0..MOST_LEVELS {
        deep = json!({ "not": deep });
    }
    assert_eq!(of(deep).unwrap_err(), BadShape::TooDeep { most: MOST_LEVELS });
    for target in ["http://127.0.0.1/schema", "file:///etc/passwd", "other.json#/a"] {
        let refused = of(json!({ "properties": { "a": { "$ref": target } } })).unwrap_err();
        assert_eq!(refused, BadShape::Elsewhere(target.into()));
    }
}

#[test]
fn what_cannot_be_followed_is_refused_and_takes_no_long_time() {
    for bad in [
        json!({ "type": "nothing" }),
        json!({ "$ref": "#/$defs/none" }),
        json!({ "type": "string", "pattern": "(" }),
        json!({ "type": "string", "pattern": "(a)\\1" }),
        json!({ "not": { "type": "object" } }),
        json!({ "type": "string", "pattern": "((a{1,999}){1,999}){1,999}" }),
        json!({ "type": "integer", "minimum": 2, "maximum": 1 }),
        json!({ "enum": [] }),
    ] {
        let text = bad.to_string();
        assert!(matches!(of(bad), Err(BadShape::Unusable(_))), "{text}");
    }
}

#[test]
fn a_schema_may_refer_to_itself() {
    let tree = json!({
        "$ref": "#/$defs/tree",
        "$defs": { "tree": {
            "type": "object", "properties": { "of": { "type": "array", "items": { "$ref": "#/$defs/tree" } } },
            "required": ["of"], "additionalProperties": false,
        } },
    });
    let shape = of(tree).unwrap();
    let text = written(&shape, b"]}");
    assert_eq!(text, "{\"of\":[]}");
    assert!(shape.fits(&text));
}
