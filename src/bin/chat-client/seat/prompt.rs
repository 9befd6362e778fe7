//! The prompt: the room, where else something was said, and what there is to say of the link. Pure.

use std::time::{Duration, Instant};

use super::rows::Row;
use crate::session::{Phase, Rooms, Standing};
use crate::style;

/// `lobby +2 dev! 0.3 ms> `: something was said in two other rooms, and in a third one the user is
/// called. In a narrow window it says less, so that there is room to type.
pub fn prompt(standing: &Standing<'_>, now: Instant, columns: usize) -> Row {
    let room = standing.rooms.current().filter(|room| room.is_known());
    let room = room.map_or("chat", |room| room.name.as_str());
    let elsewhere = elsewhere(standing.rooms);
    // From the longest to the shortest.
    let (style, states) = match standing.phase {
        Phase::Naming { offer: None } => return Row::of(style::PLAIN, "your name> "),
        Phase::Naming { offer: Some(offer) } => {
            return Row::of(style::PLAIN, &format!("your name [{offer}]> "));
        }
        Phase::Unlocking => return Row::of(style::PLAIN, "password> "),
        Phase::Trusting { .. } => return Row::of(style::PLAIN, "yes or no> "),
        Phase::Talking { .. } => {
            let figure = standing.round_trip.map(|time| format!(" {}", figure(time)));
            (style::QUIET, vec![figure.unwrap_or_default()])
        }
        Phase::Away { until } => {
            let seconds = seconds_left(*until, now);
            let states = [" lost, trying again in", " lost,"];
            (
                style::WARNING,
                states.map(|state| format!("{state} {seconds} s")).to_vec(),
            )
        }
        Phase::Leaving { .. } | Phase::Ended(_) => (style::QUIET, vec![" leaving".to_owned()]),
        _ if standing.is_lost => (style::WARNING, vec![" lost, trying".to_owned()]),
        _ => (style::QUIET, vec![" connecting".to_owned()]),
    };
    let is_up = matches!(standing.phase, Phase::Talking { .. });
    let room_style = if is_up { style::PLAIN } else { style };
    let end = if is_up { "> " } else { "! " };
    let long = states.iter().flat_map(|state| {
        let short = (room, "", state.as_str(), "> ");
        [(room, elsewhere.as_str(), state.as_str(), "> "), short]
    });
    let short = [
        (room, elsewhere.as_str(), "", end),
        (room, "", "", end),
        ("", "", "", "> "),
    ];
    let mut rows = long.chain(short).map(|(room, elsewhere, state, end)| {
        let mut row = Row::of(room_style, room);
        row.push(style::MENTION, elsewhere);
        row.push(style, state);
        row.push(style::PLAIN, end);
        row
    });
    let fitting = rows.find(|row| row.columns() <= columns / 2);
    fitting.unwrap_or_else(|| Row::of(room_style, "> "))
}

/// ` +2 dev!`.
fn elsewhere(rooms: &Rooms) -> String {
    let (count, called) = rooms.elsewhere();
    let count = (count > 0).then(|| format!(" +{count}"));
    let called = called.iter().map(|room| format!(" {room}!"));
    count.into_iter().chain(called).collect()
}

/// When the prompt will say something else though nothing happens.
pub fn prompt_changes_at(standing: &Standing<'_>, now: Instant) -> Option<Instant> {
    let Phase::Away { until } = standing.phase else {
        return None;
    };
    // It says 3 s until there are 2 s left.
    let left = Duration::from_secs(seconds_left(*until, now).checked_sub(1)?);
    until.checked_sub(left)
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
    use crate::style::Colors;

    fn standing<'a>(rooms: &'a Rooms, phase: &'a Phase, is_lost: bool) -> Standing<'a> {
        let round_trip = Some(Duration::from_micros(312));
        Standing {
            rooms,
            phase,
            is_lost,
            round_trip,
        }
    }

    /// Rooms that are entered.
    fn rooms(names: &[&str]) -> Rooms {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut rooms = Rooms::wanted(&names);
        for room in rooms.all_mut() {
            room.is_entered = true;
        }
        rooms
    }

    #[test]
    fn the_prompt_says_where_else_something_was_said() {
        let now = Instant::now();
        let phase = Phase::Talking { since: now };
        let mut rooms = rooms(&["lobby", "ops", "dev", "fun"]);
        for (name, is_called) in [("ops", false), ("dev", true), ("fun", false)] {
            let room = rooms.get_mut(name).unwrap();
            (room.has_news, room.is_called) = (true, is_called);
        }
        for (columns, wanted) in [
            (80, "lobby +2 dev! 0.3 ms> "),
            (32, "lobby 0.3 ms> "),
            (24, "lobby> "),
        ] {
            let row = prompt(&standing(&rooms, &phase, false), now, columns);
            assert_eq!(row.painted(0..row.len(), Colors::Unused), wanted);
        }
    }

    #[test]
    fn the_prompt_says_room_and_link() {
        let now = Instant::now();
        let lobby = rooms(&["lobby"]);
        let until = now + Duration::from_millis(2500);
        let (up, away) = (Phase::Talking { since: now }, Phase::Away { until });
        for (phase, is_lost, columns, wanted) in [
            (&up, false, 80, "lobby 0.3 ms> "),
            (&Phase::Connecting, false, 80, "lobby connecting> "),
            (&away, true, 80, "lobby lost, trying again in 3 s> "),
            (&Phase::Connecting, true, 80, "lobby lost, trying> "),
            (&up, false, 20, "lobby> "),
            (&away, true, 50, "lobby lost, 3 s> "),
            (&away, true, 20, "lobby! "),
            (&up, false, 8, "> "),
        ] {
            let row = prompt(&standing(&lobby, phase, is_lost), now, columns);
            assert_eq!(row.painted(0..row.len(), Colors::Unused), wanted);
        }
        let changes_at = prompt_changes_at(&standing(&lobby, &away, true), now);
        assert_eq!(changes_at, Some(until - Duration::from_secs(2)));
        assert_eq!(
            prompt_changes_at(&standing(&lobby, &away, true), until),
            None
        );
    }

    #[test]
    fn figures_are_short() {
        for (micros, wanted) in [(312, "0.3 ms"), (9_960, "10 ms"), (999_600, "1.0 s")] {
            assert_eq!(figure(Duration::from_micros(micros)), wanted);
        }
    }
}
