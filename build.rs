//! Notes the commit that is built, for the figures of `precis bench`, and of which sources the numbers of a model are,
//! so that none are kept for a program that computes them otherwise. With the feature `cuda`, compiles what runs on a card.

use std::hash::{DefaultHasher, Hasher};
use std::path::PathBuf;
use std::process::Command;
use std::{fs, io};

fn main() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    // Outside a checkout there is nothing to note.
    let commit = git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]);
    println!("cargo::rustc-env=PRECIS_COMMIT={}", commit.unwrap_or_else(|| "unknown".into()));
    println!("cargo::rustc-env=PRECIS_ARITHMETIC={:016x}", arithmetic().expect("the sources can be read"));
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        compile_for_cards().expect("`src/kernel/cuda/card.cu` is compiled by nvcc");
    }
    // A change of the sources makes a checkout dirty, a commit or a reset moves its log.
    for path in ["build.rs", "src", "prompts", "models", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={path}");
    }
    for name in ["logs/HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// Compiles to PTX, which the driver makes into the code of the card it finds, of compute capability 8.0 or more.
fn compile_for_cards() -> io::Result<()> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("card.ptx");
    let home = std::env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("bin/nvcc"));
    let nvcc = std::env::var_os("NVCC").map(PathBuf::from).or(home.filter(|path| path.is_file()));
    let status = Command::new(nvcc.unwrap_or_else(|| "nvcc".into()))
        .args(["-ptx", "-arch=compute_80", "-O3", "-std=c++17", "src/kernel/cuda/card.cu", "-o"])
        .arg(out)
        .status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("nvcc failed: {status}"))) }
}

/// A hash of the sources that numbers come from, those of other crates by their versions.
fn arithmetic() -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    let mut paths: Vec<PathBuf> = ["src/kernel", "src/model", "Cargo.lock"].map(PathBuf::from).into();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let inside = fs::read_dir(&path)?.map(|entry| Ok(entry?.path()));
            paths.extend(inside.collect::<io::Result<Vec<_>>>()?);
            paths.sort();
        } else if path.is_file() {
            hasher.write(&fs::read(&path)?);
        }
    }
    Ok(hasher.finish())
}
