//! The rules of the sources that neither compiler nor clippy knows: which folder may name which,
//! and that a file says what it is and stays small. It reads line by line and parses nothing: the
//! layer must stand right behind `crate::`. Clocks, sockets, files and the log below `net` are for
//! clippy to find (`clippy.toml`).

use std::fs;
use std::path::Path;

/// Folders and files of `src`: one may name what stands left of its own `<`.
const LAYERS: &str = "time < bucket clean config size_class < chat < archive < dialect < fanout < session < hub \
                      < turn < web < net";
/// What the client may name of `chatd`.
const OPEN_TO_CLIENT: &str = "clean dialect";
/// Crates that reach the system: not for the layers from `chat` to `turn`.
const EDGE_CRATES: &str = "clap listenfd log mio rustix rustls signal_hook socket2";
const FILE_LINES_MAX: usize = 420;

fn has(list: &str, name: &str) -> bool {
    list.split(' ').any(|word| word == name)
}

fn faults_of(path: &str, text: &str) -> Vec<String> {
    let place = path.strip_suffix(".rs").unwrap_or(path);
    let modules: Vec<&str> = place.split('/').skip(1).filter(|m| *m != "mod").collect();
    let row = |name: &str| LAYERS.split(" < ").position(|row| has(row, name));
    let may_name = |other: &str| match modules[0] {
        "main" | "lib" => true,
        "bin" => has(OPEN_TO_CLIENT, other),
        layer => other == layer || row(other).is_some() && row(other) < row(layer),
    };
    let is_pure = (row("chat")..=row("turn")).contains(&row(modules[0]));
    let is_bad = |path: &str| match path.split("::").collect::<Vec<_>>()[..] {
        ["crate", ..] if modules[0] == "bin" => false,
        ["crate" | "chatd", other, ..] => !may_name(other),
        ["super", ..] => path.matches("super::").count() >= modules.len(),
        [name, _, ..] => is_pure && has(EDGE_CRATES, name),
        _ => false,
    };
    let code = text.split("\nmod tests {").next().unwrap_or(text);
    let lines = code.lines().filter(|line| !line.trim().starts_with("//"));
    let paths = lines.flat_map(|l| l.split(|c: char| !c.is_alphanumeric() && !"_:".contains(c)));
    let mut faults: Vec<_> = paths.filter(|path| is_bad(path)).collect();
    if code.lines().count() > FILE_LINES_MAX {
        faults.push("too many lines");
    }
    if !text.starts_with("//!") {
        faults.push("does not open with //!");
    }
    let told = faults.iter().map(|fault| format!("{path}: {fault}"));
    told.collect()
}

fn faults_below(folder: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            faults.extend(faults_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            faults.extend(faults_of(path.to_str().unwrap(), &text));
        }
    }
    faults
}

#[test]
fn the_sources_keep_the_rules() {
    let faults = faults_below(Path::new("src"));
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn what_is_against_the_rules_is_found() {
    let good =
        "//! X.\n// crate::net\nuse crate::chat::A;\n#[cfg(test)]\nmod tests { use mio::B; }";
    assert_eq!(faults_of("src/hub/a.rs", good), [""; 0]);
    let bad = "use crate::{chat, net};\nuse crate::net::A;\nuse super::super::b;\nuse mio::B;\n";
    assert_eq!(faults_of("src/hub/a.rs", bad).len(), 5);
    let client = "//! X.\nuse crate::a::B;\nuse chatd::dialect::C;\nuse chatd::hub::D;\n";
    let told = faults_of("src/bin/chat-client/a.rs", client);
    assert_eq!(told, ["src/bin/chat-client/a.rs: chatd::hub::D"]);
}
