//! Writes what a distribution expects beside the programs: man pages and completions, from the definitions
//! of their command lines, so that nothing is said twice: `cargo run --example packaging -- OUTDIR`.
//! What is done with them is the packages' business (`packaging/`).
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "a program that writes files"
)]

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use chatd::config::Config;
use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

// The client is a crate root of its own: its definition is compiled here once more.
#[path = "../src/bin/chat-client/flags.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "only the definition is looked at"
)]
mod flags;

/// What the definition names of the rest of the client.
mod tls {
    /// Nothing is parsed here.
    pub(crate) fn parse_key(key: &str) -> Result<String, String> {
        Ok(key.to_owned())
    }
}

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: packaging OUTDIR");
        return ExitCode::from(2);
    };
    match write_all(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("packaging: {}: {error}", Path::new(&folder).display());
            ExitCode::FAILURE
        }
    }
}

fn write_all(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (command, section) in [(Config::command(), "8"), (flags::Flags::command(), "1")] {
        write(command, section, folder)?;
    }
    Ok(())
}

fn write(mut command: Command, section: &str, folder: &Path) -> io::Result<()> {
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command, &name, folder)?;
    }
    let mut page = Vec::new();
    Man::new(command).section(section).render(&mut page)?;
    fs::write(folder.join(format!("{name}.{section}")), page)
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn every_flag_is_in_every_file() {
        let folder = std::env::temp_dir().join(format!("chatd-packaging-{}", std::process::id()));
        write_all(&folder).expect("a folder");
        for (command, page) in [
            (Config::command(), "chatd.8"),
            (flags::Flags::command(), "chat-client.1"),
        ] {
            let name = command.get_name();
            let files = [
                page.to_owned(),
                format!("{name}.bash"),
                format!("_{name}"),
                format!("{name}.fish"),
            ];
            for file in files {
                let text = fs::read_to_string(folder.join(&file)).expect("a file");
                let text = text.replace('\\', "");
                for flag in command.get_arguments().filter_map(|flag| flag.get_long()) {
                    assert!(text.contains(flag), "{flag} in {file}");
                }
            }
        }
        for shell in ["bash", "zsh", "fish"] {
            let file = folder.join(if shell == "zsh" {
                "_chatd".into()
            } else {
                format!("chatd.{shell}")
            });
            let checked = std::process::Command::new(shell)
                .arg("-n")
                .arg(&file)
                .stdout(Stdio::null())
                .status();
            // Where there is no such shell, there is nobody to complete for.
            assert!(
                checked.is_err() || checked.is_ok_and(|status| status.success()),
                "{shell}"
            );
        }
        fs::remove_dir_all(&folder).expect("it is ours");
    }
}
