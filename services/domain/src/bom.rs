//! A model's bill of materials: CycloneDX 1.6 with its license, its lineage and its files.
//!
//! The form is that of <https://cyclonedx.org/docs/1.6/json/>. What CycloneDX has no place for, such as what is
//! permitted for which purpose over the whole lineage, stands in properties that begin with `glmhub:`.

use crate::{
    digest::Sha256,
    effective::{self, EffectivePurpose},
    language::Language,
    license::{Condition, Duty, License, Licenses},
    lineage::{self, Licensed, LineageEdge},
    model::{Artifact, Card, Modality, Model, Revision},
    names::{LicenseName, ModelName},
    purpose::Purpose,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The media type of what [`of`] gives.
pub const MEDIA_TYPE: &str = "application/vnd.cyclonedx+json; version=1.6";

/// What a bill of materials tells of.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The model.
    pub model: &'a Model,
    /// Its revision, if one is here.
    pub revision: Option<&'a Revision>,
    /// The files of that revision.
    pub artifacts: &'a [Artifact],
    /// The model and its ancestors, in the order of [`lineage::descent`].
    pub lineage: &'a [Licensed],
    /// What was made from what, among those.
    pub edges: &'a [LineageEdge],
}

/// The bill of materials, made at `at` by this version of the hub. The same subject has the same serial number.
pub fn of(subject: Subject<'_>, licenses: &Licenses, at: OffsetDateTime) -> Value {
    let ancestors = || subject.lineage.iter().skip(1);
    let mut components: Vec<Value> = ancestors()
        .map(|licensed| ancestor(licensed, licenses, Some(reference(&licensed.model))))
        .collect();
    components.extend(subject.artifacts.iter().map(artifact));
    let mut main = model(subject, licenses);
    main["pedigree"] = json!({
        "ancestors": ancestors().map(|licensed| ancestor(licensed, licenses, None)).collect::<Vec<_>>(),
        "notes": notes(subject.edges),
    });
    let mut bom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": at.format(&Rfc3339).unwrap_or_default(),
            "tools": { "components": [
                { "type": "application", "name": "glmhub", "version": env!("CARGO_PKG_VERSION") },
            ] },
            "component": main,
        },
        "components": components,
        "dependencies": dependencies(subject),
    });
    bom["serialNumber"] = json!(serial(&bom));
    bom
}

/// Named by the contents, the time apart: a reader sees whether anything changed.
fn serial(bom: &Value) -> String {
    let mut timeless = bom.clone();
    if let Some(metadata) = timeless["metadata"].as_object_mut() {
        metadata.remove("timestamp");
    }
    let digest = Sha256::of(timeless.to_string().as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    format!("urn:uuid:{}", uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

fn reference(model: &ModelName) -> String {
    format!("model:{model}")
}

fn model(subject: Subject<'_>, licenses: &Licenses) -> Value {
    let (model, card) = (subject.model, &subject.model.card);
    let mut component = Map::new();
    let mut put = |key: &str, value: Value| drop(component.insert(key.to_owned(), value));
    put("type", json!("machine-learning-model"));
    put("bom-ref", json!(reference(&model.name)));
    put("group", json!(model.name.owner()));
    put("name", json!(model.name.name()));
    if let Some(publisher) = &card.publisher {
        put("publisher", json!(publisher));
    }
    if let Some(summary) = &card.summary {
        put("description", json!(summary));
    }
    if let Some(revision) = subject.revision {
        put("version", json!(revision.sha256));
        put(
            "hashes",
            json!([{ "alg": "SHA-256", "content": revision.sha256 }]),
        );
    }
    put("licenses", json!([license(&model.license, licenses)]));
    if let Some(source) = &card.source {
        put(
            "externalReferences",
            json!([{ "type": "distribution", "url": source }]),
        );
    }
    put("modelCard", model_card(card));
    put("properties", Value::Array(properties(subject, licenses)));
    Value::Object(component)
}

fn model_card(card: &Card) -> Value {
    let format = |kind: &str| json!({ "format": kind });
    let inputs = match card.modality {
        Some(Modality::ImageText) => vec![format("image"), format("text")],
        Some(Modality::Text) => vec![format("text")],
        None => Vec::new(),
    };
    let mut parameters = json!({ "inputs": inputs, "outputs": [format("text")] });
    if let Some(family) = &card.family {
        parameters["architectureFamily"] = json!(family);
    }
    json!({
        "modelParameters": parameters,
        "considerations": { "useCases": card.strengths, "technicalLimitations": card.weaknesses },
    })
}

/// Effective terms and facts of the card, as properties.
fn properties(subject: Subject<'_>, licenses: &Licenses) -> Vec<Value> {
    let mut all = BTreeMap::new();
    for (purpose, said) in effective::terms(subject.lineage, licenses).purposes {
        purpose_properties(&mut all, purpose, &said);
    }
    if let Some(terms) = subject.revision.and_then(|revision| revision.terms_sha256) {
        all.insert("glmhub:terms:sha256".into(), terms.to_string());
    }
    if let Some(parameters) = subject.model.card.parameters {
        all.insert("glmhub:parameters".into(), parameters.to_string());
    }
    if let Some(tokens) = subject.model.card.context_tokens {
        all.insert("glmhub:context_tokens".into(), tokens.to_string());
    }
    let mut properties: Vec<Value> = all
        .into_iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    for (duty, place) in lineage::duties(subject.lineage, licenses) {
        let path = lineage::path(subject.lineage, place);
        let path: Vec<&str> = path.iter().map(|model| model.as_str()).collect();
        let value = format!("{} (from {})", said(&duty), path.join(" < "));
        properties.push(json!({ "name": "glmhub:duty", "value": value }));
    }
    properties
}

/// What the whole lineage permits for a purpose, after what, until when and where.
fn purpose_properties(all: &mut BTreeMap<String, String>, purpose: Purpose, said: &EffectivePurpose) {
    let own = format!("glmhub:purpose:{purpose}");
    let conditions: Vec<&str> = said.asked().into_iter().map(Condition::as_str).collect();
    if !conditions.is_empty() {
        all.insert(format!("{own}:conditions"), conditions.join(", "));
    }
    let limits = said.limits(Language::English);
    if !limits.is_empty() {
        all.insert(format!("{own}:limits"), limits.join(", "));
    }
    all.insert(own, word(&said.permission));
}

fn word(value: &impl serde::Serialize) -> String {
    let value = json!(value);
    value.as_str().unwrap_or_default().to_owned()
}

fn said(duty: &Duty) -> String {
    match duty {
        Duty::Notice => "keep the copyright notice".into(),
        Duty::Attribution { text } => format!("show {text:?}"),
        Duty::TermsCopy => "pass on a copy of the terms".into(),
        Duty::NamePrefix { prefix } => format!("begin names of derived models with {prefix:?}"),
    }
}

fn ancestor(licensed: &Licensed, licenses: &Licenses, reference: Option<String>) -> Value {
    let mut component = json!({
        "type": "machine-learning-model",
        "group": licensed.model.owner(),
        "name": licensed.model.name(),
    });
    if let Some(reference) = reference {
        component["bom-ref"] = json!(reference);
    }
    match &licensed.license {
        Some(id) => component["licenses"] = json!([license(id, licenses)]),
        None => {
            component["properties"] = json!([{ "name": "glmhub:license", "value": "unknown" }]);
        }
    }
    component
}

/// A license by its SPDX id where it has one, else by its title.
fn license(id: &LicenseName, licenses: &Licenses) -> Value {
    let facts: Option<&License> = licenses.get(id).map(|license| &**license);
    let mut license = match facts.and_then(|license| license.spdx.as_deref()) {
        Some(spdx) => json!({ "id": spdx }),
        None => json!({ "name": facts.map_or(id.as_str(), |license| &license.title) }),
    };
    if let Some(facts) = facts {
        license["url"] = json!(facts.source);
    }
    json!({ "license": license })
}

fn artifact(artifact: &Artifact) -> Value {
    json!({
        "type": "file",
        "bom-ref": format!("file:{}", artifact.path),
        "name": artifact.path,
        "hashes": [{ "alg": "SHA-256", "content": artifact.sha256 }],
        "properties": [{ "name": "glmhub:bytes", "value": artifact.bytes.to_string() }],
    })
}

fn notes(edges: &[LineageEdge]) -> String {
    let lines = edges.iter().map(|edge| {
        let relation = edge.relation.as_str();
        format!(
            "{} is a {relation} of {}: {}",
            edge.child, edge.parent, edge.evidence
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Who was made from whom, and which files the revision consists of.
fn dependencies(subject: Subject<'_>) -> Vec<Value> {
    let mut parents: BTreeMap<&ModelName, BTreeSet<String>> = BTreeMap::new();
    for edge in subject.edges {
        parents
            .entry(&edge.child)
            .or_default()
            .insert(reference(&edge.parent));
    }
    let mut all = Vec::new();
    for licensed in subject.lineage {
        let mut upon = parents.remove(&licensed.model).unwrap_or_default();
        if licensed.model == subject.model.name {
            let files = subject.artifacts.iter();
            upon.extend(files.map(|artifact| format!("file:{}", artifact.path)));
        }
        all.push(json!({ "ref": reference(&licensed.model), "dependsOn": upon }));
    }
    all
}

#[cfg(test)]
mod tests;
