//! Compiles the license files in, so that a license is added without touching Rust.

use std::{env, error::Error, ffi::OsStr, fmt::Write, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let crate_folder = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo did not set CARGO_MANIFEST_DIR")?;
    let folder = Path::new(&crate_folder)
        .join("../../policies/licenses")
        .canonicalize()?;
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files = fs::read_dir(&folder)?
        .map(|entry| entry.map(|found| found.path()))
        .filter(|path| !matches!(path, Ok(path) if path.extension() != Some(OsStr::new("toml"))))
        .collect::<Result<Vec<_>, _>>()?;
    files.sort();
    let mut code = String::from("const LICENSE_FILES: &[(&str, &str)] = &[\n");
    for file in files {
        println!("cargo:rerun-if-changed={}", file.display());
        let name = file
            .file_name()
            .and_then(OsStr::to_str)
            .ok_or("a license file's name is not text")?;
        writeln!(
            code,
            "    ({name:?}, include_str!({:?})),",
            file.display().to_string()
        )?;
    }
    code.push_str("];\n");
    let out = env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?;
    fs::write(Path::new(&out).join("license_files.rs"), code)?;
    Ok(())
}
