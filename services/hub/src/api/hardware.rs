//! `/v1/models/{owner}/{name}/hardware`: the memory that a model takes, and the machines that have it.

use super::models::{Named, find};
use crate::{app::ok, caller::Authenticated, problem::Problem};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{self, Data, Path, Query},
};
use domain::{
    access::Act,
    card::Measurement,
    hardware::{self, BadUsage, Fit, KvType, Machines, Memory, Usage},
    model::{Model, Variant},
    names::ModelName,
};
use records::{Db, models};
use serde::{Deserialize, Serialize};

/// The paths of this file. They come before those of the models, whose two segments would take the encoded form.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/v1/models/{model:[\\w.%-]+%2[Ff][\\w.%-]+}/hardware",
            web::get().to(get),
        )
        .route("/v1/models/{owner}/{name}/hardware", web::get().to(get));
}

/// The most tokens, images and pages that can be asked about.
const MOST: u32 = 1 << 24;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    variant: Option<String>,
    context: Option<u32>,
    images: Option<u32>,
    pages: Option<u32>,
    kv: Option<KvType>,
    machine: Option<String>,
}

#[derive(Serialize)]
struct HardwareView<'a> {
    model: ModelName,
    variant: String,
    context_tokens: u32,
    images: u32,
    pages: u32,
    kv: KvType,
    memory: Memory,
    measurements: Vec<Measurement>,
    data: Vec<Fit<'a>>,
    next: Option<String>,
}

async fn get(
    caller: Authenticated,
    path: Path<Named>,
    query: Query<Asked>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let entry = models::entry(&db, find(&db, &path).await?).await?;
    let shape = entry.model.card.shape.ok_or_else(shape_unknown)?;
    let (variant, weights) = variant(&entry.model, &entry.variants, query.variant.as_deref())?;
    let usage = usage(&entry.model, &query)?;
    let machines = Machines::shipped().map_err(Problem::internal)?;
    let (memory, mut fits) = hardware::fits(&shape, weights, usage, machines).map_err(bad_usage)?;
    if let Some(id) = &query.machine {
        fits.retain(|fit| fit.machine.id == *id);
        if fits.is_empty() {
            return Err(Problem::not_found("machine"));
        }
    }
    Ok(ok(HardwareView {
        model: entry.model.name,
        variant,
        context_tokens: usage.context,
        images: usage.images,
        pages: usage.pages,
        kv: usage.kv,
        memory,
        measurements: entry.model.card.measurements,
        data: fits,
        next: None,
    }))
}

/// The variant that is asked about, else the usual one, with the bytes of its weights.
fn variant(model: &Model, variants: &[Variant], asked: Option<&str>) -> Result<(String, u64), Problem> {
    let wanted = asked.or(model.card.usual_variant.as_deref());
    let sized = |variant: &&Variant| variant.file_bytes.is_some();
    let found = match wanted {
        Some(name) => variants.iter().find(|variant| variant.name == name),
        None => variants.iter().find(sized),
    };
    let bytes = found.and_then(|found| Some((found.name.clone(), found.file_bytes?)));
    bytes.ok_or_else(|| {
        let known: Vec<&str> = variants
            .iter()
            .filter(sized)
            .map(|variant| variant.name.as_str())
            .collect();
        let detail = format!(
            "the size of that variant is not known here; it is known of: {}",
            known.join(", ")
        );
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "variant_unknown", detail)
    })
}

/// One page with one image at the model's full context, unless something else is asked.
fn usage(model: &Model, asked: &Asked) -> Result<Usage, Problem> {
    let takes_images = model.card.shape.is_some_and(|shape| shape.tower.is_some());
    let context = asked.context.or(model.card.context_tokens).unwrap_or(8192);
    let usage = Usage {
        context,
        images: asked.images.unwrap_or(u32::from(takes_images)),
        pages: asked.pages.unwrap_or(1),
        kv: asked.kv.unwrap_or(KvType::F32),
    };
    let longer = model.card.context_tokens.filter(|&longest| context > longest);
    if let Some(longest) = longer {
        let detail = format!("the model's context has {longest} tokens, and {context} were asked about");
        return Err(Problem::bad_request("usage_invalid", detail));
    }
    match [usage.context, usage.pages]
        .iter()
        .all(|&one| (1..=MOST).contains(&one))
        && usage.images <= MOST
    {
        true => Ok(usage),
        false => Err(Problem::bad_request(
            "usage_invalid",
            format!("context and pages are numbers from 1 to {MOST}, images from 0"),
        )),
    }
}

fn bad_usage(bad: BadUsage) -> Problem {
    Problem::bad_request("usage_invalid", bad.to_string())
}

fn shape_unknown() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "shape_unknown",
        "the sizes that the model's memory follows from are not known here",
    )
    .with(
        "cure",
        "register the model with `card.shape`, as its config.json has it",
    )
}
