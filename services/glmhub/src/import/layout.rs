//! What a folder of weights, or a GGUF file, must hold, and what of it is taken.

use super::quantised;
use crate::{misuse::Misuse, model_shape::shape_of};
use domain::hardware::{KvType, Need, Usage};
use engine::{WeightType, config::Config, glm4v::tensors, tokenizer::Tokenizer, weights::Weights};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};
use tempfile::TempDir;

const INDEX: &str = "model.safetensors.index.json";
pub const LICENSE: &str = "LICENSE";
const PLAIN: [&str; 5] = [
    "config.json",
    "generation_config.json",
    INDEX,
    LICENSE,
    "README.md",
];
/// The longest text of terms in bytes.
const LONGEST_TERMS: u64 = 1024 * 1024;

/// A file that will be an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Its name; there are no folders in a model's folder.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What tells this state of it from another.
    pub state: FileState,
}

/// The state of a file as far as one can tell without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct FileState {
    /// Its size.
    pub bytes: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified_ns: u64,
    /// Which file of the filesystem it is.
    pub inode: u64,
}

/// A folder whose layout is right.
#[derive(Debug)]
pub struct Layout {
    /// The folder, absolute.
    pub folder: PathBuf,
    /// What is taken, by name.
    pub files: Vec<FoundFile>,
    /// The exact text of `LICENSE`.
    pub terms: Option<String>,
    /// What the model takes in memory.
    pub need: Need,
    /// What is there and does not belong to a model.
    pub ignored: Vec<String>,
    /// Where texts of a GGUF file lie until they are stored.
    #[expect(dead_code, reason = "it is there to be dropped")]
    texts: Option<TempDir>,
}

impl Layout {
    /// Looks at everything that can be seen without reading the weights themselves, in a folder or of a GGUF file.
    pub fn inspect(from: &Path) -> Result<Self, Misuse> {
        let about = |error: io::Error| {
            Misuse(format!(
                "{}: {error}: give --from the folder of the weights, or a GGUF file",
                from.display()
            ))
        };
        let place = from.canonicalize().map_err(about)?;
        if place.is_file() {
            let folder = place.parent().unwrap_or(&place).to_owned();
            return Self::of_quantised(folder, &place, Vec::new());
        }
        let (mut names, mut ignored) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&place).map_err(about)? {
            let path = entry.map_err(about)?.path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some(name) => names.push(name.to_owned()),
                None => ignored.push(
                    path.file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned(),
                ),
            }
        }
        names.sort();
        let has_checkpoint = names
            .iter()
            .any(|name| name.ends_with(".safetensors") || name == INDEX);
        if !has_checkpoint && let Some(file) = quantised::only_one(&place, &names)? {
            ignored.extend(names);
            return Self::of_quantised(place, &file, ignored);
        }
        Self::of_checkpoint(place, names, ignored)
    }

    fn of_checkpoint(folder: PathBuf, names: Vec<String>, mut ignored: Vec<String>) -> Result<Self, Misuse> {
        let (taken, left): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| belongs(name));
        ignored.extend(left);
        let files: Result<Vec<_>, Misuse> =
            taken.iter().map(|name| found(name, &folder.join(name))).collect();
        // Nothing is opened before every file that belongs is known to be a plain file of this folder.
        let files = files?;
        let (shards, need) = check_with_engine(&folder)?;
        let is_taken = |file: &FoundFile| !file.name.ends_with(".safetensors") || shards.contains(&file.name);
        let (files, left): (Vec<_>, Vec<_>) = files.into_iter().partition(is_taken);
        ignored.extend(left.into_iter().map(|file| file.name));
        Self::of(folder, files, need, ignored, None)
    }

    /// What is in the folder of a GGUF file and does not go along is `ignored`.
    fn of_quantised(folder: PathBuf, file: &Path, mut ignored: Vec<String>) -> Result<Self, Misuse> {
        let (files, texts) = quantised::files(file, &folder)?;
        let (_, need) = check_with_engine(file)?;
        ignored.retain(|name| !files.iter().any(|file| file.path == folder.join(name)));
        // Its matrices stay as they are in the file, whatever a worker keeps others in.
        let weights = files.first().map_or(0, |file| file.state.bytes);
        let need = Need {
            values: 0,
            working_bytes: need.working_bytes.saturating_add(weights),
        };
        let layout = Self::of(folder, files, need, ignored, Some(texts))?;
        quantised::check_terms(file, layout.terms.as_deref())?;
        Ok(layout)
    }

    fn of(
        folder: PathBuf,
        mut files: Vec<FoundFile>,
        need: Need,
        mut ignored: Vec<String>,
        texts: Option<TempDir>,
    ) -> Result<Self, Misuse> {
        files.sort_by(|one, other| one.name.cmp(&other.name));
        ignored.sort();
        let license = files.iter().find(|file| file.name == LICENSE);
        let terms = license.map(read_terms).transpose()?;
        Ok(Self {
            folder,
            files,
            terms,
            need,
            ignored,
            texts,
        })
    }

    /// The bytes of all files together.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.state.bytes).sum()
    }

    /// Whether the folder stood still since [`Layout::inspect`].
    pub fn check_unchanged(&self) -> Result<(), Misuse> {
        for file in &self.files {
            if found(&file.name, &file.path)?.state != file.state {
                return Err(changed(&file.path));
            }
        }
        Ok(())
    }
}

/// The error for a file that somebody wrote to meanwhile.
pub fn changed(path: &Path) -> Misuse {
    Misuse(format!(
        "{} changed while it was imported: wait until it is complete, then import again",
        path.display()
    ))
}

fn belongs(name: &str) -> bool {
    PLAIN.contains(&name) || name.starts_with("tokenizer") || name.ends_with(".safetensors")
}

pub fn found(name: &str, path: &Path) -> Result<FoundFile, Misuse> {
    let metadata =
        fs::symlink_metadata(path).map_err(|error| Misuse(format!("{}: {error}", path.display())))?;
    if metadata.is_symlink() {
        return Err(Misuse(format!(
            "{} is a symbolic link, and an import takes only what is in the folder itself: copy the folder with \
             `cp -RL` and import the copy",
            path.display()
        )));
    }
    if !metadata.is_file() {
        return Err(Misuse(format!(
            "{} is not a file: remove it or mend it",
            path.display()
        )));
    }
    Ok(FoundFile {
        name: name.to_owned(),
        path: path.to_owned(),
        state: state(&metadata),
    })
}

fn state(metadata: &Metadata) -> FileState {
    let since = metadata
        .modified()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let modified_ns = since
        .and_then(|since| u64::try_from(since.as_nanos()).ok())
        .unwrap_or(0);
    FileState {
        bytes: metadata.len(),
        modified_ns,
        inode: inode(metadata),
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_metadata: &Metadata) -> u64 {
    0
}

/// The engine's own checks of configuration, tokenizer, index, and of every tensor's name, shape and type. Its messages
/// name file and tensor. The values of the weights are checked when a worker loads them. Gives the names of the files
/// that hold weights, and the memory that they take.
fn check_with_engine(place: &Path) -> Result<(BTreeSet<String>, Need), Misuse> {
    let unfit =
        |error: &dyn std::error::Error| Misuse(format!("this is no GLM-4V that can run here: {error}"));
    let config = Config::load(place).map_err(|error| unfit(&error))?;
    Tokenizer::load(place).map_err(|error| unfit(&error))?;
    let weights = Weights::open(place, WeightType::F32).map_err(|error| unfit(&error))?;
    let names = weights
        .file_names()
        .map(|name| name.to_string_lossy().into_owned());
    let shards = names.collect();
    let tensors = tensors(&config);
    weights.check(&tensors).map_err(|error| unfit(&error))?;
    let values = tensors
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>() as u64);
    let need = Need {
        values: values.sum(),
        working_bytes: working_bytes(&config).map_err(|error| unfit(&*error))?,
    };
    Ok((shards, need))
}

/// What one page takes beside the weights, at the model's full context.
fn working_bytes(config: &Config) -> Result<u64, Box<dyn std::error::Error>> {
    let usage = Usage {
        context: config.context.try_into()?,
        images: 1,
        pages: 1,
        kv: KvType::F32,
    };
    Ok(shape_of(config)?.memory(0, usage)?.peak)
}

fn read_terms(file: &FoundFile) -> Result<String, Misuse> {
    let bad = |why: &str| {
        Misuse(format!(
            "{} {why}: put the license's text there as plain UTF-8, or remove the file",
            file.path.display()
        ))
    };
    if file.state.bytes > LONGEST_TERMS {
        return Err(bad("is longer than 1 MiB"));
    }
    let bytes = fs::read(&file.path).map_err(|error| bad(&format!("cannot be read ({error})")))?;
    let text = String::from_utf8(bytes).map_err(|_| bad("is not UTF-8"))?;
    if text.trim().is_empty() {
        return Err(bad("is empty"));
    }
    if text.contains('\0') {
        Err(bad("has a zero character"))
    } else {
        Ok(text)
    }
}
