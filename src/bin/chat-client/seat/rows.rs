//! `Row`: text laid out in the columns of a screen. How wide a character is, is asked here and
//! nowhere else; what the text means is not known. Pure.

use chatd::clean::Clean;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::style::{self, Colors, Style};

/// What on a screen is one character: a letter with its marks, say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Style,
    columns: usize,
    agreement: Agreement,
}

/// Whether terminals agree on how wide something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agreement {
    All,
    /// Characters joined to one picture, and the like: some terminals draw one, some several.
    Some,
}

impl Cell {
    fn new(grapheme: &str, style: Style) -> Self {
        let text = match grapheme {
            "\t" => " ".to_owned(),
            _ => Clean::of(grapheme).as_str().to_owned(),
        };
        let joined = text.width();
        let single: usize = text.chars().map(|c| c.to_string().width()).sum();
        let agreement = match joined == single {
            true => Agreement::All,
            false => Agreement::Some,
        };
        // Room for the terminal that needs more.
        let columns = joined.max(single);
        Cell {
            text,
            style,
            columns,
            agreement,
        }
    }
}

/// See the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    cells: Vec<Cell>,
}

impl Row {
    /// A row of one style.
    pub fn of(style: Style, text: &str) -> Self {
        let mut row = Row::default();
        row.push(style, text);
        row
    }

    /// Appends a text.
    pub fn push(&mut self, style: Style, text: &str) {
        let cells = text
            .graphemes(true)
            .map(|grapheme| Cell::new(grapheme, style));
        self.cells.extend(cells);
    }

    /// Appends a row.
    pub fn append(&mut self, mut other: Row) {
        self.cells.append(&mut other.cells);
    }

    /// How many cells it has.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// How many columns it takes at the most.
    pub fn columns(&self) -> usize {
        self.columns_up_to(self.cells.len())
    }

    /// How many columns its first cells take at the most.
    pub fn columns_up_to(&self, cells: usize) -> usize {
        self.cells[..cells].iter().map(|cell| cell.columns).sum()
    }

    /// Whether every terminal draws it in the columns that are thought here.
    pub fn is_certain(&self) -> bool {
        self.cells
            .iter()
            .all(|cell| cell.agreement == Agreement::All)
    }

    /// How many cells it has in common with another from the start on.
    pub fn common_cells(&self, other: &Row) -> usize {
        let pairs = self.cells.iter().zip(&other.cells);
        pairs.take_while(|(one, another)| one == another).count()
    }

    /// A row that has no more than so many columns; where it is cut, it ends with `…`.
    pub fn cut(mut self, columns_max: usize) -> Row {
        if self.columns() <= columns_max {
            return self;
        }
        let mut columns = 0;
        let fits = |cell: &&Cell| {
            columns += cell.columns;
            columns < columns_max
        };
        let kept = self.cells.iter().take_while(fits).count();
        self.cells.truncate(kept);
        if columns_max > 0 {
            self.push(style::QUIET, "…");
        }
        self
    }

    /// Its cells of a range, for the terminal.
    pub fn painted(&self, cells: std::ops::Range<usize>, colors: Colors) -> String {
        let mut painted = String::new();
        for same_style in self.cells[cells].chunk_by(|one, next| one.style == next.style) {
            let text: String = same_style.iter().map(|cell| cell.text.as_str()).collect();
            colors.paint(same_style[0].style, &text, &mut painted);
        }
        painted
    }
}

/// The part of an edited line that can be seen: moves along with the cursor when the line is
/// longer than the screen is wide.
#[derive(Debug, Default)]
pub struct Window {
    /// The first cell that is seen.
    start: usize,
}

impl Window {
    /// What is seen of `line` in so many columns, and the cursor's place in it, both in cells.
    /// Where something is hidden at the left, `‹` stands.
    pub fn show(&mut self, line: &Row, cursor: usize, columns_max: usize) -> (Row, usize) {
        let columns = |from: usize, to: usize| line.columns_up_to(to) - line.columns_up_to(from);
        // One column is for the cursor behind the last cell, one for the mark at the left.
        let room = columns_max.saturating_sub(1).max(1);
        if columns(0, line.len()) <= room {
            self.start = 0;
            return (line.clone(), cursor);
        }
        let room = room.saturating_sub(1).max(1);
        if cursor <= self.start || columns(self.start, cursor) > room {
            // A jump by half the room, so that it does not move at every key.
            self.start = cursor;
            while self.start > 0 && columns(self.start - 1, cursor) <= room / 2 {
                self.start -= 1;
            }
        }
        let mut end = cursor;
        while end < line.len() && columns(self.start, end + 1) <= room {
            end += 1;
        }
        let mut seen = Row::default();
        if self.start > 0 {
            seen.push(style::QUIET, "‹");
        }
        let marks = seen.len();
        seen.cells.extend_from_slice(&line.cells[self.start..end]);
        (seen, marks + cursor - self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(row: &Row) -> String {
        row.painted(0..row.len(), Colors::Unused)
    }

    #[test]
    fn columns_of_wide_and_combining_characters() {
        for (text, cells, columns, is_certain) in [
            ("abc", 3, 3, true),
            ("漢字", 2, 4, true),
            ("e\u{301}a", 2, 2, true),
            ("한", 1, 2, true),
            ("👩\u{200d}🚀", 1, 4, false),
            ("\t", 1, 1, true),
            ("\u{1b}", 1, 1, true),
            ("\u{202e}", 1, 1, true),
        ] {
            let row = Row::of(style::PLAIN, text);
            let is = (row.len(), row.columns(), row.is_certain());
            assert_eq!(is, (cells, columns, is_certain), "{text:?}");
        }
    }

    #[test]
    fn a_cut_row_fits() {
        let row = Row::of(style::PLAIN, "a漢字b");
        for columns in 0..6 {
            let cut = row.clone().cut(columns);
            assert!(cut.columns() <= columns, "{columns}: {cut:?}");
        }
        assert_eq!(text(&row.clone().cut(5)), "a漢…");
        assert_eq!(text(&row.clone().cut(6)), "a漢字b");
    }

    #[test]
    fn a_window_keeps_the_cursor_in_sight() {
        let line = Row::of(style::PLAIN, &"0123456789漢字".repeat(4));
        for columns in 4..30 {
            let mut window = Window::default();
            let there_and_back = (0..=line.len()).chain((0..=line.len()).rev());
            for cursor in there_and_back {
                let (seen, at) = window.show(&line, cursor, columns);
                assert!(seen.columns() <= columns, "{columns} {cursor}: {seen:?}");
                assert!(seen.columns_up_to(at) < columns, "{columns} {cursor}: {at}");
                assert!(at >= usize::from(cursor > 0), "{columns} {cursor}: {at}");
                let behind = cursor < line.len() && at < seen.len();
                if behind {
                    assert_eq!(seen.cells[at], line.cells[cursor]);
                }
            }
        }
    }

    #[test]
    fn a_line_that_fits_is_seen_whole() {
        let line = Row::of(style::PLAIN, "0123456789");
        let (seen, at) = Window::default().show(&line, 10, 11);
        assert_eq!((text(&seen).as_str(), at), ("0123456789", 10));
        let (seen, at) = Window::default().show(&line, 10, 10);
        assert_eq!((text(&seen).as_str(), at), ("‹6789", 5));
    }
}
