//! Reads the sources and fails on what the compiler cannot know: imports against the layers, a
//! clock or a socket below `net`, files and functions that have grown too long, files that do not
//! say what they are. It scans text the way `rustc` splits it (comments, strings and test modules
//! taken out), and is no linter of style: that is rustfmt's and clippy's work.
//!
//! To allow a layer something new, change [`LAYERS`]; the drawing in `src/lib.rs` must agree.

#[path = "tidy/scan.rs"]
mod scan;

use std::fs;
use std::path::Path;

use scan::{Code, NamedPath, Token, code_of, end_of_item, paths, tokens, without_tests};

/// What a layer (the first part of a path below `src/`, without `.rs`) may import of this crate
/// besides itself. A file in none of them (`main.rs`, `lib.rs`, `bin/`) may import all.
const LAYERS: &[(&str, &[&str])] = &[
    ("chat", &[]),
    ("config", &[]),
    ("time", &[]),
    ("clean", &[]),
    ("dialect", &["chat", "time"]),
    ("fanout", &["time"]),
    ("hub", &["chat", "dialect", "fanout", "config", "time"]),
    (
        "net",
        &["chat", "dialect", "hub", "config", "time", "clean"],
    ),
    ("client", &["dialect", "clean"]),
];

/// Layers that know no clock, socket, file, log or environment: everything below `net`.
const PURE_LAYERS: &[&str] = &["chat", "dialect", "fanout", "hub"];

/// Layers that use nothing but std.
const STD_ONLY_LAYERS: &[&str] = &["config", "time", "clean"];

/// Paths that a pure layer must not name, wherever they stand in a longer path.
const IMPURE_PATHS: &[&[&str]] = &[
    &["std", "net"],
    &["std", "fs"],
    &["std", "io"],
    &["std", "env"],
    &["std", "os"],
    &["std", "process"],
    &["std", "thread"],
    &["Instant", "now"],
    &["SystemTime"],
    &["log"],
    &["mio"],
    &["socket2"],
    &["rustix"],
    &["signal_hook"],
    &["signal_hook_mio"],
];

const IMPURE_MACROS: &[&str] = &[
    "println", "print", "eprintln", "eprint", "dbg", "error", "warn", "info", "debug", "trace",
];

/// Reads the clock behind one's back.
const IMPURE_METHODS: &[&str] = &["elapsed"];

const FILE_LINES_MAX: usize = 420;
const FUNCTION_LINES_MAX: usize = 60;

#[test]
fn the_sources_keep_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the manifest");
    let crates = dependencies(&manifest);
    let mut faults = Vec::new();
    let mut sources = 0;
    for folder in ["src", "tests", "benches"] {
        for (path, text) in rust_files(root, &root.join(folder)) {
            faults.extend(faults_of_any_file(&path, &text));
            // A module of tests in a file of its own is no source.
            if folder == "src" && !path.ends_with("/tests.rs") {
                sources += 1;
                faults.extend(faults_of_source(&path, &text, &crates));
            }
        }
    }
    assert!(sources > 0, "there are no sources under {}", root.display());
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

// The rules.

/// `text` is the file at `path` (from the root of the package). Each fault is `path:line: why`.
fn faults_of_any_file(path: &str, text: &str) -> Vec<String> {
    if text.starts_with("//!") {
        return Vec::new();
    }
    vec![format!(
        "{path}:1: a file opens with `//!`: what it is, what it is not, who owns it"
    )]
}

fn faults_of_source(path: &str, text: &str, crates: &[String]) -> Vec<String> {
    let code = without_tests(&code_of(text));
    let mut faults = length_faults(&code);
    let tokens = tokens(&code);
    faults.extend(function_faults(&tokens));
    let place = Place::of(path);
    if let Some(layer) = LAYERS.iter().find(|(layer, _)| *layer == place.layer) {
        let paths = paths(&tokens);
        faults.extend(import_faults(&place, layer.1, &paths));
        if PURE_LAYERS.contains(&place.layer) {
            faults.extend(purity_faults(&place, &tokens, &paths));
        }
        if STD_ONLY_LAYERS.contains(&place.layer) {
            faults.extend(std_only_faults(&place, &paths, crates));
        }
    }
    faults.sort_by_key(|(line, _)| *line);
    faults
        .into_iter()
        .map(|(line, why)| format!("{path}:{line}: {why}"))
        .collect()
}

/// A line number and what is wrong there.
type Fault = (usize, String);

fn length_faults(code: &Code) -> Vec<Fault> {
    let lines = code.text.lines().count() - code.test_lines;
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let why = format!("the file has {lines} lines without tests, more than {FILE_LINES_MAX}");
    vec![(FILE_LINES_MAX + 1, why)]
}

fn function_faults(tokens: &[Token]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        // `fn` before anything but a name is the type of a pointer.
        if pair[0].text != "fn" || !pair[1].is_word() {
            continue;
        }
        let Some(end) = end_of_item(tokens, at) else {
            continue;
        };
        let lines = tokens[end].line - pair[0].line + 1;
        if lines > FUNCTION_LINES_MAX {
            let name = pair[1].text;
            let why = format!("`{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}");
            faults.push((pair[0].line, why));
        }
    }
    faults
}

fn import_faults(place: &Place, allowed: &[&str], paths: &[NamedPath]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for path in paths {
        let Some(reached) = place.reached_by(&path.parts) else {
            continue;
        };
        if reached != place.layer && !allowed.contains(&reached) {
            let (layer, named) = (place.layer, path.parts.join("::"));
            let allowed = match allowed {
                [] => "nothing of the crate".to_owned(),
                some => format!("only {}", some.join(", ")),
            };
            let why = format!("`{named}`: {layer} may import {allowed}");
            faults.push((path.line, why));
        }
    }
    faults
}

fn purity_faults(place: &Place, tokens: &[Token], paths: &[NamedPath]) -> Vec<Fault> {
    let mut found = Vec::new();
    for path in paths {
        let parts = &path.parts;
        // A crate is named at the start of a path; `std::net` may also be reached as `core::net`.
        let named = |forbidden: &[&str]| match forbidden {
            ["SystemTime"] => parts.contains(&"SystemTime"),
            [library] => parts.len() > 1 && parts[0] == *library,
            ["std", module] => matches!(parts[..], ["std" | "core", ref m, ..] if m == module),
            _ => parts.windows(forbidden.len()).any(|part| part == forbidden),
        };
        if IMPURE_PATHS.iter().any(|forbidden| named(forbidden)) {
            found.push((path.line, parts.join("::")));
        }
    }
    for part in tokens.windows(3) {
        let called = part[1].text == "!" && part[2].text != "=";
        if called && IMPURE_MACROS.contains(&part[0].text) {
            found.push((part[0].line, format!("{}!", part[0].text)));
        }
        if part[0].text == "." && IMPURE_METHODS.contains(&part[1].text) {
            found.push((part[1].line, format!(".{}()", part[1].text)));
        }
    }
    let layer = place.layer;
    found
        .into_iter()
        .map(|(line, what)| {
            let why = "below net nothing knows the clock, a socket, a file or the log";
            (line, format!("`{what}` in {layer}: {why}"))
        })
        .collect()
}

fn std_only_faults(place: &Place, paths: &[NamedPath], crates: &[String]) -> Vec<Fault> {
    paths
        .iter()
        .filter(|path| crates.iter().any(|name| name == path.parts[0]))
        // A plain value, like the rest of the settings.
        .filter(|path| path.parts != ["log", "LevelFilter"])
        .map(|path| {
            let (named, layer) = (path.parts.join("::"), place.layer);
            (
                path.line,
                format!("`{named}`: {layer} uses nothing but std"),
            )
        })
        .collect()
}

// Where a file stands.

/// The place of a source in the tree of modules.
struct Place<'a> {
    layer: &'a str,
    /// How many modules deep the file's own module is; 0 is the root of the crate.
    depth: usize,
    /// The modules on the way to it.
    modules: Vec<&'a str>,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Place<'a> {
        let inside = path.strip_prefix("src/").unwrap_or(path);
        let inside = inside.strip_suffix(".rs").unwrap_or(inside);
        let mut modules: Vec<&str> = inside.split('/').collect();
        if matches!(modules.last(), Some(&"mod" | &"lib" | &"main")) {
            modules.pop();
        }
        Place {
            layer: modules.first().copied().unwrap_or(""),
            depth: modules.len(),
            modules,
        }
    }

    /// The layer that a path leads to, if it leads into this crate by name: `crate::…`, `chatd::…`
    /// or `super::…` (which inside a module within the file reaches less far than is assumed here).
    fn reached_by<'p>(&self, parts: &[&'p str]) -> Option<&'p str>
    where
        'a: 'p,
    {
        match parts {
            ["crate" | "chatd", first, ..] => Some(first),
            ["super", ..] => {
                let up = parts.iter().take_while(|part| **part == "super").count();
                let left = self.depth.saturating_sub(up);
                self.modules[..left].first().or(parts.get(up)).copied()
            }
            _ => None,
        }
    }
}

/// The crates of `[dependencies]`, as they are called in code.
fn dependencies(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().replace('-', "_"))
        .filter(|name| !name.starts_with('#'))
        .collect()
}

/// All `.rs` files below a folder: path from the root, text. A folder that is not there has none.
fn rust_files(root: &Path, folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("an entry of a folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source is UTF-8");
                let name = path.strip_prefix(root).expect("below the root");
                files.push((name.display().to_string(), text));
            }
        }
    }
    files.sort();
    files
}

// The checker itself.

/// What is said of this text, as the file at `path`: `line: the words in backticks`.
fn said_of(path: &str, text: &str) -> Vec<String> {
    let crates = ["clap".to_owned(), "memchr".to_owned()];
    faults_of_source(path, text, &crates)
        .iter()
        .map(|fault| {
            let rest = fault.strip_prefix(path).expect("the path comes first");
            let line = rest.split(':').nth(1).expect("then the line");
            let what = fault.split('`').nth(1).unwrap_or("");
            format!("{line}: {what}")
        })
        .collect()
}

#[test]
fn an_import_against_the_layers_is_caught() {
    let text = "//! X.\nuse crate::{chat::Name, hub::{self, Hub}};\nfn f() { crate::net::go() }\n";
    assert_eq!(
        said_of("src/dialect/text.rs", text),
        [
            "2: crate::hub::self",
            "2: crate::hub::Hub",
            "3: crate::net::go"
        ]
    );
    assert_eq!(said_of("src/net/mod.rs", text), [""; 0]);
    assert_eq!(said_of("src/main.rs", text), [""; 0]);
    assert_eq!(said_of("src/chat/mod.rs", text).len(), 3);
}

#[test]
fn a_way_around_by_super_is_caught() {
    let text = "//! X.\nuse super::name;\nuse super::super::dialect;\n";
    assert_eq!(
        said_of("src/chat/room.rs", text),
        ["3: super::super::dialect"]
    );
    assert_eq!(
        said_of("src/chat/mod.rs", "//! X.\nuse super::dialect::line;\n"),
        ["2: super::dialect::line"]
    );
    assert_eq!(said_of("src/dialect/text/mod.rs", text), [""; 0]);
}

#[test]
fn a_clock_a_socket_or_a_log_below_net_is_caught() {
    let text = "//! X.\n\
        use ::std::{net::TcpStream, time::Instant};\n\
        use std::io::{self, Read};\n\
        fn f(start: Instant) {\n\
        let now = std::time::Instant::now();\n\
        let age = start.elapsed();\n\
        log::info!(\"{}\", age);\n\
        warn!(\"x\");\n\
        println!(\"x\");\n\
        let t: mio::Token;\n\
        let wall = SystemTime::now();\n\
        }\n";
    let said = said_of("src/hub/mod.rs", text);
    assert_eq!(
        said,
        [
            "2: std::net::TcpStream",
            "3: std::io::self",
            "3: std::io::Read",
            "5: std::time::Instant::now",
            "6: .elapsed()",
            "7: log::info",
            "7: info!",
            "8: warn!",
            "9: println!",
            "10: mio::Token",
            "11: SystemTime::now",
        ]
    );
    assert_eq!(said_of("src/net/server.rs", text), [""; 0]);
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = "//! X: crate::net, std::fs.\n\
        // crate::net\n\
        /* /* crate::net */ std::fs::read */\n\
        fn f<'a>(x: &'a str) -> char {\n\
        let s = \"crate::net \\\" std::fs\";\n\
        let r = r#\"crate::net \" std::fs\"#;\n\
        let log = 1; // a word of that name is no crate\n\
        if error != log { info.trace != x }\n\
        if x == '\\'' { '\"' } else { '{' }\n\
        }\n\
        #[cfg(test)]\n\
        mod tests { use std::fs; fn g() { println!(\"{}\", crate::net::X) } }\n\
        fn after() { crate::net::go() }\n";
    assert_eq!(said_of("src/chat/room.rs", text), ["13: crate::net::go"]);
}

#[test]
fn another_crate_where_only_std_may_be_is_caught() {
    let text = "//! X.\nuse std::time::Duration;\nuse clap::Parser;\nuse crate::hub::Hub;\n";
    assert_eq!(
        said_of("src/config.rs", text),
        ["3: clap::Parser", "4: crate::hub::Hub"]
    );
    assert_eq!(
        said_of("src/dialect/line.rs", "//! X.\nuse memchr::memchr;\n"),
        [""; 0]
    );
}

#[test]
fn a_long_file_and_a_long_function_are_caught() {
    let function =
        |lines: usize| format!("fn f() -> [u8; 2] {{\n{}}}\n", "g();\n".repeat(lines - 2));
    let text = format!("//! X.\n{}{}", function(60), function(61));
    let said = faults_of_source("src/net/conn.rs", &text, &[]);
    assert_eq!(said, ["src/net/conn.rs:62: `f` has 61 lines, more than 60"]);

    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(500));
    let kept = format!("//! X.\n{}{tests}", "const A: u8 = 1;\n".repeat(419));
    assert_eq!(faults_of_source("src/main.rs", &kept, &[]), [""; 0]);
    let grown = format!("//! X.\n{}{tests}", "const A: u8 = 1;\n".repeat(420));
    assert_eq!(
        faults_of_source("src/main.rs", &grown, &[]),
        ["src/main.rs:421: the file has 421 lines without tests, more than 420"]
    );
}

#[test]
fn a_file_that_does_not_say_what_it_is_is_caught() {
    assert_eq!(faults_of_any_file("tests/x.rs", "//! X.\n"), [""; 0]);
    assert_eq!(
        faults_of_any_file("tests/x.rs", "// X.\nfn f() {}\n").len(),
        1
    );
    assert_eq!(faults_of_any_file("tests/x.rs", "").len(), 1);
}
