//! Styles: how pieces of text are set apart from others by colour or weight, and whether colours are
//! wanted at all.

use std::fmt::Write;
use std::io::{self, IsTerminal};

use anstyle::Ansi256Color;
pub use anstyle::Style;
use clap::ColorChoice;

// The colours are those of the fixed 256-colour table, not the sixteen that every theme paints
// anew: each of them stands out from white and from black by more than 3.4 : 1 (what WCAG 2 asks
// of large text and of signs is 3 : 1), so none vanishes on a light or on a dark background.

/// As the terminal has it.
pub const PLAIN: Style = Style::new();
/// What stands in the background of a conversation: times, news, the client's own words.
pub const QUIET: Style = Ansi256Color(243).on_default();
/// A refusal.
pub const WARNING: Style = Ansi256Color(160).on_default();
/// What a private message says.
pub const PRIVATE: Style = Ansi256Color(127).on_default().italic();
/// The user's own name.
pub const OWN: Style = PLAIN.bold();
/// A message that names the user.
pub const MENTION: Style = PLAIN.bold();
/// The mark of such a message.
pub const MENTION_MARK: Style = PLAIN.bold().invert();

/// Far from each other, and none near that of a refusal.
const NAMES: [u8; 16] = [
    130, 166, 100, 64, 28, 29, 30, 31, 32, 27, 63, 99, 134, 129, 164, 132,
];

/// The same name has the same colour for everybody, at any time and in any version.
pub fn of_name(name: &str) -> Style {
    // FNV-1a: the hash of std may change with the toolchain.
    let fold = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = name.to_lowercase().bytes().fold(0x811c_9dc5, fold);
    // Its low bits alone know little of the first letters.
    Ansi256Color(NAMES[(hash ^ (hash >> 16)) as usize % NAMES.len()]).on_default()
}

/// Whether a screen has colours, or everything is as the terminal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    Used,
    Unused,
}

impl Colors {
    /// What the user wants: the flag, and for `auto` the environment.
    pub fn wanted(when: ColorChoice) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_auto = || io::stdout().is_terminal() && !is_dumb_terminal() && !is_set("NO_COLOR");
        match when {
            ColorChoice::Always => Colors::Used,
            ColorChoice::Auto if is_auto() => Colors::Used,
            ColorChoice::Auto | ColorChoice::Never => Colors::Unused,
        }
    }

    /// Appends the text in this style, if there are styles.
    pub fn paint(self, style: Style, text: &str, out: &mut String) {
        match self {
            Colors::Used => _ = write!(out, "{style}{text}{style:#}"),
            Colors::Unused => out.push_str(text),
        }
    }
}

/// Whether the terminal says of itself that it knows no sequences, or says nothing.
pub fn is_dumb_terminal() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

#[cfg(test)]
mod tests {
    use anstyle::Color;

    use super::*;

    fn number(style: Style) -> u8 {
        match style.get_fg_color() {
            Some(Color::Ansi256(color)) => color.index(),
            other => panic!("{other:?}"),
        }
    }

    /// Relative luminance, as WCAG 2 defines it, of a colour of the 256-colour table.
    fn luminance(color: u8) -> f64 {
        let level = |part: u8| {
            if part == 0 {
                0.0
            } else {
                55.0 + 40.0 * f64::from(part)
            }
        };
        let parts = match color {
            232.. => [8.0 + 10.0 * f64::from(color - 232); 3],
            _ => [(color - 16) / 36, (color - 16) / 6 % 6, (color - 16) % 6].map(level),
        };
        let [red, green, blue] = parts.map(|level| ((level / 255.0 + 0.055) / 1.055).powf(2.4));
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    #[test]
    fn colours_can_be_read_on_white_and_on_black() {
        for color in NAMES
            .into_iter()
            .chain([QUIET, WARNING, PRIVATE].map(number))
        {
            let luminance = luminance(color);
            let contrast = (1.05 / (luminance + 0.05)).min((luminance + 0.05) / 0.05);
            assert!(contrast > 3.4, "{color}: {contrast}");
        }
    }

    #[test]
    fn names_have_steady_colours_that_differ() {
        // What a version before this one has shown.
        assert_eq!(number(of_name("Ann")), 166);
        assert_ne!(of_name("ann"), of_name("ben"));
    }
}
