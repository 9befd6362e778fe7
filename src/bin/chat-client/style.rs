//! `Style`: how a piece of text is set apart from others by colour or weight, and whether colours
//! are wanted at all.

use std::io::{self, IsTerminal};

use crate::flags::ColorWhen;

/// The parameters of a terminal's style sequence.
///
/// The colours are those of the fixed 256-colour table, not the sixteen that every theme paints
/// anew: each of them stands out from white and from black by more than 3.4 : 1 (what WCAG 2 asks
/// of large text and of signs is 3 : 1), so none vanishes on a light or on a dark background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style(&'static str, u8);

impl Style {
    /// As the terminal has it.
    pub const PLAIN: Style = Style("", 0);
    /// What stands in the background of a conversation: times, news, the client's own words.
    pub const QUIET: Style = Style("", 243);
    /// A refusal.
    pub const WARNING: Style = Style("", 160);
    /// What a private message says.
    pub const PRIVATE: Style = Style("3", 127);
    /// The user's own name.
    pub const OWN: Style = Style("1", 0);
    /// A message that names the user.
    pub const MENTION: Style = Style("1", 0);
    /// The mark of such a message.
    pub const MENTION_MARK: Style = Style("1;7", 0);

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
        Style(
            "",
            Style::NAMES[(hash ^ (hash >> 16)) as usize % Style::NAMES.len()],
        )
    }
}

/// Whether a screen has colours, or everything is as the terminal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    Used,
    Unused,
}

impl Colors {
    /// What the user wants: the flag, and for `auto` the environment.
    pub fn wanted(when: ColorWhen) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_auto = || io::stdout().is_terminal() && !is_dumb_terminal() && !is_set("NO_COLOR");
        match when {
            ColorWhen::Always => Colors::Used,
            ColorWhen::Auto if is_auto() => Colors::Used,
            ColorWhen::Auto | ColorWhen::Never => Colors::Unused,
        }
    }

    /// Appends the text in this style, if there are styles.
    pub fn paint(self, style: Style, text: &str, out: &mut String) {
        let Style(weight, color) = style;
        let separator = if weight.is_empty() { "" } else { ";" };
        match color {
            _ if self == Colors::Unused || style == Style::PLAIN => out.push_str(text),
            0 => out.push_str(&format!("\x1b[{weight}m{text}\x1b[0m")),
            color => {
                out.push_str(&format!(
                    "\x1b[{weight}{separator}38;5;{color}m{text}\x1b[0m"
                ));
            }
        }
    }
}

/// Whether the terminal says of itself that it knows no sequences, or says nothing.
pub fn is_dumb_terminal() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let others = [Style::QUIET, Style::WARNING, Style::PRIVATE].map(|style| style.1);
        for color in Style::NAMES.into_iter().chain(others) {
            let luminance = luminance(color);
            let contrast = (1.05 / (luminance + 0.05)).min((luminance + 0.05) / 0.05);
            assert!(contrast > 3.4, "{color}: {contrast}");
        }
    }

    #[test]
    fn names_have_steady_colours_that_differ() {
        // What a version before this one has shown.
        assert_eq!(Style::of_name("Ann"), Style("", 166));
        assert_ne!(Style::of_name("ann"), Style::of_name("ben"));
    }
}
