//! Which file of a crate names which: every form of `use`, and every path that starts with `crate`, `super` or `self`.
//!
//! A name is followed through `pub use` to the file that defines it, so a room's front hides no import. Macros and
//! strings are not understood; neither holds a path here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module's path from the root of its crate: none for the root itself.
pub(crate) type Module = Vec<String>;

/// The files of a crate below one folder, as modules.
pub(crate) struct Sources {
    files: BTreeMap<Module, (PathBuf, String)>,
}

impl Sources {
    /// Of these files below `root`, whose root is `lib.rs`, else `main.rs`.
    pub(crate) fn of(root: &Path, files: Vec<PathBuf>) -> Self {
        let module = |file: &Path| -> Module {
            let inner = file.strip_prefix(root).expect("a file below the root").with_extension("");
            let mut names: Module =
                inner.iter().map(|name| name.to_string_lossy().into_owned()).collect();
            let is_root = |name: &str| names.len() == 1 && ["lib", "main"].contains(&name);
            if names.last().is_some_and(|name| name == "mod" || is_root(name)) {
                names.pop();
            }
            names
        };
        let read = |file: PathBuf| {
            let text = std::fs::read_to_string(&file).expect("a text file");
            (module(&file), (file, text))
        };
        // The program's own file beside its library.
        let beside = root.join("lib.rs").exists();
        let files = files.into_iter().filter(|file| !(beside && file.ends_with("main.rs")));
        Self { files: files.map(read).collect() }
    }

    /// Of each file, by its module: the modules of the files that it names.
    pub(crate) fn imports(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let imports = |(module, (_, text)): (&Module, &(PathBuf, String))| {
            let named = paths(text).into_iter().filter_map(|path| self.target(module, &path));
            (module.clone(), named.filter(|named| named != module).collect())
        };
        self.files.iter().map(imports).collect()
    }

    /// Files that no `mod` names, so that no compiler sees them.
    pub(crate) fn undeclared(&self) -> Vec<&Path> {
        let is_declared = |module: &Module| {
            let Some((name, parent)) = module.split_last() else { return true };
            let declared = |text: &String| {
                let declaration = format!("mod {name};");
                text.lines().any(|line| line.ends_with(&declaration))
            };
            self.files.get(parent).is_some_and(|(_, text)| declared(text))
        };
        let dead = self.files.iter().filter(|(module, _)| !is_declared(module));
        dead.map(|(_, (file, _))| file.as_path()).collect()
    }

    /// The file that a path of `module` leads to; `None` if that is of another crate.
    fn target(&self, module: &[String], path: &[String]) -> Option<Module> {
        let mut at = module.to_vec();
        let mut rest = path;
        while let Some((first, behind)) = rest.split_first() {
            match first.as_str() {
                "crate" => at.clear(),
                "super" => drop(at.pop()),
                "self" => {}
                _ => break,
            }
            rest = behind;
        }
        let mut inside = rest.len() < path.len();
        while let Some((first, behind)) = rest.split_first() {
            at.push(first.clone());
            if !self.files.contains_key(&at) {
                at.pop();
                break;
            }
            (inside, rest) = (true, behind);
        }
        let Some(item) = rest.first().filter(|_| inside) else { return inside.then_some(at) };
        let (_, text) = self.files.get(&at)?;
        let defined = exported(text).into_iter().find(|path| path.last() == Some(item));
        defined.and_then(|path| self.target(&at, &path)).or(Some(at))
    }
}

/// The code of a file, without its comments and its unit tests.
fn code(text: &str) -> String {
    let tests = text.find("\nmod tests {").unwrap_or(text.len());
    let lines = text[..tests].lines();
    lines.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// What a file's `pub use` lead to.
fn exported(text: &str) -> Vec<Module> {
    uses(&code(text))
        .filter(|(is_public, _)| *is_public)
        .flat_map(|(_, tree)| spread(tree))
        .collect()
}

/// Every path that a file names.
fn paths(text: &str) -> Vec<Module> {
    let code = code(text);
    let mut paths: Vec<Module> = uses(&code).flat_map(|(_, tree)| spread(tree)).collect();
    for line in code.lines().filter(|line| !line.trim_start().contains("use ")) {
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let words = line.split(|c| !is_name(c)).filter(|word| word.contains("::"));
        paths.extend(words.map(|word| word.split("::").map(str::to_owned).collect::<Module>()));
    }
    paths
}

/// The trees of all `use`, and whether they are public.
fn uses(code: &str) -> impl Iterator<Item = (bool, &str)> {
    code.match_indices("use ").filter_map(|(at, _)| {
        let line = code[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let before = code[line..at].trim();
        let is_use = before.is_empty() || (before.starts_with("pub") && !before.contains(' '));
        let (tree, _) = code[at + "use ".len()..].split_once(';')?;
        is_use.then_some((!before.is_empty(), tree))
    })
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`; the name that `as` gives is left out.
fn spread(tree: &str) -> Vec<Module> {
    let tree = tree.trim();
    let Some((prefix, inner)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        return vec![path.split("::").filter(|name| *name != "*").map(str::to_owned).collect()];
    };
    let inner = inner.trim_end().strip_suffix('}').unwrap_or(inner);
    let prefix: Module = prefix
        .split("::")
        .filter(|name| !name.trim().is_empty())
        .map(|name| name.trim().to_owned())
        .collect();
    let mut depth = 0;
    let is_between = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    };
    let parts = inner.split(is_between).filter(|part| !part.trim().is_empty());
    let paths = parts.flat_map(spread);
    paths
        .map(|path| {
            prefix.iter().chain(path.iter().filter(|name| *name != "self")).cloned().collect()
        })
        .collect()
}
