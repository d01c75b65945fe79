//! Notes the commit that is built, for the figures of `precis bench`.

use std::process::Command;

fn main() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output
            .status
            .success()
            .then(|| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    // Outside a checkout there is nothing to note.
    let commit = git(&[
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
        "--exclude=*",
    ]);
    println!(
        "cargo::rustc-env=PRECIS_COMMIT={}",
        commit.unwrap_or_else(|| "unknown".into())
    );
    // A change of the sources makes a checkout dirty, a commit or a reset moves its log.
    for path in ["build.rs", "src", "prompts", "models", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={path}");
    }
    for name in ["logs/HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}
