//! The rules of the sources that neither compiler nor clippy knows: which folder may name which,
//! that a file says what it is and stays small, and that a large type says why it is. It reads line by
//! line and parses nothing: the layer must stand right behind `crate::`. Clocks, sockets, files and the
//! log below `net` are for clippy to find (`clippy.toml`).

use std::fs;
use std::path::Path;

/// Folders and files of `src`: one may name what stands left of its own `<`.
const LAYERS: &str = "time < bucket clean config password size_class < chat < archive moderation < dialect < fanout < session < hub \
                      < turn < web < net";
/// What the client may name of `chatd`.
const OPEN_TO_CLIENT: &str = "clean dialect";
/// Crates that reach the system: not for the layers from `chat` to `turn`.
const EDGE_CRATES: &str = "clap listenfd log mio rustix rustls signal_hook socket2";
const FILE_LINES_MAX: usize = 420;
/// Of one type, without a reason beside it.
const METHODS_MAX: usize = 20;
const FIELDS_MAX: usize = 12;

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
    let large = large_types(code);
    let faults = faults.into_iter().chain(large.iter().map(String::as_str));
    faults.map(|fault| format!("{path}: {fault}")).collect()
}

/// The types of a file that have more methods or fields than the bounds and no reason for it in their
/// comment. The methods of a type stand in its file (`circles`).
fn large_types(code: &str) -> Vec<String> {
    let lines: Vec<&str> = code.lines().collect();
    let block_at = |start: usize| lines[start + 1..].iter().take_while(|line| **line != "}");
    let is_method = |line: &&&str| {
        let line = line.strip_prefix("    ").unwrap_or_default();
        ["fn ", "pub fn ", "pub(super) fn ", "pub const fn "]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let is_field = |line: &&&str| {
        let field = line.strip_prefix("    ").unwrap_or_default();
        let field = field
            .trim_start_matches("pub(super) ")
            .trim_start_matches("pub ");
        field
            .split_once(": ")
            .is_some_and(|(name, _)| name.chars().all(|c| c == '_' || c.is_alphanumeric()))
    };
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let declared = line
            .trim_start_matches("pub(super) ")
            .trim_start_matches("pub ");
        let Some(declared) = declared
            .strip_prefix("struct ")
            .filter(|_| line.ends_with('{'))
        else {
            continue;
        };
        let is_part = |c: char| c.is_alphanumeric();
        let name: String = declared.chars().take_while(|&c| is_part(c)).collect();
        let above = lines[..at].iter().rev();
        let comment = above.take_while(|line| line.starts_with("///") || line.contains([']', '[']));
        let comment: String = comment.copied().collect();
        let of_type = |line: &str| {
            let words = line.split(|c| !is_part(c));
            line.starts_with("impl")
                && !line.contains(" for ")
                && words.into_iter().any(|word| word == name)
        };
        let blocks = (0..lines.len()).filter(|&at| of_type(lines[at]));
        let methods = blocks
            .map(|at| block_at(at).filter(is_method).count())
            .sum::<usize>();
        let fields = block_at(at).filter(is_field).count();
        if methods > METHODS_MAX && !comment.contains("method") {
            found.push(format!("{name} has {methods} methods"));
        }
        if fields > FIELDS_MAX && !comment.contains("field") {
            found.push(format!("{name} has {fields} fields"));
        }
    }
    found
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

#[test]
fn large_types_are_found() {
    let methods = |count| "    pub fn f(&self) {\n    }\n".repeat(count);
    let types = |comment: &str, fields| {
        let fields = "    pub(super) f: A<B>,\n".repeat(fields);
        let (few, more) = (methods(15), methods(6));
        format!(
            "/// One{comment}.\n#[derive(Debug)]\npub struct One<A> {{\n{fields}}}\n\n\
             impl<A> One<A> {{\n{few}}}\nimpl B for One {{\n{few}}}\nimpl One<B> {{\n{more}}}\n"
        )
    };
    assert_eq!(large_types(&types("", 3)), ["One has 21 methods"]);
    assert_eq!(
        large_types(&types("; many methods since", 13)),
        ["One has 13 fields"]
    );
    assert_eq!(large_types(&types("; methods, fields since", 13)), [""; 0]);
}
