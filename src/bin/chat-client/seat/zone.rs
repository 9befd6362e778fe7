//! `Zone`: the last rows of the screen, which stay while the conversation moves on above them:
//! some rows to look at, and the row that is edited, where the cursor is. It turns rows into what
//! has to be written to the terminal, and no more than what has changed. What the rows say is not
//! known here. Pure; owned by the seat.
//!
//! The terminal's own scrollback is where the conversation goes; nothing here knows the height of
//! the screen or a place on it. All moves are relative to the cursor, which never leaves the
//! edited row.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::rows::Row;
use crate::style::Colors;

/// What stands in the zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// To look at, none wider than the screen.
    pub above: Vec<Row>,
    /// The row with the cursor; narrower than the screen.
    pub edited: Row,
    /// The cursor's place in it, in cells.
    pub cursor: usize,
}

/// What a terminal does with rows that have become too long for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Narrowing {
    /// They go on in the next row, as long lines do.
    Wraps,
    /// They are cut.
    Cuts,
}

/// A window that is dragged has a new size many times, of which tmux tells one every 250 ms: what is
/// drawn before it rests lands on rows that are elsewhere by then, and old prompts stay.
pub const RESIZE_REST: Duration = Duration::from_millis(300);

/// How many columns a window had last, while it is dragged, and when it rests if it keeps them.
#[derive(Debug, Default)]
pub struct Dragging(Option<(usize, Instant)>);

impl Dragging {
    /// Whether a window in which was drawn for `drawn` columns, and which now has so many, is dragged.
    pub fn goes_on(&mut self, drawn: usize, columns: usize, now: Instant) -> bool {
        let (last, rests_at) = self.0.unwrap_or((drawn, now));
        let rests_at = if columns == last {
            rests_at
        } else {
            now + RESIZE_REST
        };
        self.0 = (now < rests_at).then_some((columns, rests_at));
        self.0.is_some()
    }

    /// When it rests.
    pub fn rests_at(&self) -> Option<Instant> {
        Some(self.0?.1)
    }
}

/// See the file.
#[derive(Debug)]
pub struct Zone {
    colors: Colors,
    narrowing: Narrowing,
    /// What is on the screen.
    drawn: Option<Rows>,
}

/// A terminal that knows this shows all that is between them at once.
const BEGIN_FRAME: &str = "\x1b[?2026h";
const END_FRAME: &str = "\x1b[?2026l";
/// From the first column of this row to the end of the screen, and back there. Not all of it at once:
/// tmux takes an erasing that begins in the first cell of its screen for the end of a screenful, and
/// keeps what stood there in its history, so that each new size of a window left an old prompt.
const ERASE_BELOW: &str = "\r\x1b[K\x1b[C\x1b[J\r";
const ERASE_TO_END_OF_ROW: &str = "\x1b[K";
const SAVE_CURSOR: &str = "\x1b7";
const RESTORE_CURSOR: &str = "\x1b8";

impl Zone {
    /// A zone of which nothing is on the screen.
    pub fn new(colors: Colors, narrowing: Narrowing) -> Self {
        Zone {
            colors,
            narrowing,
            drawn: None,
        }
    }

    /// Whether rows that are drawn move when the screen has another size.
    pub fn is_moved_by_resizes(&self) -> bool {
        self.narrowing == Narrowing::Wraps
    }

    /// Puts these lines, ready for the terminal, above the zone, and these rows into it.
    pub fn draw(&mut self, lines: &str, rows: Rows, out: &mut String) {
        match &self.drawn {
            Some(drawn) if lines.is_empty() && drawn.above == rows.above => {
                self.update(drawn, &rows, out);
            }
            _ => {
                out.push_str(BEGIN_FRAME);
                self.erase(out);
                // Of raw mode: LF alone would not go back to the first column.
                out.push_str(&lines.replace('\n', "\r\n"));
                for row in &rows.above {
                    self.row(row, 0..row.len(), out);
                    out.push_str("\r\n");
                }
                self.edited(&rows, out);
                out.push_str(END_FRAME);
            }
        }
        self.drawn = Some(rows);
    }

    /// Takes the zone from the screen; the cursor is then where it began.
    pub fn erase(&mut self, out: &mut String) {
        if let Some(drawn) = self.drawn.take() {
            up(drawn.above.len(), out);
            out.push_str(ERASE_BELOW);
        }
    }

    /// Takes the zone from a screen that has so many columns now.
    pub fn erase_after_resize(&mut self, columns: usize, out: &mut String) {
        let Some(drawn) = &self.drawn else {
            return;
        };
        if self.narrowing == Narrowing::Wraps {
            let columns = columns.max(1);
            let rows_of = |row: &Row| row.columns().div_ceil(columns).max(1) - 1;
            let added: usize = drawn.above.iter().map(rows_of).sum();
            up(
                added + drawn.edited.columns_up_to(drawn.cursor) / columns,
                out,
            );
        }
        self.erase(out);
    }

    /// The screen no longer shows what was drawn: somebody else has written to it.
    pub fn forget(&mut self) {
        self.drawn = None;
    }

    /// Changes the edited row from what it is to what it is to be.
    fn update(&self, old: &Rows, new: &Rows, out: &mut String) {
        if old == new {
            return;
        }
        if !old.edited.is_certain() || !new.edited.is_certain() {
            out.push('\r');
            return self.edited(new, out);
        }
        let mut column = old.edited.columns_up_to(old.cursor);
        let common = old.edited.common_cells(&new.edited);
        if common < old.edited.len().max(new.edited.len()) {
            go(column, new.edited.columns_up_to(common), out);
            self.row(&new.edited, common..new.edited.len(), out);
            column = new.edited.columns();
            if column < old.edited.columns() {
                out.push_str(ERASE_TO_END_OF_ROW);
            }
        }
        go(column, new.edited.columns_up_to(new.cursor), out);
    }

    /// Writes the edited row from its first column on. The terminal itself remembers where the
    /// cursor belongs, however wide it makes what stands before it.
    fn edited(&self, rows: &Rows, out: &mut String) {
        self.row(&rows.edited, 0..rows.cursor, out);
        out.push_str(SAVE_CURSOR);
        self.row(&rows.edited, rows.cursor..rows.edited.len(), out);
        out.push_str(ERASE_TO_END_OF_ROW);
        out.push_str(RESTORE_CURSOR);
    }

    fn row(&self, row: &Row, cells: std::ops::Range<usize>, out: &mut String) {
        out.push_str(&row.painted(cells, self.colors));
    }
}

fn up(rows: usize, out: &mut String) {
    if rows > 0 {
        let _ = write!(out, "\x1b[{rows}A");
    }
}

/// Moves the cursor within its row, from one column to another.
fn go(from: usize, to: usize, out: &mut String) {
    let _ = match to.cmp(&from) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => write!(out, "\x1b[{}D", from - to),
        std::cmp::Ordering::Greater => write!(out, "\x1b[{}C", to - from),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style;

    fn rows(above: &[&str], edited: &str) -> Rows {
        let row = |text: &&str| Row::of(style::PLAIN, text);
        let edited = Row::of(style::PLAIN, edited);
        let cursor = edited.len();
        Rows {
            above: above.iter().map(row).collect(),
            edited,
            cursor,
        }
    }

    #[test]
    fn a_window_that_is_dragged_is_left_alone_until_it_rests() {
        let (mut dragging, start) = (Dragging::default(), Instant::now());
        assert!(!dragging.goes_on(80, 80, start));
        assert!(dragging.goes_on(80, 70, start));
        let later = start + RESIZE_REST / 2;
        assert!(dragging.goes_on(80, 60, later));
        assert!(dragging.goes_on(80, 60, start + RESIZE_REST));
        assert_eq!(dragging.rests_at(), Some(later + RESIZE_REST));
        assert!(!dragging.goes_on(80, 60, later + RESIZE_REST));
        assert_eq!(dragging.rests_at(), None);
        assert!(!dragging.goes_on(60, 60, later + RESIZE_REST));
    }

    #[test]
    fn nothing_of_the_zone_stays_when_it_is_drawn_anew() {
        let mut zone = Zone::new(Colors::Unused, Narrowing::Wraps);
        let mut screen = vt100::Parser::new(6.try_into().unwrap(), 80.try_into().unwrap(), 100);
        let mut out = String::new();
        zone.draw("", rows(&["unheard"], "> a draft of some length"), &mut out);
        screen.process(out.as_bytes());
        out.clear();
        zone.erase_after_resize(90, &mut out);
        zone.draw("said\n", rows(&[], "> new"), &mut out);
        // Nothing that tmux would keep.
        assert!(!out.contains("\r\x1b[J"), "{out:?}");
        screen.process(out.as_bytes());
        assert_eq!(screen.screen().contents().trim_end(), "said\n> new");
    }
}
