//! How the value of a setting is read and shown: counts, bytes and seconds with their bounds. Not
//! which settings there are. Owned by the settings.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ipnet::IpNet;
use log::LevelFilter;

use super::address::ListenAddress;

/// A value that cannot be taken: what to give instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadValue {
    /// It cannot be read at all: wrong usage.
    Unreadable(&'static str),
    /// It cannot work: a bad setting.
    OutOfBounds(String),
}

impl Display for BadValue {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadValue::Unreadable(instead) => to.write_str(instead),
            BadValue::OutOfBounds(instead) => to.write_str(instead),
        }
    }
}

impl std::error::Error for BadValue {}

/// A whole number within bounds.
pub(super) fn count<T>(bounds: RangeInclusive<T>) -> impl TypedValueParser<Value = T>
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    let unreadable = BadValue::Unreadable("give a whole number, such as 100");
    move |text: &str| {
        let number = text.parse().map_err(|_| unreadable.clone())?;
        within(&bounds, number, T::to_string, "")
    }
}

/// A number of bytes within bounds, where K, M and G stand for powers of 1024.
pub(super) fn bytes(bounds: RangeInclusive<usize>) -> impl TypedValueParser<Value = usize> {
    let read = |text: &str| {
        let (digits, shift) = match text.as_bytes().last()? {
            b'K' | b'k' => (&text[..text.len() - 1], 10),
            b'M' | b'm' => (&text[..text.len() - 1], 20),
            b'G' | b'g' => (&text[..text.len() - 1], 30),
            _ => (text, 0),
        };
        digits.parse::<usize>().ok()?.checked_mul(1 << shift)
    };
    let unreadable = BadValue::Unreadable("give a number of bytes, such as 4096, 256K or 1M");
    move |text: &str| {
        let number = read(text).ok_or(unreadable.clone())?;
        within(&bounds, number, usize::to_string, "")
    }
}

/// A time within bounds, in seconds and their fractions.
pub(super) fn seconds(bounds: RangeInclusive<Duration>) -> impl TypedValueParser<Value = Duration> {
    let read = |text: &str| Duration::try_from_secs_f64(text.parse().ok()?).ok();
    let unreadable = BadValue::Unreadable("give a number of seconds, such as 20 or 0.5");
    move |text: &str| {
        let time = read(text).ok_or(unreadable.clone())?;
        within(&bounds, time, in_seconds, " seconds")
    }
}

/// How old something may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(pub Duration);

/// Units of an age, the largest first, in seconds.
const AGE_UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

impl Display for Age {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (unit, length) = AGE_UNITS
            .into_iter()
            .find(|&(_, length)| seconds.is_multiple_of(length))
            .expect("everything is a multiple of one second");
        write!(to, "{}{unit}", seconds / length)
    }
}

impl Age {
    /// A whole number of days, hours, minutes or seconds, with its unit.
    pub fn read(text: &str) -> Option<Age> {
        let mut units = AGE_UNITS.into_iter();
        let (unit, length) = units.find(|&(unit, _)| text.ends_with(unit))?;
        let digits = text.strip_suffix(unit)?;
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let count = is_plain.then(|| digits.parse::<u64>().ok()).flatten()?;
        Some(Age(Duration::from_secs(count.checked_mul(length)?)))
    }
}

/// An age within bounds, as [`Age::read`] takes it; a number alone is of seconds.
pub(super) fn age(bounds: RangeInclusive<Age>) -> impl TypedValueParser<Value = Age> {
    let read = |text: &str| match text.bytes().last()? {
        b'0'..=b'9' => Age::read(&format!("{text}s")),
        _ => Age::read(text),
    };
    let unreadable = BadValue::Unreadable("give an age, such as 90d, 12h or 30m");
    move |text: &str| {
        let age = read(text).ok_or(unreadable.clone())?;
        within(&bounds, age, Age::to_string, "")
    }
}

/// Whether something is done: `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl Display for Switch {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Switch::On => "on",
            Switch::Off => "off",
        })
    }
}

/// Whether TLS is spoken on the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TlsMode {
    /// Beside plain connections.
    On,
    /// It is not.
    Off,
    /// And nothing else, but from this machine itself.
    Only,
}

impl Display for TlsMode {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            TlsMode::On => "on",
            TlsMode::Off => "off",
            TlsMode::Only => "only",
        })
    }
}

/// An address, or all that begin with the same bits.
pub(super) fn network() -> impl TypedValueParser<Value = IpNet> {
    let unreadable = BadValue::Unreadable("give an address or a network, such as 10.0.0.0/8");
    move |text: &str| {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>()
            .or_else(|_| address())
            .map(|net| net.trunc())
            .map_err(|_| unreadable.clone())
    }
}

/// A level of the log.
pub(super) fn log_level() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(["off", "error", "warn", "info", "debug", "trace"])
        .try_map(|level| level.parse::<LevelFilter>())
}

fn within<T: PartialOrd>(
    bounds: &RangeInclusive<T>,
    value: T,
    show: impl Fn(&T) -> String,
    unit: &str,
) -> Result<T, BadValue> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    let (min, max) = (show(bounds.start()), show(bounds.end()));
    let instead = format!("it is out of bounds: choose {min} to {max}{unit}");
    Err(BadValue::OutOfBounds(instead))
}

fn in_seconds(time: &Duration) -> String {
    time.as_secs_f64().to_string()
}

/// A value as its flag takes it; a list is several.
pub(super) type Shown = Vec<String>;

/// A field of the settings, or a struct of such fields.
pub(super) trait Setting {
    /// Adds the field's name and value, or those of its own fields.
    fn show(&self, name: &'static str, to: &mut Vec<(&'static str, Shown)>);
}

macro_rules! shown_as {
    ($($type:ty: $show:expr;)*) => {$(
        impl Setting for $type {
            fn show(&self, name: &'static str, to: &mut Vec<(&'static str, Shown)>) {
                let show: fn(&$type) -> Shown = $show;
                to.push((name, show(self)));
            }
        }
    )*};
}

shown_as! {
    usize: |number| vec![number.to_string()];
    u8: |number| vec![number.to_string()];
    u32: |number| vec![number.to_string()];
    Option<PathBuf>: |path| path.iter().map(|path| path.display().to_string()).collect();
    bool: |switch| vec![switch.to_string()];
    Duration: |time| vec![in_seconds(time)];
    Option<Duration>: |time| time.iter().map(in_seconds).collect();
    Vec<String>: Clone::clone;
    Age: |age| vec![age.to_string()];
    Switch: |switch| vec![switch.to_string()];
    TlsMode: |mode| vec![mode.to_string()];
    LevelFilter: |level| vec![level.as_str().to_ascii_lowercase()];
    Vec<IpNet>: |list| list.iter().map(IpNet::to_string).collect();
    Vec<ListenAddress>: |list| list.iter().map(ListenAddress::to_string).collect();
}

/// Declares a struct as it stands, and lets it tell its fields by name, so that what is printed
/// is no second list of them.
macro_rules! settings {
    (
        $(#[$of_struct:meta])*
        pub struct $name:ident { $($(#[$of_field:meta])* pub $field:ident: $type:ty,)* }
    ) => {
        $(#[$of_struct])*
        pub struct $name { $($(#[$of_field])* pub $field: $type,)* }

        impl $crate::config::value::Setting for $name {
            fn show(
                &self,
                _name: &'static str,
                to: &mut Vec<(&'static str, $crate::config::value::Shown)>,
            ) {
                $($crate::config::value::Setting::show(&self.$field, stringify!($field), to);)*
            }
        }
    };
}
pub(super) use settings;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<P: TypedValueParser>(parser: &P, text: &str) -> Option<P::Value> {
        let command = clap::Command::new("test");
        parser.parse_ref(&command, None, text.as_ref()).ok()
    }

    #[test]
    fn sizes_and_times_are_read() {
        let bytes = bytes(0..=usize::MAX);
        let kibibyte = 1 << 10;
        for (text, number) in [
            ("4096", 4 * kibibyte),
            ("256K", 256 * kibibyte),
            ("1m", kibibyte * kibibyte),
            ("2G", 2 * kibibyte * kibibyte * kibibyte),
        ] {
            assert_eq!(parse(&bytes, text), Some(number));
        }
        for wrong in ["", "K", "1.5M", "-1", "1KB", "20000000000G", "1 M", "١"] {
            assert_eq!(parse(&bytes, wrong), None, "{wrong:?}");
        }
        let seconds = seconds(Duration::ZERO..=Duration::MAX);
        assert_eq!(parse(&seconds, "20"), Some(Duration::from_secs(20)));
        assert_eq!(parse(&seconds, "0.5"), Some(Duration::from_millis(500)));
        for wrong in ["", "-1", "inf", "NaN", "1e300", "20s"] {
            assert_eq!(parse(&seconds, wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn ages_are_read_and_shown() {
        let age = age(Age(Duration::ZERO)..=Age(Duration::MAX));
        for (text, seconds, shown) in [
            ("90d", 90 * 86_400, "90d"),
            ("36h", 36 * 3600, "36h"),
            ("48h", 2 * 86_400, "2d"),
            ("90m", 5400, "90m"),
            ("61", 61, "61s"),
            ("61s", 61, "61s"),
        ] {
            let read = parse(&age, text).unwrap();
            assert_eq!(
                (read, read.to_string()),
                (Age(Duration::from_secs(seconds)), shown.into())
            );
        }
        for wrong in [
            "",
            "d",
            "1.5d",
            "-1d",
            "1w",
            "1D",
            "+1d",
            "1 d",
            "999999999999999999d",
        ] {
            assert_eq!(parse(&age, wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        let count = count(2..=4_u32);
        let read = ["1", "2", "4", "5"].map(|text| parse(&count, text));
        assert_eq!(read, [None, Some(2), Some(4), None]);
    }
}
