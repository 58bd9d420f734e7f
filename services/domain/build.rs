//! Compiles the policy files in, so that a license or a rule is added without touching Rust.

use std::{
    env,
    error::Error,
    ffi::OsStr,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let crate_folder = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo did not set CARGO_MANIFEST_DIR")?;
    let policies = Path::new(&crate_folder).join("../../policies").canonicalize()?;
    let mut code = String::from("const SHIPPED: &[(&str, &str)] = &[\n");
    include(&mut code, &policies, "licenses", "toml")?;
    include(&mut code, &policies, "rules", "cedar")?;
    code.push_str("];\nconst CASES: &[(&str, &str)] = &[\n");
    include(&mut code, &policies, "cases", "toml")?;
    let schema = policies.join("schema.cedarschema");
    println!("cargo:rerun-if-changed={}", schema.display());
    writeln!(code, "];\nconst SCHEMA: &str = include_str!({schema:?});")?;
    let out = env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?;
    fs::write(Path::new(&out).join("policy_files.rs"), code)?;
    Ok(())
}

/// Lists the files of a folder with their texts.
fn include(code: &mut String, policies: &Path, folder: &str, extension: &str) -> Result<(), Box<dyn Error>> {
    for file in files(&policies.join(folder), extension)? {
        let name = file
            .file_name()
            .and_then(OsStr::to_str)
            .ok_or("a policy file's name is not text")?;
        writeln!(code, "    (\"{folder}/{name}\", include_str!({file:?})),")?;
    }
    Ok(())
}

/// The files of a folder with an extension, by name.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut found = fs::read_dir(folder)?
        .map(|entry| entry.map(|found| found.path()))
        .filter(|path| !matches!(path, Ok(path) if path.extension() != Some(OsStr::new(extension))))
        .collect::<Result<Vec<_>, _>>()?;
    found.sort();
    for file in &found {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    Ok(found)
}
