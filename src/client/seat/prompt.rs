//! The words of the rows in the zone: the prompt with room and link, own lines that have not come
//! back, a paste in progress. Where they stand and how they get to the terminal is not known
//! here. Pure.

use std::time::{Duration, Instant};

use super::outgoing::Paste;
use super::rows::Row;
use crate::client::session::{Link, Standing};
use crate::client::style::Style;

/// What is written instead of the time of a line that has not come back.
pub const UNRETURNED_MARK: &str = "  …  ";

/// `lobby 0.3 ms> `, or what else there is to say of room and link. In a narrow window it says
/// less, so that there is room to type.
pub fn prompt(standing: &Standing<'_>, now: Instant, columns: usize) -> Row {
    let room = standing.room.unwrap_or("chat");
    // From the longest to the shortest.
    let (room_style, states, state_style) = match standing.link {
        Link::Coming => (Style::QUIET, vec![" connecting> ".to_owned()], Style::QUIET),
        Link::Up => {
            let state = standing
                .round_trip
                .map(|time| format!(" {}> ", figure(time)));
            let states = state.into_iter().collect();
            (Style::PLAIN, states, Style::QUIET)
        }
        Link::Lost { until } => {
            let seconds = seconds_left(until, now);
            let states = vec![
                format!(" lost, trying again in {seconds} s> "),
                format!(" lost, {seconds} s> "),
            ];
            (Style::WARNING, states, Style::WARNING)
        }
        Link::Returning => {
            let states = vec![" lost, trying> ".to_owned()];
            (Style::WARNING, states, Style::WARNING)
        }
        Link::Over => (Style::QUIET, vec![" leaving> ".to_owned()], Style::QUIET),
    };
    let fitting = |state: String| {
        let (said, end) = state.split_at(state.len() - "> ".len());
        let mut row = Row::of(room_style, room);
        row.push(state_style, said);
        row.push(Style::PLAIN, end);
        (row.columns() <= columns / 2).then_some(row)
    };
    if let Some(row) = states.into_iter().find_map(fitting) {
        return row;
    }
    let mut short = Row::of(room_style, room);
    short.push(
        room_style,
        if standing.link == Link::Up {
            "> "
        } else {
            "! "
        },
    );
    if short.columns() <= columns / 2 {
        return short;
    }
    Row::of(room_style, "> ")
}

/// When the prompt will say something else though nothing happens.
pub fn prompt_changes_at(standing: &Standing<'_>, now: Instant) -> Option<Instant> {
    let Link::Lost { until } = standing.link else {
        return None;
    };
    let shown = seconds_left(until, now);
    // It says 3 s until there are 2 s left.
    let left = Duration::from_secs(shown.checked_sub(1)?);
    until.checked_sub(left)
}

/// What is asked about a long paste.
pub fn question(paste: &Paste, room: Option<&str>) -> Row {
    let lines = paste.count();
    let room = room.unwrap_or("the room");
    let text = format!("say these {lines} lines in {room}, one by one? y/N ");
    Row::of(Style::PLAIN, &text)
}

/// How far a long paste is.
pub fn progress(said: usize, all: usize) -> Row {
    let text = format!("{UNRETURNED_MARK} pasting: {said} of {all} lines; Ctrl-C stops it");
    Row::of(Style::QUIET, &text)
}

/// An own line that has not come back.
pub fn unreturned(line: &str) -> Row {
    // `//text` is how the text `/text` is sent.
    let text = match line.strip_prefix('/') {
        Some(text) if text.starts_with('/') => text,
        _ => line,
    };
    Row::of(Style::QUIET, &format!("{UNRETURNED_MARK} {text}"))
}

/// Own lines that have not come back and for which there is no row.
pub fn unreturned_more(count: usize) -> Row {
    let text = format!("{UNRETURNED_MARK} {count} more");
    Row::of(Style::QUIET, &text)
}

/// `0.3 ms`, `31 ms`, `1.2 s`.
fn figure(round_trip: Duration) -> String {
    let milliseconds = round_trip.as_secs_f64() * 1000.0;
    match milliseconds {
        ..9.95 => format!("{milliseconds:.1} ms"),
        ..999.5 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.1} s", milliseconds / 1000.0),
    }
}

/// Counted up: 0 s are left only when it is time.
fn seconds_left(until: Instant, now: Instant) -> u64 {
    let left = until.saturating_duration_since(now);
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::style::Colors;

    fn text(row: &Row) -> String {
        row.painted(0..row.len(), Colors::Unused)
    }

    fn said(link: Link, now: Instant, columns: usize) -> String {
        let round_trip = Some(Duration::from_micros(312));
        let standing = Standing {
            room: Some("lobby"),
            link,
            round_trip,
        };
        text(&prompt(&standing, now, columns))
    }

    #[test]
    fn the_prompt_says_room_and_link() {
        let now = Instant::now();
        let lost = Link::Lost {
            until: now + Duration::from_millis(2500),
        };
        assert_eq!(said(Link::Up, now, 80), "lobby 0.3 ms> ");
        assert_eq!(said(Link::Coming, now, 80), "lobby connecting> ");
        assert_eq!(said(lost, now, 80), "lobby lost, trying again in 3 s> ");
        assert_eq!(said(Link::Returning, now, 80), "lobby lost, trying> ");
        assert_eq!(said(Link::Up, now, 20), "lobby> ");
        assert_eq!(said(lost, now, 50), "lobby lost, 3 s> ");
        assert_eq!(said(lost, now, 20), "lobby! ");
        assert_eq!(said(Link::Up, now, 8), "> ");
    }

    #[test]
    fn it_changes_with_each_second() {
        let now = Instant::now();
        let until = now + Duration::from_millis(2500);
        let standing = Standing {
            room: None,
            link: Link::Lost { until },
            round_trip: None,
        };
        let mut moments = Vec::new();
        let mut at = Some(now);
        while let Some(now) = at {
            moments.push((until - now).as_millis());
            at = prompt_changes_at(&standing, now);
        }
        assert_eq!(moments, [2500, 2000, 1000, 0]);
    }

    #[test]
    fn figures_are_short() {
        for (micros, wanted) in [(312, "0.3 ms"), (9_960, "10 ms"), (999_600, "1.0 s")] {
            assert_eq!(figure(Duration::from_micros(micros)), wanted);
        }
    }

    #[test]
    fn an_unreturned_line_is_shown_as_it_will_be_said() {
        assert_eq!(text(&unreturned("//etc")), "  …   /etc");
        assert_eq!(text(&unreturned("/who")), "  …   /who");
    }
}
