//! Models side by side: what differs in their licenses first, then the other facts.

use crate::{
    effective::{self, EffectiveTerms},
    language::Language,
    license::{Condition, Duty, Licenses},
    lineage::Licensed,
    model::{Card, Model},
    names::ModelName,
    purpose::Purpose,
};
use serde::Serialize;

/// The most models that are compared.
pub const MOST_MODELS: usize = 4;

/// One fact of all models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Which.
    pub fact: &'static str,
    /// Whether it is about the license.
    pub licence: bool,
    /// Whether the models differ in it.
    pub differs: bool,
    /// Of each model in turn; none if it is not known.
    pub values: Vec<Option<String>>,
}

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The models.
    pub models: Vec<ModelName>,
    /// Differences of licences first, then what else the licences say, then the other facts.
    pub data: Vec<Row>,
}

/// Compares models, each with its lineage as [`crate::lineage::descent`] orders it.
pub fn compare(models: &[(Model, Vec<Licensed>)], licenses: &Licenses) -> Comparison {
    let terms: Vec<EffectiveTerms> = models
        .iter()
        .map(|(_, lineage)| effective::terms(lineage, licenses))
        .collect();
    let mut data = vec![row(
        "license",
        true,
        models.iter().map(|(model, _)| Some(model.license.to_string())),
    )];
    for purpose in Purpose::ALL {
        let said = terms.iter().map(|terms| Some(permission(terms, purpose)));
        let fact = match purpose {
            Purpose::Research => "research",
            Purpose::Evaluation => "evaluation",
            Purpose::Commercial => "commercial",
        };
        data.push(row(fact, true, said));
    }
    data.push(row("duties", true, terms.iter().map(|terms| Some(duties(terms)))));
    let revocable =
        |terms: &EffectiveTerms| Some(if terms.revocable.is_some() { "yes" } else { "no" }.to_owned());
    data.push(row("revocable", true, terms.iter().map(revocable)));
    data.extend(facts(models));
    // Stable: within each group the order stays.
    data.sort_by_key(|row| (!row.licence, !row.differs));
    Comparison {
        models: models.iter().map(|(model, _)| model.name.clone()).collect(),
        data,
    }
}

fn facts(models: &[(Model, Vec<Licensed>)]) -> Vec<Row> {
    type Told = fn(&Card) -> Option<String>;
    let told: [(&'static str, Told); 8] = [
        ("publisher", |card| card.publisher.clone()),
        ("family", |card| card.family.clone()),
        ("modality", |card| {
            card.modality.map(|modality| modality.as_str().to_owned())
        }),
        ("parameters", |card| {
            card.parameters.map(|count| count.to_string())
        }),
        ("context_tokens", |card| {
            card.context_tokens.map(|tokens| tokens.to_string())
        }),
        ("released", |card| card.released.map(|day| day.to_string())),
        ("strengths", |card| list(&card.strengths)),
        ("weaknesses", |card| list(&card.weaknesses)),
    ];
    let each = told.into_iter();
    each.map(|(fact, told)| row(fact, false, models.iter().map(|(model, _)| told(&model.card))))
        .collect()
}

fn row(fact: &'static str, licence: bool, values: impl Iterator<Item = Option<String>>) -> Row {
    let values: Vec<Option<String>> = values.collect();
    Row {
        fact,
        licence,
        differs: values.windows(2).any(|pair| pair[0] != pair[1]),
        values,
    }
}

fn list(texts: &[String]) -> Option<String> {
    (!texts.is_empty()).then(|| texts.join("; "))
}

fn permission(terms: &EffectiveTerms, purpose: Purpose) -> String {
    let Some(facts) = terms.purposes.get(&purpose) else {
        return String::new();
    };
    let conditions: Vec<&str> = facts.asked().into_iter().map(Condition::as_str).collect();
    let mut told = vec![match conditions.is_empty() {
        true => facts.permission.as_str().to_owned(),
        false => format!("{} after {}", facts.permission.as_str(), conditions.join(", ")),
    }];
    told.extend(facts.limits(Language::English));
    told.join(", ")
}

fn duties(terms: &EffectiveTerms) -> String {
    let told = terms.duties.iter().map(|caused| match &caused.what {
        Duty::Notice => "keep notices".to_owned(),
        Duty::TermsCopy => "pass on the terms".to_owned(),
        Duty::Attribution { text } => format!("show \u{201c}{text}\u{201d}"),
        Duty::NamePrefix { prefix } => format!("names begin with {prefix}"),
    });
    told.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Seed;
    use time::OffsetDateTime;

    fn with_lineage(name: &str) -> (Model, Vec<Licensed>) {
        let seeded = Seed::shipped().unwrap().models.into_iter();
        let found = seeded
            .into_iter()
            .find(|model| model.name.as_str() == name)
            .unwrap();
        let own = Licensed {
            model: found.name.clone(),
            license: Some(found.license.clone()),
            terms_sha256: None,
            through: None,
        };
        let model = Model {
            name: found.name,
            license: found.license,
            license_source: found.license_source,
            card: found.card,
            registered_at: OffsetDateTime::UNIX_EPOCH,
        };
        (model, vec![own])
    }

    #[test]
    fn differences_of_licences_come_first_and_say_what_differs() {
        let models = ["THUDM/glm-4v-9b", "Qwen/Qwen2.5-VL-7B-Instruct"].map(with_lineage);
        let comparison = compare(&models, &Licenses::shipped().unwrap());
        assert_eq!(comparison.data[0].fact, "license");
        let first_fact = comparison.data.iter().position(|row| !row.licence).unwrap();
        assert!(comparison.data[first_fact..].iter().all(|row| !row.licence));
        let differing = comparison.data[..first_fact].iter().map(|row| row.differs);
        assert!(differing.is_sorted_by(|a, b| a >= b));
        let commercial = comparison
            .data
            .iter()
            .find(|row| row.fact == "commercial")
            .unwrap();
        assert_eq!(
            commercial.values[0].as_deref(),
            Some("permitted after acceptance, registration, review")
        );
        assert_eq!(commercial.values[1].as_deref(), Some("permitted"));
        let duties = comparison.data.iter().find(|row| row.fact == "duties").unwrap();
        assert!(duties.values[0].as_deref().unwrap().contains("Built with glm-4"));
    }

    #[test]
    fn models_that_are_alike_differ_in_nothing() {
        let models = ["THUDM/glm-4-9b", "THUDM/glm-4-9b"].map(with_lineage);
        let comparison = compare(&models, &Licenses::shipped().unwrap());
        assert!(comparison.data.iter().all(|row| !row.differs));
    }
}
