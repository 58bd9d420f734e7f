//! The facts of a model's card as forms say them: each as one text.

use crate::problem::Problem;
use domain::{
    card::FactSource,
    card_change::{CardFacts, fact_of},
    language::Language,
};
use serde_json::{Value, json};

/// How a text says a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    /// One of these words.
    Word(&'static str),
    Day,
    /// A list, each on a line of its own.
    Lines,
    Number,
    Json,
}

/// A fact that a form can change.
#[derive(Debug, Clone, Copy)]
pub struct Fact {
    /// Its name, as differences tell it.
    pub field: &'static str,
    english: &'static str,
    chinese: &'static str,
    form: Form,
}

const fn fact(field: &'static str, english: &'static str, chinese: &'static str, form: Form) -> Fact {
    Fact {
        field,
        english,
        chinese,
        form,
    }
}

/// Every one.
pub const FACTS: [Fact; 20] = [
    fact("license.id", "Licence", "许可", Form::Text),
    fact("publisher", "Publisher", "发布者", Form::Text),
    fact("family", "Family", "系列", Form::Text),
    fact("summary", "Summary", "简介", Form::Text),
    fact("overview", "Overview", "概述", Form::Text),
    fact("parameters", "Parameters", "参数量", Form::Number),
    fact("modality", "Modality", "模态", Form::Word("text, image_text")),
    fact(
        "context_tokens",
        "Context in tokens",
        "上下文长度（token）",
        Form::Number,
    ),
    fact("released", "Released", "发布日期", Form::Day),
    fact("source", "Where its weights are", "权重来源", Form::Text),
    fact("strengths", "Strengths", "优点", Form::Lines),
    fact("weaknesses", "Weaknesses", "缺点", Form::Lines),
    fact(
        "quantisation",
        "Files in few bits",
        "量化文件",
        Form::Word("published, required"),
    ),
    fact("usual_variant", "Usual variant", "常用变体", Form::Text),
    fact("shape", "Shape", "结构尺寸", Form::Json),
    fact("measurements", "Measurements", "实测数据", Form::Json),
    fact("chinese.summary", "Summary in Chinese", "中文简介", Form::Text),
    fact("chinese.overview", "Overview in Chinese", "中文概述", Form::Text),
    fact(
        "chinese.strengths",
        "Strengths in Chinese",
        "中文优点",
        Form::Lines,
    ),
    fact(
        "chinese.weaknesses",
        "Weaknesses in Chinese",
        "中文缺点",
        Form::Lines,
    ),
];

/// What a form says of a fact.
#[derive(Debug)]
pub struct Said<'a> {
    /// Its value.
    pub value: &'a str,
    /// Where it was read.
    pub source: &'a str,
    /// The day of that.
    pub seen: &'a str,
}

impl Fact {
    /// The fact of that name.
    pub fn named(field: &str) -> Option<Self> {
        FACTS.into_iter().find(|fact| fact.field == field)
    }

    /// As people read it.
    pub fn word(self, t: Language) -> &'static str {
        t.of(self.english, self.chinese)
    }

    /// How its value is written.
    pub fn hint(self, t: Language) -> String {
        match self.form {
            Form::Text => String::new(),
            Form::Word(words) => format!("{}{words}", t.of("one of: ", "可选：")),
            Form::Day => t.of("a day such as 2026-03-01", "日期，如 2026-03-01").into(),
            Form::Lines => t.of("one on each line", "每行一条").into(),
            Form::Number => t.of("digits", "数字").into(),
            Form::Json => t.of("as the API has it, in JSON", "与接口相同的 JSON").into(),
        }
    }

    /// Where it was read that is in force; `None` inside if nobody has said, outside if it has no source of its own.
    pub fn source(self, facts: &CardFacts) -> Option<Option<&FactSource>> {
        fact_of(self.field).map(|name| facts.card.sources.get(&name))
    }

    fn path(self) -> Vec<&'static str> {
        let within = match self.field.starts_with("license.") {
            true => None,
            false => Some("card"),
        };
        within.into_iter().chain(self.field.split('.')).collect()
    }

    /// Its value in force, as a form says it.
    pub fn text(self, facts: &CardFacts) -> Result<String, Problem> {
        let whole = serde_json::to_value(facts).map_err(Problem::internal)?;
        let value = self
            .path()
            .into_iter()
            .try_fold(&whole, |value, name| value.get(name));
        Ok(value.map(text_of).unwrap_or_default())
    }

    /// The facts `now` with what is said of this one. Problem: 400 `fact_invalid`.
    pub fn put(self, now: &CardFacts, said: &Said<'_>) -> Result<CardFacts, Problem> {
        let mut whole = serde_json::to_value(now).map_err(Problem::internal)?;
        let mut place = &mut whole;
        for name in self.path() {
            place = &mut place[name];
        }
        *place = self.read(said.value.trim())?;
        let source = said.source.trim();
        if let Some(name) = fact_of(self.field).filter(|_| !source.is_empty()) {
            whole["card"]["sources"][name.as_str()] = json!({ "source": source, "seen": said.seen });
            if self.field == "license.id" {
                whole["license"]["source"] = json!(source);
            }
        }
        serde_json::from_value(whole).map_err(|error| self.invalid(&error.to_string()))
    }

    fn read(self, text: &str) -> Result<Value, Problem> {
        let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
        Ok(match self.form {
            Form::Lines => Value::from(lines().collect::<Vec<_>>()),
            _ if text.is_empty() => Value::Null,
            Form::Text | Form::Word(_) | Form::Day => Value::from(text),
            Form::Number => {
                let number: Result<u64, _> = text.parse();
                number.map_err(|error| self.invalid(&error.to_string()))?.into()
            }
            Form::Json => serde_json::from_str(text).map_err(|error| self.invalid(&error.to_string()))?,
        })
    }

    fn invalid(self, why: &str) -> Problem {
        let detail = format!("{}: {why}", self.field);
        Problem::bad_request("fact_invalid", detail).with("field", self.field)
    }
}

/// A value as people read and write it; nothing for nothing.
pub fn text_of(value: &Value) -> String {
    let lines = |list: &[Value]| {
        let lines: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
        lines.map(|lines| lines.join("\n"))
    };
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => lines(list).unwrap_or_else(|| format!("{value:#}")),
        Value::Object(_) => format!("{value:#}"),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Where and when a fact was read, and who looked it over.
pub fn source_of(source: &FactSource) -> String {
    let told = [
        source.source.clone(),
        source.seen.to_string(),
        source.reviewed_by.clone(),
    ];
    let told = told.into_iter().filter(|text| !text.is_empty());
    told.collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{card::Card, card_change::NamedLicense};

    fn facts() -> CardFacts {
        CardFacts {
            license: NamedLicense {
                id: "glm-4".parse().unwrap(),
                source: "LICENSE".into(),
            },
            card: Card::default(),
        }
    }

    fn said(value: &str) -> Said<'_> {
        Said {
            value,
            source: "https://example.org/card",
            seen: "2026-11-01",
        }
    }

    #[test]
    fn every_fact_that_a_form_can_change_is_one_of_a_card_and_is_read_back_as_it_was_said() {
        let value = |fact: Fact| match fact.form {
            Form::Word(words) => words.split(", ").last().unwrap(),
            Form::Day => "2026-03-01",
            Form::Lines => "one\ntwo",
            Form::Number => "4096",
            Form::Json => "",
            Form::Text => "mit",
        };
        for fact in FACTS.into_iter().filter(|fact| fact.form != Form::Json) {
            let told = fact.put(&facts(), &said(value(fact))).unwrap();
            assert_eq!(fact.text(&told).unwrap(), value(fact), "{}", fact.field);
            if let Some(source) = fact.source(&told) {
                assert_eq!(
                    source_of(source.unwrap()),
                    "https://example.org/card · 2026-11-01"
                );
            }
        }
        let shape = r#"{ "layers": 2, "key_heads": 1, "head_width": 8 }"#;
        let told = Fact::named("shape").unwrap().put(&facts(), &said(shape)).unwrap();
        assert_eq!(told.card.shape.unwrap().layers, 2);
        let told = Fact::named("license.id")
            .unwrap()
            .put(&facts(), &said("mit"))
            .unwrap();
        assert_eq!(told.license.source, "https://example.org/card");
    }

    #[test]
    fn what_is_no_value_of_a_fact_is_told() {
        for (field, value) in [
            ("parameters", "many"),
            ("parameters", "-1"),
            ("context_tokens", "99999999999"),
            ("modality", "smell"),
            ("released", "soon"),
            ("shape", "{"),
            ("license.id", "NOT A NAME"),
        ] {
            let fact = Fact::named(field).unwrap();
            let problem = fact.put(&facts(), &said(value)).unwrap_err();
            assert_eq!(problem.code(), "fact_invalid", "{field}");
        }
        let undated = Said {
            seen: "",
            ..said("7")
        };
        let problem = Fact::named("parameters").unwrap().put(&facts(), &undated);
        assert_eq!(problem.unwrap_err().code(), "fact_invalid");
        assert!(Fact::named("review").is_none());
    }
}
