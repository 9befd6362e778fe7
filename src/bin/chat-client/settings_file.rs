//! The settings file, `$XDG_CONFIG_HOME/chat-client/config.toml`: what its user would otherwise say on
//! every command line. Flags win over it; a server that it names brings its own settings. Nothing is
//! done here. Owned by the binary.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::ColorChoice;
use serde::Deserialize;

use crate::flags::{Address, Flags};
use crate::state;
use crate::tls::parse_key;

/// Where a server is looked for that nobody has named.
const LOCAL: &str = "127.0.0.1";

/// All that may stand there.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SettingsFile {
    server: Option<String>,
    name: Option<String>,
    rooms: Option<Vec<String>>,
    tls: Option<bool>,
    tls_ca: Option<PathBuf>,
    tls_pin: Option<String>,
    log: Option<PathBuf>,
    bell: Option<bool>,
    #[serde(alias = "colour")]
    color: Option<Color>,
    /// Whether the lines that are typed are kept over sittings.
    history: Option<bool>,
    /// Whether who comes and goes is not shown.
    quiet: Option<bool>,
    /// By the names by which the command line calls them.
    #[serde(default)]
    servers: BTreeMap<String, Server>,
}

/// What may be otherwise for each server.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Server {
    server: Option<String>,
    name: Option<String>,
    rooms: Option<Vec<String>>,
    tls: Option<bool>,
    tls_ca: Option<PathBuf>,
    tls_pin: Option<String>,
    log: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Color {
    Auto,
    Always,
    Never,
}

impl SettingsFile {
    /// Reads the file, if there is one. An error says what is wrong with it, and where.
    pub fn read() -> Result<Self, String> {
        let folder = state::folder("XDG_CONFIG_HOME", ".config");
        let Some(path) = folder.map(|folder| folder.join("chat-client/config.toml")) else {
            return Ok(SettingsFile::default());
        };
        match fs::read_to_string(&path) {
            Ok(text) => SettingsFile::parse(&text, &path),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(SettingsFile::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text[..at].matches('\n').count() + 1;
            format!("{}, line {line}: {}", path.display(), error.message())
        })
    }

    /// What the command line does not say is as it stands here.
    pub fn complete(&self, flags: &mut Flags) -> Result<(), String> {
        let server = self.server_of(flags)?;
        flags.name = flags.name.take().or(server.name);
        // Whoever posts says where to.
        if flags.room.is_empty() && flags.send.is_none() {
            flags.room = server.rooms.unwrap_or_default();
        }
        let is_tls_flag = flags.tls || flags.tls_ca.is_some() || flags.tls_pin.is_some();
        if !is_tls_flag {
            flags.tls = server.tls.unwrap_or_default();
            flags.tls_ca = server.tls_ca;
            flags.tls_pin = server.tls_pin.as_deref().map(parse_key).transpose()?;
        }
        flags.log = flags.log.take().or(server.log);
        flags.no_bell |= self.bell == Some(false);
        flags.color = flags.color.or(self.color.map(|color| match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }));
        flags.keeps_history = self.history.unwrap_or_default();
        flags.is_quiet = self.quiet.unwrap_or_default();
        Ok(())
    }

    /// The settings for the server that is meant, and its address as that of the flags. A server that
    /// has no name here has nothing of the others' rooms and keys.
    fn server_of(&self, flags: &mut Flags) -> Result<Server, String> {
        let is_general = flags.server.is_none() || flags.server == self.server;
        let told = flags.server.clone().or(self.server.clone());
        let told = told.unwrap_or_else(|| LOCAL.to_owned());
        let mut server = match self.servers.get(&told) {
            Some(named) => named.clone(),
            None if is_general => self.general(),
            None => Server::default(),
        };
        server.name = server.name.or(self.name.clone());
        server.log = server.log.or(self.log.clone());
        let address = server.server.clone().unwrap_or(told);
        let parsed: Result<Address, String> = address.parse();
        flags.address = parsed.map_err(|why| format!("{address} is no server: {why}"))?;
        Ok(server)
    }

    fn general(&self) -> Server {
        Server {
            server: self.server.clone(),
            name: None,
            rooms: self.rooms.clone(),
            tls: self.tls,
            tls_ca: self.tls_ca.clone(),
            tls_pin: self.tls_pin.clone(),
            log: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const FILE: &str = "
        server = 'work'
        name = 'ann'
        rooms = ['den']
        bell = false
        color = 'never'
        [servers.work]
        server = 'chat.example.org:7'
        name = 'a.smith'
        rooms = ['dev', 'ops']
        tls = true
        [servers.home]
        server = '[::1]'
    ";

    fn completed(arguments: &[&str], file: &str) -> Flags {
        let arguments = [&["chat-client"], arguments].concat();
        let mut flags = Flags::try_parse_from(arguments).unwrap();
        let file = SettingsFile::parse(file, Path::new("config.toml")).unwrap();
        file.complete(&mut flags).unwrap();
        flags
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_command_line_wins_over_a_named_server_and_that_over_the_rest() {
        for (arguments, address, name, rooms, tls) in [
            (
                &[][..],
                "chat.example.org:7",
                "a.smith",
                &["dev", "ops"][..],
                true,
            ),
            (
                &["work", "x", "--room", "y"],
                "chat.example.org:7",
                "x",
                &["y"],
                true,
            ),
            (&["home"], "[::1]:5001", "ann", &[], false),
            (
                &["other.example.org"],
                "other.example.org:5001",
                "ann",
                &[],
                false,
            ),
            (
                &["work", "--send", "hi"],
                "chat.example.org:7",
                "a.smith",
                &[],
                true,
            ),
        ] {
            let flags = completed(arguments, FILE);
            assert_eq!(flags.address.to_string(), address, "{arguments:?}");
            assert_eq!(flags.name.as_deref(), Some(name), "{arguments:?}");
            assert_eq!((flags.room.as_slice(), flags.tls), (&*owned(rooms), tls));
            assert!(flags.no_bell && flags.color == Some(ColorChoice::Never));
        }
        let flags = completed(&[], "server = 'a:7'\nrooms = ['den']");
        assert_eq!(
            (flags.address.port, flags.room),
            (7, vec!["den".to_owned()])
        );
        let flags = completed(&[], "");
        assert_eq!(flags.address.to_string(), "127.0.0.1:5001");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (file, why) in [
            ("name = 'ann'\nnmae = 'ann'", "line 2"),
            ("\n\nbell = 'loud'", "line 3"),
            ("[servers.work]\nserver = 7", "line 2"),
        ] {
            let error = SettingsFile::parse(file, Path::new("/x/config.toml")).unwrap_err();
            assert!(
                error.starts_with("/x/config.toml, ") && error.contains(why),
                "{error}"
            );
        }
    }
}
