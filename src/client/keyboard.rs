//! Where the user's lines come from: [`Keyboard`], and the thread that asks one for lines. The
//! thread takes a line only when it is told to, so input that outruns the server waits in its
//! pipe and not in memory. What a line means is not known here.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread;

use super::run::Event;
use super::seat::SeatEvent;
use crate::dialect::line::{LineBuffer, Piece};

/// Bytes of a line of the user. Far more than servers take: it is theirs to refuse a line.
const TYPED_LINE_BYTES_MAX: usize = 64 << 10;
const CHUNK_BYTES: usize = 16 << 10;

/// What the user did.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line, without its ending. Bytes that are not UTF-8 stand there as U+FFFD.
    Line(String),
    /// A line that is too long to be worth keeping.
    TooLong,
    /// Nothing more will come.
    End,
}

/// Where lines come from. A line editor is one of these.
pub trait Keyboard: Send + 'static {
    /// Waits for the next line. After [`Typed::End`] it is not called again.
    fn next_line(&mut self) -> Typed;
}

/// Lines of a stream, as they come: standard input without an editor.
#[derive(Debug)]
pub struct Stream<R> {
    source: R,
    lines: LineBuffer,
    chunk: Vec<u8>,
    /// How much of `chunk` has been used.
    used: usize,
}

impl<R: Read> Stream<R> {
    /// Reads from `source`, which is not buffered by anybody else.
    pub fn new(source: R) -> Self {
        Stream {
            source,
            lines: LineBuffer::default(),
            chunk: Vec::new(),
            used: 0,
        }
    }

    /// Whether something was read. An error of the source is its end: there is nobody to tell.
    fn refill(&mut self) -> bool {
        self.used = 0;
        self.chunk.resize(CHUNK_BYTES, 0);
        loop {
            match self.source.read(&mut self.chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => {
                    self.chunk.truncate(outcome.unwrap_or(0));
                    return !self.chunk.is_empty();
                }
            }
        }
    }
}

impl<R: Read + Send + 'static> Keyboard for Stream<R> {
    fn next_line(&mut self) -> Typed {
        loop {
            let mut rest = &self.chunk[self.used..];
            let piece = self.lines.next(&mut rest, TYPED_LINE_BYTES_MAX);
            self.used = self.chunk.len() - rest.len();
            if let Some(piece) = piece {
                return typed(&piece);
            }
            if !self.refill() {
                let last = self.lines.finish(TYPED_LINE_BYTES_MAX);
                return last.map_or(Typed::End, |piece| typed(&piece));
            }
        }
    }
}

fn typed(piece: &Piece<'_>) -> Typed {
    match piece {
        Piece::Line(line) => Typed::Line(String::from_utf8_lossy(line).into_owned()),
        Piece::TooLong => Typed::TooLong,
    }
}

/// Lines that are known from the start.
#[derive(Debug)]
pub struct Given(VecDeque<String>);

impl Given {
    /// The lines of a text.
    pub fn of(text: &str) -> Self {
        Given(text.lines().map(str::to_owned).collect())
    }
}

impl Keyboard for Given {
    fn next_line(&mut self) -> Typed {
        self.0.pop_front().map_or(Typed::End, Typed::Line)
    }
}

/// Reads a terminal that is set up for a seat, in a thread of its own: every byte as it comes.
/// That the seat is slower than the keyboard makes the bytes wait in the terminal.
pub fn read_keys_in_thread(mut source: impl Read + Send + 'static, events: SyncSender<Event>) {
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let event = match source.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => SeatEvent::KeyboardGone,
                Ok(count) => SeatEvent::Keys(chunk[..count].to_vec()),
            };
            let is_gone = event == SeatEvent::KeyboardGone;
            if events.send(Event::Seat(event)).is_err() || is_gone {
                return;
            }
        }
    });
}

/// Runs a keyboard in a thread of its own. Each `()` sent to the returned channel asks for one
/// line, which comes as [`Event::Typed`].
pub fn run_in_thread(mut keyboard: Box<dyn Keyboard>, events: SyncSender<Event>) -> Sender<()> {
    let (ask, asked): (Sender<()>, Receiver<()>) = channel();
    thread::spawn(move || {
        while asked.recv().is_ok() {
            let typed = keyboard.next_line();
            let is_end = typed == Typed::End;
            if events.send(Event::Typed(typed)).is_err() || is_end {
                return;
            }
        }
    });
    ask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut keyboard: impl Keyboard) -> Vec<Typed> {
        let mut typed = Vec::new();
        while typed.last() != Some(&Typed::End) {
            typed.push(keyboard.next_line());
        }
        typed
    }

    #[test]
    fn a_stream_gives_its_lines_and_its_unfinished_last_one() {
        let line = |text: &str| Typed::Line(text.to_owned());
        let keyboard = Stream::new(&b"one\r\n\ntw\xffo\nlast"[..]);
        assert_eq!(
            all(keyboard),
            [
                line("one"),
                line(""),
                line("tw\u{fffd}o"),
                line("last"),
                Typed::End
            ]
        );
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let endless = std::io::repeat(b'x').take(10 * TYPED_LINE_BYTES_MAX as u64);
        let keyboard = Stream::new(endless.chain(&b"\nok\n"[..]));
        let ok = Typed::Line("ok".to_owned());
        assert_eq!(all(keyboard), [Typed::TooLong, ok, Typed::End]);
    }
}
