//! `glmhub model import`: a folder of weights, or a GGUF file, becomes a revision of a model.
//!
//! Every file is copied into the blobs and hashed on the way, once. What was stored is noted in a journal
//! (`imports/` in the data folder) with the file's size, time and inode, so that an import that was killed goes on
//! where it was; the journal is removed when the revision stands, and a later import hashes everything anew. Only
//! the last step writes to the database, in one transaction. A hub may be up on the same folder meanwhile.

mod journal;
pub mod layout;
pub mod outcome;
mod quantised;
pub mod storing;

use crate::{
    clock::SystemClock,
    composition::backends,
    config::{self, Place},
    data_folder::DataFolder,
    misuse::Misuse,
};
use clap::Args;
use domain::{
    clock::SharedClock,
    id::IdMaker,
    license::Licenses,
    model::{Card, Model, Seed},
    names::{LicenseName, ModelName, TenantName},
    registration,
};
use hub::importing::{self, Bringing, Weights};
use journal::Journal;
use layout::Layout;
use outcome::{Grounds, Licensing, Outcome};
use records::{Db, facts, models};
use std::{path::PathBuf, sync::Arc};
use storing::Storing;
use time::OffsetDateTime;

pub const EXAMPLE: &str = "\
Examples:
  glmhub model import --model THUDM/glm-4v-9b --from ./glm-4v-9b
  glmhub model import --data /srv/glmhub --model acme/glm-4-reader --license glm-4 --from /weights --json
  glmhub model import --model THUDM/glm-4v-9b --from ./glm-4v-9b-q4_k_m.gguf

Takes config.json, generation_config.json, tokenizer files, safetensors shards with their index, LICENSE and
README.md; names what else it finds and leaves it. Of a GGUF file that `glmhub model quantize` made it takes the file with
the LICENSE and README.md beside it. The text of LICENSE becomes the terms that tenants accept.
Interrupted, run it again: it goes on where it was.";

/// The license of models of this architecture, if nothing else is said: they are only published under it.
const PRESUMED: &str = "glm-4";

/// Makes a revision of a model from a folder of weights
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ImportArgs {
    #[command(flatten)]
    place: Place,
    /// The model that the weights are of
    #[arg(long, value_name = "OWNER/NAME")]
    model: ModelName,
    /// The folder that holds the weights, in the layout of Hugging Face; or a GGUF file
    #[arg(long, value_name = "DIR|FILE.gguf")]
    from: PathBuf,
    /// The license of a model that is not registered yet [default: glm-4, presumed from the architecture]
    #[arg(long, value_name = "ID")]
    license: Option<LicenseName>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Imports, and says what came of it.
pub async fn run(args: ImportArgs) -> anyhow::Result<()> {
    let settings = config::load(&args.place, &[])?.settings;
    let layout = Layout::inspect(&args.from)?;
    let folder = DataFolder::open(&args.place.data)?;
    let db = folder.records(&settings).await?;
    let clock: SharedClock = Arc::new(SystemClock);
    models::seed(&db, &Seed::shipped()?, clock.now()).await?;
    let policies = folder.policies(&settings).policies()?;
    let licensing = licensing(&db, &args, policies.licenses()).await?;
    check_name(&db, &args.model, &licensing, policies.licenses()).await?;
    let blobs = backends::blobs(&folder, &settings).await?;
    let journal = Journal::open(&folder.resolve("imports".as_ref()), &layout.folder)?;
    let known = models::artifacts_of_model(&db, &args.model).await?;
    let mut storing = Storing::new(&*blobs, journal, known, layout.total_bytes());
    let artifacts = storing.store_all(&layout.files).await?;
    layout.check_unchanged()?;
    let model = model(&args.model, &licensing, clock.now());
    let weights = Weights {
        artifacts,
        need: layout.need,
        terms: layout.terms.clone(),
    };
    let by = Bringing {
        id: IdMaker::new(clock.clone()).make(),
        at: clock.now(),
        tenant: TenantName::of_operator(),
        member: None,
        upload: None,
    };
    let revision = importing::revision(&*blobs, model, weights, by).await?;
    let imported = models::add_revision(&db, &revision).await?;
    let current = models::current_revision(&db, &args.model)
        .await?
        .map(|newest| newest.sha256);
    db.close().await;
    let copied_bytes = storing.finish();
    let outcome = Outcome {
        revision,
        imported,
        current,
        licensing,
        copied_bytes,
        ignored: layout.ignored,
    };
    outcome.print(args.json)
}

/// Under which license the model stands, and how that is known.
async fn licensing(db: &Db, args: &ImportArgs, licenses: &Licenses) -> anyhow::Result<Licensing> {
    let model = &args.model;
    if let Some(known) = models::get(db, model).await? {
        return match &args.license {
            Some(wanted) if *wanted != known.license => Err(Misuse(format!(
                "{model} is registered under {}, and an import does not change that: leave --license away, or import \
                 under another --model",
                known.license
            ))
            .into()),
            _ => Ok(Licensing { license: known.license, grounds: Grounds::Registered(known.license_source) }),
        };
    }
    let Some(license) = args.license.clone() else {
        return Ok(Licensing {
            license: PRESUMED.parse()?,
            grounds: Grounds::Presumed,
        });
    };
    if licenses.get(&license).is_none() {
        let ids: Vec<_> = licenses.iter().map(|license| license.id.as_str()).collect();
        return Err(Misuse(format!(
            "no license {license} is known here: --license takes {}",
            ids.join(", ")
        ))
        .into());
    }
    Ok(Licensing {
        license,
        grounds: Grounds::Given,
    })
}

/// Refuses a name that a license of the model's lineage does not let it have.
async fn check_name(
    db: &Db,
    model: &ModelName,
    licensing: &Licensing,
    licenses: &Licenses,
) -> anyhow::Result<()> {
    let mut lineage = facts::lineage(db, model).await?;
    // Of a model that is not registered yet, the license is the one that it is being registered under.
    if let Some(own) = lineage.first_mut() {
        own.license.get_or_insert_with(|| licensing.license.clone());
    }
    registration::check_name(&lineage, licenses).map_err(|refused| {
        let cure = format!("choose a --model OWNER/{}-NAME", refused.prefix);
        Misuse(format!("{refused}: {cure}")).into()
    })
}

fn model(name: &ModelName, licensing: &Licensing, at: OffsetDateTime) -> Model {
    Model {
        name: name.clone(),
        license: licensing.license.clone(),
        license_source: licensing.grounds.source().to_owned(),
        card: Card::default(),
        registered_at: at,
    }
}
