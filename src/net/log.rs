//! The log on standard error: its set-up, the one way in which text of a peer gets into it, and
//! a bound on how fast peers can make it grow. Not what is said (that is the server's), and never
//! the text of a message. Set up once by `main`; the loop owns the `EventLog`.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Log, Metadata, Record};
use simplelog::{ConfigBuilder, WriteLogger};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use unicode_normalization::char::is_combining_mark;

use super::culprits::{Cause, Culprits};
use super::error_stream::ErrorStream;

/// Lines a second that peers can cause.
const LINES_PER_SECOND_MAX: usize = 20;
/// How long peers are not heard in the log once they have caused too many lines.
const MUTE: Duration = Duration::from_secs(1);
/// Characters of a peer's text that are shown; a name has at most 24.
const QUOTED_CHARS_MAX: usize = 64;

/// Sends the log to standard error: to the journal without the time, which it has itself, but
/// with priorities; anywhere else with both in words. No-op if a log is set up already.
pub fn set_up(level: LevelFilter) {
    let logger: Box<dyn Log> = match stderr_is_the_journal() {
        true => Box::new(JournalLog(Mutex::new(ErrorStream::new()))),
        false => plain(level),
    };
    // Only tests that share a process come here twice, and what is set up is then as good.
    if log::set_boxed_logger(logger).is_ok() {
        log::set_max_level(level);
    }
}

/// Always as wide, so that lines stand in columns and sort as text.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// `2026-03-21T10:00:00.123456Z [INFO] text`, in UTC. A record is one write, so that lines of several
/// processes never mix.
fn plain(level: LevelFilter) -> Box<dyn Log> {
    let off = LevelFilter::Off;
    let config = ConfigBuilder::new()
        .set_time_format_custom(TIME)
        .set_thread_level(off)
        .set_target_level(off)
        .set_location_level(off)
        .build();
    WriteLogger::new(level, config, ErrorStream::new())
}

/// Whether standard error is the very stream that `JOURNAL_STREAM` names: the variable alone
/// says nothing, since it outlives a redirection.
fn stderr_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    rustix::fs::fstat(io::stderr())
        .is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// `<priority>text`, which simplelog does not know how to write.
struct JournalLog(Mutex<ErrorStream>);

impl Log for JournalLog {
    /// The level is looked at before, by the macros of `log`.
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("<{}>{}\n", priority(record.level()), record.args());
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It never fails, by its own word.
        let _ = stream.write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// The priority of syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// Text of a peer, fit for the log: in quotes, on one line, nothing in it that steers a terminal,
/// turns the direction of writing or cannot be seen, and not longer than 64 characters.
/// Nothing a peer has said may get into the log but through here.
pub fn quote<T: AsRef<[u8]> + ?Sized>(text: &T) -> Quoted<'_> {
    Quoted(text.as_ref())
}

/// See [`quote`]. Costs nothing until it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A character has at most 4 bytes: what is beyond is not even decoded.
        let shown = &self.0[..self.0.len().min(4 * QUOTED_CHARS_MAX)];
        let text = String::from_utf8_lossy(shown);
        let mut rest = text.chars();
        let mut marks_in_a_row = 0;
        to.write_char('"')?;
        for character in rest.by_ref().take(QUOTED_CHARS_MAX) {
            marks_in_a_row = match is_combining_mark(character) {
                true => marks_in_a_row + 1,
                false => 0,
            };
            write_quoted(to, character, marks_in_a_row)?;
        }
        if rest.next().is_some() || shown.len() < self.0.len() {
            to.write_char('…')?;
        }
        to.write_char('"')
    }
}

fn write_quoted(
    to: &mut fmt::Formatter<'_>,
    character: char,
    marks_in_a_row: usize,
) -> fmt::Result {
    match character {
        _ if is_blank_though_printable(character) => write!(to, "{}", character.escape_unicode()),
        '\'' => to.write_char(character),
        // Two marks over one letter are writing; more are a tower over the neighbouring lines.
        _ if (1..=2).contains(&marks_in_a_row) => to.write_char(character),
        _ => write!(to, "{}", character.escape_debug()),
    }
}

/// What `escape_debug` lets pass, or would be let pass as a mark, and yet is not seen: fillers,
/// joiners that are marks, selectors of variants, the empty braille cell.
fn is_blank_though_printable(character: char) -> bool {
    matches!(
        character,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// What peers cause, said in the log at most 20 times a second; what was left out is counted in
/// one line. What concerns the server itself does not go through here, but straight to `log`.
#[derive(Debug, Default)]
pub struct EventLog {
    throttle: Throttle,
    /// Because of whom lines are left out.
    culprits: Culprits,
}

impl EventLog {
    /// With nothing said yet.
    pub fn new() -> EventLog {
        EventLog::default()
    }

    /// One event, one line, because of somebody. `now` never goes back.
    pub fn info(&mut self, now: Instant, cause: Cause<'_>, line: fmt::Arguments<'_>) {
        self.say(now, Level::Info, cause, line);
    }

    /// As [`EventLog::info`], for what an operator should look at.
    pub fn warn(&mut self, now: Instant, cause: Cause<'_>, line: fmt::Arguments<'_>) {
        self.say(now, Level::Warn, cause, line);
    }

    /// Says how many lines were left out, when it is time to.
    pub fn flush(&mut self, now: Instant) {
        if let Some(lines) = self.throttle.end_of_mute(now) {
            say_left_out(lines, &mut self.culprits);
        }
    }

    /// When [`EventLog::flush`] wants to be called. `None` when nothing was left out.
    pub fn deadline(&self) -> Option<Instant> {
        self.throttle.deadline()
    }

    fn say(&mut self, now: Instant, level: Level, cause: Cause<'_>, line: fmt::Arguments<'_>) {
        // A line that the level hides takes no other's place.
        if !log::log_enabled!(level) {
            return;
        }
        self.flush(now);
        if self.throttle.lets_pass(now) {
            log::log!(level, "{line}");
        } else {
            self.culprits.note(cause);
        }
    }
}

/// The end of the server is no reason to lose the count.
impl Drop for EventLog {
    fn drop(&mut self) {
        if let Throttle::Muted { lines, .. } = self.throttle {
            say_left_out(lines, &mut self.culprits);
        }
    }
}

fn say_left_out(lines: u64, culprits: &mut Culprits) {
    let word = if lines == 1 { "line" } else { "lines" };
    let most = culprits.take();
    let most = most.map_or(String::new(), |most| format!("; {most}"));
    log::warn!("{lines} {word} left out: more than {LINES_PER_SECOND_MAX} a second{most}");
}

/// Lets no more than 20 events pass in any second. Knows no clock.
#[derive(Debug)]
enum Throttle {
    /// The times of the last lines, oldest first, at most 20.
    Open { said: VecDeque<Instant> },
    /// Nothing passes before `until`.
    Muted { until: Instant, lines: u64 },
}

impl Default for Throttle {
    fn default() -> Self {
        Throttle::Open {
            said: VecDeque::new(),
        }
    }
}

impl Throttle {
    /// Whether an event may be said now. One that may not is counted.
    fn lets_pass(&mut self, now: Instant) -> bool {
        match self {
            Throttle::Muted { lines, .. } => {
                *lines += 1;
                false
            }
            Throttle::Open { said } => {
                while said.front().is_some_and(|first| now >= *first + MUTE) {
                    said.pop_front();
                }
                if said.len() < LINES_PER_SECOND_MAX {
                    said.push_back(now);
                    return true;
                }
                // A whole second from here, so that at its end all that was said is old.
                let until = now + MUTE;
                *self = Throttle::Muted { until, lines: 1 };
                false
            }
        }
    }

    /// Opens again when it is time to; how many were counted since it closed.
    fn end_of_mute(&mut self, now: Instant) -> Option<u64> {
        match *self {
            Throttle::Muted { until, lines } if now >= until => {
                *self = Throttle::default();
                Some(lines)
            }
            _ => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Throttle::Muted { until, .. } => Some(*until),
            Throttle::Open { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        quote(text).to_string()
    }

    #[test]
    fn f55_plain_text_stays_as_it_is() {
        for text in ["", "ann", "it's", "Zoë", "नमस्ते", "ทำที่นี่", "日本", "a b"]
        {
            assert_eq!(quoted(text), format!("\"{text}\""));
        }
    }

    #[test]
    fn f55_nothing_hidden_nothing_that_steers_nothing_that_ends_the_line() {
        assert_eq!(quoted("a\nb\r\t\0"), r#""a\nb\r\t\0""#);
        assert_eq!(quoted("say \"hi\" \\"), r#""say \"hi\" \\""#);
        let hidden = "\u{1b}\u{7f}\u{85}\u{9b}\u{a0}\u{ad}\u{200b}\u{200d}\u{202e}\u{2028}\u{2029}\
                      \u{2066}\u{feff}\u{e000}\u{fff9}\u{34f}\u{115f}\u{17b4}\u{180b}\u{180e}\
                      \u{2800}\u{3164}\u{fe0f}\u{ffa0}\u{e0001}\u{e0100}\u{10ffff}";
        for character in hidden.chars() {
            for text in [format!("{character}"), format!("a{character}")] {
                let said = quoted(&text);
                assert!(said.contains(r"\u{"), "{character:?} is not escaped");
                assert!(!said.contains(character), "{character:?} passes");
            }
        }
    }

    #[test]
    fn f55_raw_bytes_are_shown_as_replaced() {
        assert_eq!(quote(b"a\xff\x9bb").to_string(), "\"a\u{fffd}\u{fffd}b\"");
    }

    #[test]
    fn f55_marks_build_no_tower() {
        let said = quoted(&format!("a{}", "\u{301}".repeat(10)));
        assert_eq!(said.matches('\u{301}').count(), 2, "{said}");
    }

    #[test]
    fn f55_length_is_bounded() {
        let shown = "x".repeat(QUOTED_CHARS_MAX);
        assert_eq!(quoted(&shown), format!("\"{shown}\""));
        assert_eq!(quoted(&format!("{shown}x")), format!("\"{shown}…\""));
        let worst = quoted(&"\u{10ffff}".repeat(1_000_000));
        assert!(worst.len() < 1024, "{}", worst.len());
    }

    #[test]
    fn f56_twenty_lines_pass_in_any_second() {
        let start = Instant::now();
        let mut throttle = Throttle::default();
        let mut said: Vec<Instant> = Vec::new();
        let mut left_out = 0;
        let mut random = fastrand::Rng::with_seed(56);
        let mut now = start;
        let events = 50_000;
        for _ in 0..events {
            let pause_max = random.u64(1..200);
            now += Duration::from_millis(random.u64(0..=pause_max));
            left_out += throttle.end_of_mute(now).unwrap_or(0);
            if throttle.lets_pass(now) {
                said.push(now);
            }
        }
        left_out += throttle.end_of_mute(now + MUTE).unwrap_or(0);
        assert_eq!(said.len() as u64 + left_out, events);
        assert!(left_out > 0 && said.len() > 1000, "both were tried");
        for window in said.windows(LINES_PER_SECOND_MAX + 1) {
            let span = window[LINES_PER_SECOND_MAX] - window[0];
            assert!(span >= Duration::from_secs(1), "21 lines in {span:?}");
        }
    }

    #[test]
    fn f56_the_count_comes_after_a_second_and_once() {
        let start = Instant::now();
        let mut throttle = Throttle::default();
        for _ in 0..20 {
            assert!(throttle.lets_pass(start));
        }
        assert_eq!(throttle.deadline(), None);
        for _ in 0..3 {
            assert!(!throttle.lets_pass(start));
        }
        let deadline = throttle.deadline().expect("something was left out");
        assert_eq!(deadline, start + MUTE);
        assert_eq!(
            throttle.end_of_mute(deadline - Duration::from_nanos(1)),
            None
        );
        assert_eq!(throttle.end_of_mute(deadline), Some(3));
        assert_eq!(throttle.end_of_mute(deadline), None);
        assert!(throttle.lets_pass(deadline));
    }
}
