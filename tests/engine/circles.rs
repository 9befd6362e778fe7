//! No circles between the files below `net`: if one file names something of another, that one names
//! nothing that leads back. Since the methods of a type stand in the file of the type (which is looked
//! at here too), what a file imports is what it can call. Read line by line, as rustfmt leaves them; a
//! name that a module only passes on (`pub use`) counts for the file that it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Modules, by path, with their code. The crate itself is the empty path.
type Sources = BTreeMap<Vec<String>, String>;
/// For each module and each name that it passes on: where that comes from.
type PassedOn = BTreeMap<(Vec<String>, String), Vec<String>>;

/// Without comments and tests.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let lines = code.lines().filter(|line| !line.trim().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn read_below(folder: &Path, module: &[String], sources: &mut Sources) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "bin" && name != "net" {
            read_below(&path, &[module, &[name]].concat(), sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let own = match name.as_str() {
                "mod" | "lib" => module.to_vec(),
                "main" | "net" | "tests" => continue,
                _ => [module, &[name]].concat(),
            };
            sources.insert(own, code_of(&fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The paths of a use declaration: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(tree: &str) -> Vec<String> {
    let Some((before, list)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        return vec![path.trim().to_owned()];
    };
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in list.trim_end().trim_end_matches('}').chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().unwrap().push(c),
        }
    }
    let parts = parts.iter().map(|part| part.trim());
    let named = parts.filter(|part| !part.is_empty());
    let paths = named.flat_map(expand);
    paths
        .map(|path| format!("{}{path}", before.trim()))
        .collect()
}

/// What a file imports, what it passes on, and the rest of its code.
fn take_apart(code: &str) -> (Vec<String>, Vec<String>, String) {
    let (mut imports, mut passed_on, mut rest) = (Vec::new(), Vec::new(), String::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let words = line.trim();
        let is_public = words.starts_with("pub use ") || words.starts_with("pub(super) use ");
        if !is_public && !words.starts_with("use ") {
            rest += line;
            rest.push('\n');
            continue;
        }
        let mut declared = words.split_once("use ").unwrap().1.to_owned();
        while !declared.ends_with(';') {
            declared += " ";
            declared += lines.next().unwrap().trim();
        }
        let paths = expand(declared.trim_end_matches(';'));
        if is_public {
            passed_on.extend(paths);
        } else {
            imports.extend(paths);
        }
    }
    (imports, passed_on, rest)
}

/// A path as it is seen from the crate; `None` if it leads out of it.
fn absolute(module: &[String], path: &str, sources: &Sources) -> Option<Vec<String>> {
    let mut names: Vec<String> = path.split("::").map(str::to_owned).collect();
    let ups = names.iter().take_while(|name| *name == "super").count();
    let base = match names[0].as_str() {
        "crate" => &[],
        "super" => &module[..module.len().checked_sub(ups)?],
        _ => module,
    };
    let is_child = sources.contains_key(&[module, &names[..1]].concat());
    match names[0].as_str() {
        "crate" | "self" => names.drain(..1),
        "super" => names.drain(..ups),
        _ if is_child => names.drain(..0),
        _ => return None,
    };
    Some([base, &names].concat())
}

/// The file that something comes from.
fn origin(path: &[String], sources: &Sources, passed_on: &PassedOn) -> Vec<String> {
    for length in 1..=path.len() {
        let (module, name) = (&path[..length - 1], &path[length - 1]);
        if !sources.contains_key(&path[..length])
            && let Some(target) = passed_on.get(&(module.to_vec(), name.clone()))
        {
            return origin(&[target, &path[length..]].concat(), sources, passed_on);
        }
    }
    let mut module = path;
    while !module.is_empty() && !sources.contains_key(module) {
        module = &module[..module.len() - 1];
    }
    module.to_vec()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Which module names something of which.
fn uses(sources: &Sources) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let mut passed_on = PassedOn::new();
    for (module, code) in sources {
        for path in take_apart(code).1 {
            if let Some(target) = absolute(module, &path, sources) {
                let name = target.last().unwrap().clone();
                passed_on.insert((module.clone(), name), target);
            }
        }
    }
    let uses_of = |module: &Vec<String>, code: &String| {
        let (mut paths, own, rest) = take_apart(code);
        let words: BTreeSet<&str> = rest.split(|c| !is_word(c)).collect();
        let is_used = |path: &String| words.contains(path.rsplit("::").next().unwrap());
        paths.extend(own.into_iter().filter(is_used));
        let in_code = rest.split(|c: char| !is_word(c) && c != ':');
        paths.extend(
            in_code
                .filter(|path| path.contains("::"))
                .map(str::to_owned),
        );
        let absolute = paths
            .iter()
            .filter_map(|path| absolute(module, path, sources));
        let origins = absolute.map(|path| origin(&path, sources, &passed_on));
        origins
            .filter(|other| other != module && !other.is_empty())
            .collect()
    };
    let all = sources.iter();
    all.map(|(module, code)| (module.clone(), uses_of(module, code)))
        .collect()
}

/// What is left when all are taken away of which nobody is used any more, or who use nobody: circles,
/// and what lies between them.
fn circles(sources: &Sources) -> Vec<String> {
    let mut uses = uses(sources);
    loop {
        let used: BTreeSet<_> = uses.values().flatten().cloned().collect();
        let before = uses.len();
        uses.retain(|module, others| !others.is_empty() && used.contains(module));
        let left: BTreeSet<_> = uses.keys().cloned().collect();
        uses.values_mut()
            .for_each(|others| others.retain(|other| left.contains(other)));
        if uses.len() == before {
            break;
        }
    }
    let told = uses.iter().map(|(module, others)| {
        let others: Vec<String> = others.iter().map(|other| other.join("::")).collect();
        format!("{} uses {}", module.join("::"), others.join(", "))
    });
    told.collect()
}

/// Methods of a type that stand in another file than the type.
fn strangers(sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    for (module, code) in sources {
        let blocks = code.lines().filter(|line| line.starts_with("impl"));
        for block in blocks.filter(|line| !line.contains(" for ") && line.ends_with('{')) {
            // Behind the parameters of the block, if it has any.
            let named = block.split_once("> ").map_or(block, |(_, named)| named);
            let named = if block.starts_with("impl<") {
                named
            } else {
                &block[5..]
            };
            let owner = named.split(|c| !is_word(c)).next().unwrap_or_default();
            let declared = ["struct", "enum"].map(|kind| format!("{kind} {owner}"));
            if !declared.iter().any(|words| code.contains(words)) {
                found.push(format!("{}: {block}", module.join("::")));
            }
        }
    }
    found
}

#[test]
fn no_file_below_net_leads_back_to_itself() {
    let mut sources = Sources::new();
    read_below(Path::new("src"), &[], &mut sources);
    assert!(sources.len() > 50, "{} files", sources.len());
    let faults = [circles(&sources), strangers(&sources)].concat();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_circle_is_found_also_behind_what_is_passed_on() {
    let file =
        |path: &str, code: &str| (path.split("::").map(str::to_owned).collect(), code_of(code));
    let sources = |b: &str| {
        Sources::from([
            file(
                "a",
                "mod b;\nmod c;\npub use b::{B,\n    Other};\nfn f() {}",
            ),
            file("a::b", b),
            file("a::c", "use crate::a::{self, B};\nfn f() { a::g() }"),
            file("d", "use crate::a::c::C;"),
        ])
    };
    assert_eq!(circles(&sources("// super::c\nstruct B;")), [""; 0]);
    let told = circles(&sources("fn f() -> super::c::C {}"));
    assert_eq!(told, ["a::b uses a::c", "a::c uses a::b"]);
    assert_eq!(strangers(&sources("impl<'a> C<'a> {")).len(), 1);
}
