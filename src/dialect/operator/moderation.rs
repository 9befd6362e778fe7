//! The operator's words for bans and mutes. What comes of them is the hub's (`moderator`); that one must be
//! insisted on, `!` behind the word says. Pure functions.

use std::time::Duration;

use crate::config::Age;
use crate::moderation::{Whom, read_net};

use super::super::text::split_word;

/// What the operator asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Moderation<'a> {
    /// To shut somebody out.
    Ban {
        /// Whom.
        whom: Whom<'a>,
        /// For how long; else for good.
        length: Option<Duration>,
        /// What is said about it.
        reason: Option<&'a str>,
        /// Whatever it is that is shut out.
        is_forced: bool,
    },
    /// The bans.
    Bans,
    /// To lift the ban of this number.
    Unban(u32),
    /// To silence somebody.
    Mute {
        /// Who is called so.
        name: &'a str,
        /// For how long; else for good.
        length: Option<Duration>,
    },
    /// The mutes.
    Mutes,
    /// To hear somebody again.
    Unmute(&'a str),
}

/// How each of them is written, and what it does.
pub(super) const COMMANDS: [(&str, &str); 6] = [
    (
        usage::BAN,
        "shuts out a name and its address, or all from there; /ban! whatever it is",
    ),
    (usage::BANS, "the bans, with their numbers"),
    (usage::UNBAN, "lifts a ban"),
    (usage::MUTE, "silences a name and all from its address"),
    (usage::MUTES, "the mutes"),
    (usage::UNMUTE, "lifts the mutes of a name"),
];

mod usage {
    pub(super) const BAN: &str = "/ban NAME|ADDRESS[/BITS] [for 1h] [REASON]";
    pub(super) const BANS: &str = "/bans";
    pub(super) const UNBAN: &str = "/unban N";
    pub(super) const MUTE: &str = "/mute NAME [for 10m]";
    pub(super) const MUTES: &str = "/mutes";
    pub(super) const UNMUTE: &str = "/unmute NAME";
}

/// The longest time that is not for good.
const LENGTH_MAX: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

/// What a command asks for, by its word in lower case and the rest of its line; or how it is written, if
/// its words do not fit. `None` if it is none of these.
pub(super) fn read<'a>(word: &str, rest: &'a str) -> Option<Result<Moderation<'a>, &'static str>> {
    let is_forced = word.ends_with('!');
    let (read, usage) = match word {
        "ban" | "ban!" => (ban(rest, is_forced), usage::BAN),
        "bans" => (alone(rest, Moderation::Bans), usage::BANS),
        "unban" => (number(rest).map(Moderation::Unban), usage::UNBAN),
        "mute" => (mute(rest), usage::MUTE),
        "mutes" => (alone(rest, Moderation::Mutes), usage::MUTES),
        "unmute" => (one_word(rest).map(Moderation::Unmute), usage::UNMUTE),
        _ => return None,
    };
    Some(read.ok_or(usage))
}

fn ban(rest: &str, is_forced: bool) -> Option<Moderation<'_>> {
    let (target, rest) = split_word(rest);
    let (length, rest) = length(rest)?;
    let whom = match read_net(target) {
        Some(net) => Whom::From(net),
        // No name has one of these: it was meant as an address.
        None if target.is_empty() || target.contains([':', '/']) => return None,
        None => Whom::Named(target),
    };
    Some(Moderation::Ban {
        whom,
        length,
        reason: Some(rest.trim()).filter(|reason| !reason.is_empty()),
        is_forced,
    })
}

fn mute(rest: &str) -> Option<Moderation<'_>> {
    let (name, rest) = split_word(rest);
    let (length, rest) = length(rest)?;
    let is_whole = !name.is_empty() && rest.trim().is_empty();
    is_whole.then_some(Moderation::Mute { name, length })
}

/// The length of time that a text begins with, if it does, and what is behind it. `None` if it is to be
/// one and is not: what begins with a digit is no reason.
fn length(text: &str) -> Option<(Option<Duration>, &str)> {
    let (word, behind) = split_word(text);
    if !word.eq_ignore_ascii_case("for") {
        return Some((None, text));
    }
    let (length, rest) = split_word(behind);
    if !length.is_empty() && !length.starts_with(|c: char| c.is_ascii_digit()) {
        return Some((None, text));
    }
    let Age(length) = Age::read(length)?;
    let is_good = length > Duration::ZERO && length <= LENGTH_MAX;
    is_good.then_some((Some(length), rest))
}

fn alone<'a>(rest: &str, order: Moderation<'a>) -> Option<Moderation<'a>> {
    rest.trim().is_empty().then_some(order)
}

fn one_word(rest: &str) -> Option<&str> {
    match split_word(rest) {
        ("", _) => None,
        (word, rest) => rest.trim().is_empty().then_some(word),
    }
}

fn number(rest: &str) -> Option<u32> {
    let digits = one_word(rest)?;
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(line: &str) -> Option<Result<Moderation<'_>, &'static str>> {
        let (word, rest) = split_word(line);
        read(word, rest)
    }

    #[test]
    fn bans_are_understood() {
        let hour = Some(Duration::from_secs(3600));
        let ban = |whom, length, reason, is_forced| {
            Some(Ok(Moderation::Ban {
                whom,
                length,
                reason,
                is_forced,
            }))
        };
        let ann = Whom::Named("ann");
        let net = |text| Whom::From(read_net(text).unwrap());
        for (line, expected) in [
            ("ban ann", ban(ann, None, None, false)),
            ("ban! ann", ban(ann, None, None, true)),
            ("ban ann for 1h", ban(ann, hour, None, false)),
            (
                "ban ann FOR 60m  too  noisy ",
                ban(ann, hour, Some("too  noisy"), false),
            ),
            ("ban ann for spam", ban(ann, None, Some("for spam"), false)),
            (
                "ban ann because for 1h",
                ban(ann, None, Some("because for 1h"), false),
            ),
            ("ban 10.0.0.1", ban(net("10.0.0.1"), None, None, false)),
            (
                "ban 2001:db8::/64 spam",
                ban(net("2001:db8::/64"), None, Some("spam"), false),
            ),
            (
                "ban! 0.0.0.0/0 for 1h",
                ban(net("0.0.0.0/0"), hour, None, true),
            ),
        ] {
            assert_eq!(order(line), expected, "{line}");
        }
        for line in [
            "ban",
            "ban ",
            "ban!",
            "ban ann for",
            "ban ann for 1",
            "ban ann for 0s",
            "ban ann for 1hour x",
            "ban ann for 99999999999d",
            "ban ann for 99999999999999999999d",
            "ban 10.0.0.0/33",
            "ban /8",
            "ban fe80::1%eth0",
            "ban ann for -1h",
        ] {
            let expected = match line {
                // A minus is no digit, so these are words.
                "ban ann for -1h" => ban(ann, None, Some("for -1h"), false),
                _ => Some(Err(usage::BAN)),
            };
            assert_eq!(order(line), expected, "{line}");
        }
    }

    #[test]
    fn the_other_words_are_understood() {
        let ten = Some(Duration::from_secs(600));
        let mute = |length| {
            let name = "ann";
            Ok(Moderation::Mute { name, length })
        };
        let wrong = Err;
        for (line, expected) in [
            ("bans", Ok(Moderation::Bans)),
            ("bans x", wrong(usage::BANS)),
            ("mutes", Ok(Moderation::Mutes)),
            ("unban 7", Ok(Moderation::Unban(7))),
            ("unban", wrong(usage::UNBAN)),
            ("unban +7", wrong(usage::UNBAN)),
            ("unban 7 8", wrong(usage::UNBAN)),
            ("unban ann", wrong(usage::UNBAN)),
            ("unban 99999999999999999999", wrong(usage::UNBAN)),
            ("mute ann", mute(None)),
            ("mute ann for 10m", mute(ten)),
            ("mute", wrong(usage::MUTE)),
            ("mute ann 10m", wrong(usage::MUTE)),
            ("mute ann for", wrong(usage::MUTE)),
            ("mute ann for 10m please", wrong(usage::MUTE)),
            ("unmute ann", Ok(Moderation::Unmute("ann"))),
            ("unmute", wrong(usage::UNMUTE)),
            ("unmute a b", wrong(usage::UNMUTE)),
        ] {
            assert_eq!(order(line), Some(expected), "{line}");
        }
        assert_eq!(order("unban! 7"), None);
        assert_eq!(order("mute! ann"), None);
        assert_eq!(order("kick ann"), None);
    }
}
