//! Builds what is compared: zload in release, and the bare C program against the libzmq that this zload links.
//!
//! Invariant: the output says which library the C program was linked to.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Outcome;

/// The C program's source, in the repository.
const SOURCE: &str = "benches/floor/asyncsrv_floor.c";

/// The two programs, ready to run.
pub(crate) struct Programs {
    pub(crate) zload: PathBuf,
    pub(crate) floor: PathBuf,
    /// A sentence about the libzmq of each.
    pub(crate) libraries: String,
}

impl Programs {
    /// Builds both; with `system`, the C program against the system's own libzmq.
    pub(crate) fn build(system: bool) -> Outcome<Self> {
        let messages = build_zload()?;
        let zload = messages
            .iter()
            .filter(|message| message["target"]["name"] == "zload")
            .find_map(|message| message["executable"].as_str())
            .ok_or("cargo built no executable named zload")?;
        let zload = PathBuf::from(zload);
        let floor = zload.with_file_name("asyncsrv_floor");
        let vendored = messages
            .iter()
            .filter(|message| message["reason"] == "build-script-executed")
            .filter(|message| {
                message["package_id"].as_str().is_some_and(|id| id.contains("zmq-sys"))
            })
            .find_map(|message| message["out_dir"].as_str())
            .map(PathBuf::from);
        let libraries = if system {
            compile(&floor, &["-lzmq".into()])?;
            "The C program is linked to the system's libzmq, zload to the one that its crate builds: the ratios \
             compare the two libraries, too."
        } else {
            let vendored = vendored.ok_or(
                "the zmq-sys crate built no libzmq here, so there is no library to share; use --system",
            )?;
            compile(&floor, &link_with(&vendored)?)?;
            "Both programs are linked to the same static libzmq, the one that zload's build made."
        };
        Ok(Self { zload, floor, libraries: libraries.to_owned() })
    }
}

/// What cargo says about the release build, one message each.
fn build_zload() -> Outcome<Vec<Value>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--bin", "zload", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("the release build of zload failed: {}", output.status));
    }
    Ok(output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
}

/// The compiler's arguments for the static library below `out`, the build folder of zmq-sys.
fn link_with(out: &Path) -> Outcome<Vec<String>> {
    let library =
        find(out, "libzmq.a").ok_or("the build of zmq-sys holds no libzmq.a; use --system")?;
    let header = find(out, "zmq.h").ok_or("the build of zmq-sys holds no zmq.h; use --system")?;
    let include = header.parent().unwrap_or(out);
    Ok(vec![format!("-I{}", include.display()), library.display().to_string(), "-lstdc++".into()])
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.path())).find_map(|path| {
        if path.is_dir() { find(&path, name) } else { path.ends_with(name).then_some(path) }
    })
}

fn compile(program: &Path, library: &[String]) -> Outcome<()> {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    // The include path must come before the source, libraries after it; `-I` may be anywhere.
    let status = Command::new(compiler)
        .args(["-O2", "-o"])
        .arg(program)
        .arg(SOURCE)
        .args(library)
        .args(["-lpthread", "-lm"])
        .status()
        .map_err(|error| format!("the C compiler cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{SOURCE} could not be built: {status}")) }
}
