//! `Style`: how a piece of text is set apart from others by colour or weight, and whether colours
//! are wanted at all. What is shown in which style is the screens' business.

use std::io::{self, IsTerminal};

use super::flags::ColorWhen;

/// The parameters of a terminal's style sequence.
///
/// The colours are those of the fixed 256-colour table, not the sixteen that every theme paints
/// anew: each of them stands out from white and from black by more than 3.4 : 1 (what WCAG 2 asks
/// of large text and of signs is 3 : 1), so none vanishes on a light or on a dark background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style(&'static str);

impl Style {
    /// As the terminal has it.
    pub const PLAIN: Style = Style("");
    /// What stands in the background of a conversation: times, news, the client's own words.
    pub const QUIET: Style = Style("38;5;243");
    /// A refusal.
    pub const WARNING: Style = Style("38;5;160");
    /// What a private message says.
    pub const PRIVATE: Style = Style("3;38;5;127");
    /// The user's own name.
    pub const OWN: Style = Style("1");
    /// A message that names the user.
    pub const MENTION: Style = Style("1");
    /// The mark of such a message.
    pub const MENTION_MARK: Style = Style("1;7");

    /// Far from each other, and none near that of a refusal.
    const NAMES: [Style; 16] = [
        Style("38;5;130"),
        Style("38;5;166"),
        Style("38;5;100"),
        Style("38;5;64"),
        Style("38;5;28"),
        Style("38;5;29"),
        Style("38;5;30"),
        Style("38;5;31"),
        Style("38;5;32"),
        Style("38;5;27"),
        Style("38;5;63"),
        Style("38;5;99"),
        Style("38;5;134"),
        Style("38;5;129"),
        Style("38;5;164"),
        Style("38;5;132"),
    ];

    /// The same name has the same colour for everybody, at any time and in any version.
    pub fn of_name(name: &str) -> Style {
        // FNV-1a: the hash of std may change with the toolchain.
        let fold = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let hash = name.to_lowercase().bytes().fold(0x811c_9dc5, fold);
        // Its low bits alone know little of the first letters.
        let index = (hash ^ (hash >> 16)) as usize % Style::NAMES.len();
        Style::NAMES[index]
    }

    /// The text between the sequences that begin and end this style.
    pub fn paint(self, text: &str) -> String {
        match self.0 {
            "" => text.to_owned(),
            code => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// Whether a screen has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// It has.
    Used,
    /// Everything is as the terminal has it.
    Unused,
}

impl Colors {
    /// What the user wants: the flag, and for `auto` the environment.
    pub fn wanted(when: ColorWhen) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let used = match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => {
                io::stdout().is_terminal() && !is_dumb_terminal() && !is_set("NO_COLOR")
            }
        };
        if used { Colors::Used } else { Colors::Unused }
    }

    /// The text in this style, if there are styles.
    pub fn paint(self, style: Style, text: &str) -> String {
        match self {
            Colors::Used => style.paint(text),
            Colors::Unused => text.to_owned(),
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
    fn luminance(index: usize) -> f64 {
        const LEVELS: [f64; 6] = [0.0, 95.0, 135.0, 175.0, 215.0, 255.0];
        let [red, green, blue] = match index {
            16..232 => {
                [(index - 16) / 36, (index - 16) / 6 % 6, (index - 16) % 6].map(|l| LEVELS[l])
            }
            232..256 => [8.0 + 10.0 * (index - 232) as f64; 3],
            _ => panic!("{index} is for the theme to paint"),
        }
        .map(|level| level / 255.0)
        .map(|part| match part {
            ..=0.03928 => part / 12.92,
            _ => ((part + 0.055) / 1.055).powf(2.4),
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    #[test]
    fn colours_can_be_read_on_white_and_on_black() {
        let others = [Style::QUIET, Style::WARNING, Style::PRIVATE];
        for style in Style::NAMES.into_iter().chain(others) {
            let index = style.0.rsplit(';').next().unwrap().parse().unwrap();
            let luminance = luminance(index);
            let on_white = 1.05 / (luminance + 0.05);
            let on_black = (luminance + 0.05) / 0.05;
            assert!(
                on_white.min(on_black) > 3.4,
                "{style:?}: {on_white} {on_black}"
            );
        }
    }

    #[test]
    fn names_have_steady_colours_that_differ() {
        assert_eq!(Style::of_name("Ann"), Style::of_name("ann"));
        // What a version before this one has shown.
        assert_eq!(Style::of_name("ann"), Style("38;5;166"));
        let mut used: Vec<_> = (0..200)
            .map(|n| Style::of_name(&format!("user{n}")).0)
            .collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), Style::NAMES.len());
    }
}
