//! The catalogue, as the API and the pages both read it.

use domain::{
    effective::{self, EffectiveTerms},
    family_tree::FamilyTree,
    faq,
    hardware::{self, Machine, Memory, Verdict},
    language::Language,
    license::{Licenses, Permission},
    lineage::{self, Licensed},
    model::Model,
    names::ModelName,
    purpose::Purpose,
};
use records::{
    Db, RecordsError, facts, lineage as edges,
    models::{self, Entry, Wanted},
};

/// The most models of a tree that is drawn.
pub const TREE_LIMIT: u32 = 500;
/// The most models that are looked at for one portion of a list.
const LOOKED_AT: usize = 500;
/// How many are read at a time.
const CHUNK: u32 = 100;
/// How many of about as many parameters there are to compare with.
const ALIKE: usize = 3;

/// What a list is narrowed by beside what the records know.
#[derive(Default, Clone, Copy)]
pub struct Narrowed<'a> {
    /// Only models whose whole lineage permits commercial use.
    pub commercial: bool,
    /// Only models that run on this machine in their usual variant, at their full context.
    pub fits: Option<&'a Machine>,
}

/// A portion of the catalogue.
pub struct Portion {
    /// The models.
    pub entries: Vec<Entry>,
    /// After which model the next portion begins, if there may be more.
    pub next: Option<ModelName>,
}

/// Up to `limit` models, those after `after`.
pub async fn browse(
    db: &Db,
    licenses: &Licenses,
    wanted: &Wanted,
    narrowed: Narrowed<'_>,
    after: Option<ModelName>,
    limit: usize,
) -> Result<Portion, RecordsError> {
    let (mut entries, mut last, mut looked_at) = (Vec::new(), after, 0);
    while looked_at < LOOKED_AT {
        let models = models::page(db, wanted, last.as_ref(), CHUNK).await?;
        let full = models.len() == CHUNK as usize;
        for model in models {
            looked_at += 1;
            last = Some(model.name.clone());
            if narrowed.commercial && !is_commercial(db, licenses, &model.name).await? {
                continue;
            }
            let entry = models::entry(db, model).await?;
            if narrowed.fits.is_none_or(|machine| fits(&entry, machine)) {
                entries.push(entry);
            }
            if entries.len() == limit {
                return Ok(Portion { entries, next: last });
            }
        }
        if !full {
            return Ok(Portion { entries, next: None });
        }
    }
    Ok(Portion { entries, next: last })
}

async fn is_commercial(db: &Db, licenses: &Licenses, model: &ModelName) -> Result<bool, RecordsError> {
    let lineage = facts::lineage(db, model).await?;
    Ok(lineage::permission(&lineage, licenses, Purpose::Commercial) == Permission::Permitted)
}

fn fits(entry: &Entry, machine: &Machine) -> bool {
    usual_memory(entry)
        .is_some_and(|(_, memory)| Verdict::of(memory.peak, machine.available()) != Verdict::DoesNotRun)
}

/// The usual variant with the memory of one page at the full context, if enough is known.
pub fn usual_memory(entry: &Entry) -> Option<(&str, Memory)> {
    let (shape, variant, weights, usage) = hardware::usual(&entry.model.card, &entry.variants)?;
    let memory = shape.memory(weights, usage).ok()?;
    Some((variant.name.as_str(), memory))
}

/// What the licenses of a model's whole lineage come to.
pub async fn terms(db: &Db, licenses: &Licenses, model: &ModelName) -> Result<EffectiveTerms, RecordsError> {
    Ok(effective::terms(&facts::lineage(db, model).await?, licenses))
}

/// The models around one.
pub async fn tree(db: &Db, licenses: &Licenses, model: &ModelName) -> Result<FamilyTree, RecordsError> {
    let (edges, known) = edges::around(db, model, TREE_LIMIT).await?;
    Ok(FamilyTree::of(model, edges, &known, licenses))
}

/// Questions about a model that its facts answer.
pub fn questions(entry: &Entry, terms: &EffectiveTerms, language: Language) -> Vec<faq::Entry> {
    let facts = faq::Facts {
        model: &entry.model,
        terms,
        memory: usual_memory(entry),
    };
    faq::of(facts, language)
}

/// Models with their lineages, in the order in which they are named; the name of one that is not registered.
pub async fn to_compare(
    db: &Db,
    names: &[ModelName],
) -> Result<Result<Vec<(Model, Vec<Licensed>)>, ModelName>, RecordsError> {
    let mut found = Vec::new();
    for name in names {
        match models::get(db, name).await? {
            Some(model) => found.push((model, facts::lineage(db, name).await?)),
            None => return Ok(Err(name.clone())),
        }
    }
    Ok(Ok(found))
}

/// Models to compare with: of about as many parameters, then one of more and one of fewer.
pub async fn comparable(db: &Db, entry: &Entry) -> Result<Vec<Model>, RecordsError> {
    let Some(own) = entry.model.card.parameters else {
        return Ok(Vec::new());
    };
    let band = own / 3 * 2..=own / 2 * 3;
    let others = models::near(db, &entry.model, own, band.clone(), ALIKE as u32)
        .await?
        .into_iter();
    let mut sized: Vec<(u64, Model)> = others
        .filter_map(|model| Some((model.card.parameters?, model)))
        .collect();
    sized.sort_by(|(one, first), (other, second)| {
        (one.abs_diff(own), &first.name).cmp(&(other.abs_diff(own), &second.name))
    });
    let alike = sized
        .iter()
        .filter(|(parameters, _)| band.contains(parameters))
        .take(ALIKE);
    let above = sized.iter().find(|(parameters, _)| parameters > band.end());
    let below = sized.iter().find(|(parameters, _)| parameters < band.start());
    Ok(alike
        .chain(above)
        .chain(below)
        .map(|(_, model)| model.clone())
        .collect())
}
