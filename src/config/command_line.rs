//! From the command line and the environment of this process to settings, or to one line that
//! says what is wrong with them. Which settings there are is not written here. Called by `main`.
#![expect(
    clippy::disallowed_methods,
    reason = "settings come from the environment"
)]

use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, Parser};

use super::value::BadValue;

/// Variables that start so are settings, and nothing else may be called so.
const PREFIX: &str = "CHATD_";

/// Why there are no settings.
#[derive(Debug)]
pub enum NoConfig {
    /// Help or the version was asked for: to be printed on standard output.
    Answer(Box<clap::Error>),
    /// What was typed cannot be understood; in one line.
    Usage(String),
    /// The settings are understood and cannot work; in one line.
    Settings(String),
}

/// What the command line and the environment of this process ask for, where a flag wins over
/// its variable.
pub(super) fn read<Settings: Parser>() -> Result<Settings, NoConfig> {
    let mut command = with_environment(Settings::command());
    let matches = command.try_get_matches_from_mut(env::args_os());
    let settings = matches.and_then(|matches| Settings::from_arg_matches(&matches));
    let settings = settings.map_err(|error| no_config(error, &command))?;
    check_environment(&command).map_err(NoConfig::Settings)?;
    Ok(settings)
}

/// What the service manager has made for what outlives the process; the first if these are several.
pub(super) fn state_directory() -> Option<PathBuf> {
    first_folder("STATE_DIRECTORY")
}

/// What the service manager has made for what lasts as long as the service; the first if these are
/// several.
pub(super) fn runtime_directory() -> Option<PathBuf> {
    first_folder("RUNTIME_DIRECTORY")
}

fn first_folder(variable: &str) -> Option<PathBuf> {
    let given = env::var_os(variable)?;
    let first = env::split_paths(&given).next()?;
    (!first.as_os_str().is_empty()).then_some(first)
}

/// Every flag also comes from the environment, under its own name or another that it has.
fn with_environment(command: Command) -> Command {
    command.mut_args(|flag| {
        let names = variables_of(&flag);
        let given = names.iter().find(|name| env::var_os(name).is_some());
        let variable = given.unwrap_or(&names[0]).clone();
        let takes_a_value = flag.get_action().takes_values();
        // How a flag is called in the environment is said once, at the end, instead of at every
        // flag. And `--rate -1` is a wrong value, not an unknown flag `-1`.
        flag.env(variable)
            .hide_env(true)
            .allow_negative_numbers(takes_a_value)
    })
}

/// `--max-clients` is `CHATD_MAX_CLIENTS`.
fn variables_of(flag: &Arg) -> Vec<String> {
    let names = flag.get_long_and_visible_aliases().unwrap_or_default();
    let variable = |name: &str| PREFIX.to_owned() + &name.to_uppercase().replace('-', "_");
    names.into_iter().map(variable).collect()
}

/// A misspelt limit must not pass for a limit.
fn check_environment(command: &Command) -> Result<(), String> {
    let is_setting = |flag: &&Arg| flag.get_env().is_some();
    let settings = command.get_arguments().filter(is_setting).map(variables_of);
    let settings: Vec<Vec<String>> = settings.collect();
    for (given, _) in env::vars_os() {
        let given = given.to_string_lossy();
        if !given.starts_with(PREFIX) || settings.iter().flatten().any(|name| *name == given) {
            continue;
        }
        let capitals = given.to_uppercase();
        let distance = |name: &&String| strsim::osa_distance(name, &capitals);
        let nearest = settings.iter().flatten().min_by_key(distance);
        let nearest = nearest.expect("there are settings");
        return Err(format!(
            "{given} in the environment is no setting; the nearest is {nearest}; see chatd --help"
        ));
    }
    let is_given = |name: &&String| env::var_os(name).is_some();
    for names in &settings {
        if let [one, other, ..] = names.iter().filter(is_given).collect::<Vec<_>>()[..] {
            return Err(format!("{one} and {other} are one setting: choose one"));
        }
    }
    Ok(())
}

fn no_config(error: clap::Error, command: &Command) -> NoConfig {
    if !error.use_stderr() {
        return NoConfig::Answer(Box::new(error));
    }
    let said = one_line(&error, command);
    let bad_value = error.source().and_then(|source| source.downcast_ref());
    match bad_value {
        Some(BadValue::OutOfBounds(_)) => NoConfig::Settings(said),
        _ => NoConfig::Usage(said),
    }
}

/// What clap says in a paragraph, without its usage, and with the variable that it came from.
fn one_line(error: &clap::Error, command: &Command) -> String {
    let said = error.render().to_string();
    let words = said
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
        .replace("; [", " [");
    let words = words.strip_prefix("error: ").unwrap_or(&words);
    match variable_at_fault(error, command) {
        Some(variable) => format!("{words} (from {variable}); see chatd --help"),
        None => format!("{words}; see chatd --help"),
    }
}

/// The variable of the environment that holds the value at fault, if it is one that does.
fn variable_at_fault<'a>(error: &clap::Error, command: &'a Command) -> Option<&'a str> {
    let text = |kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.as_str()),
        _ => None,
    };
    let shown = text(ContextKind::InvalidArg)?;
    let value = text(ContextKind::InvalidValue)?;
    let mut flags = command.get_arguments();
    let flag = flags.find(|flag| flag.to_string() == shown)?;
    let variable = flag.get_env().and_then(OsStr::to_str)?;
    let held = env::var(variable).ok()?;
    held.split(',')
        .any(|part| part == value)
        .then_some(variable)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::Config;

    #[test]
    fn every_flag_has_its_variable() {
        for flag in with_environment(Config::command()).get_arguments() {
            let long = flag.get_long().expect("a flag has a name");
            let variable = variables_of(flag).remove(0);
            assert_eq!(flag.get_env(), Some(OsStr::new(&variable)), "--{long}");
        }
    }
}
