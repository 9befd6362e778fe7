//! The client at work: starts the threads, and does what the session asks for. One thread reads
//! the keyboard, one reads the socket, one writes it, one waits for signals; this one owns the
//! session and the screen and waits for [`Event`]s of the others. Nothing is shared but channels,
//! and each of them is bounded or holds only what the session let through.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::time::Instant;

use super::end::End;
use super::flags::{Address, Flags, parse_name};
use super::keyboard::{self, Given, Keyboard, Stream, Typed};
use super::link::{self, LinkEvent};
use super::screen::{PlainScreen, RoundTrips, Screen};
use super::seat::outgoing::Line;
use super::seat::terminal::{Tty, narrowing};
use super::seat::{Seat, SeatEvent, Wish};
use super::session::{Effect, Manner, Session, Settings, WhenLost};
use super::style::{Colors, is_dumb_terminal};
use crate::clean::Clean;

mod signals;

/// Events that wait for this thread; a thread with one more waits itself.
const EVENTS_MAX: usize = 32;
/// Bytes that the kernel has not taken; above it the keyboard is not asked for more.
const UNWRITTEN_BYTES_MAX: usize = 64 << 10;

/// What the other threads report.
#[derive(Debug)]
pub enum Event {
    /// The keyboard was asked, and this came.
    Typed(Typed),
    /// Something at the seat.
    Seat(SeatEvent),
    /// The link with this number.
    Link(u64, LinkEvent),
    /// The system or the user wants us to be gone.
    Interrupted,
}

/// Runs the client as its command line says, until it has come to an end.
pub fn run(flags: Flags) -> End {
    let manner = manner(&flags);
    let mut keyboard: Box<dyn Keyboard> = match flags.send.as_deref() {
        Some(text) if text != "-" => Box::new(Given::of(text)),
        _ => Box::new(Stream::new(io::stdin())),
    };
    let name = flags.name.clone();
    let name = match name.map_or_else(|| find_name(keyboard.as_mut(), &flags.server), Ok) {
        Ok(name) => name,
        Err(end) => return end,
    };
    let session = Session::new(settings(&flags, name, manner), fastrand::Rng::new());
    let (events, inbox) = sync_channel(EVENTS_MAX);
    if let Err(error) = signals::watch(events.clone(), manner) {
        return End::Usage(Clean::of(&format!("cannot wait for signals: {error}")));
    }
    let colors = Colors::wanted(flags.color);
    let round_trips = match flags.rtt {
        true => RoundTrips::Shown,
        false => RoundTrips::Hidden,
    };
    let start = |screen, keyboard| Client {
        session,
        screen,
        output: Output::Open,
        keyboard,
        server: flags.server,
        link: None,
        link_number: 0,
        events: events.clone(),
    };
    if manner == Manner::Seat {
        let tty = match Tty::enter() {
            Ok(tty) => tty,
            Err(error) => {
                let why = format!("cannot set up the terminal: {error}");
                return End::OutputLost(Clean::of(&why));
            }
        };
        let screen = Seat::new(tty, colors, narrowing(), round_trips, time_of_day);
        let screen: Box<dyn Screen> = Box::new(screen);
        keyboard::read_keys_in_thread(io::stdin(), events.clone());
        return start(screen, Lines::Never).run(&inbox);
    }
    let output = BufWriter::new(io::stdout());
    let screen = PlainScreen::new(output, io::stderr(), manner, round_trips, colors);
    let lines = keyboard::run_in_thread(keyboard, events.clone());
    start(Box::new(screen), Lines::Unasked(lines)).run(&inbox)
}

fn settings(flags: &Flags, name: String, manner: Manner) -> Settings {
    Settings {
        server: flags.server.to_string(),
        name,
        room: flags.room.clone(),
        manner,
        when_lost: match flags.no_reconnect {
            true => WhenLost::GiveUp,
            false => WhenLost::ComeBack,
        },
    }
}

/// A seat needs a terminal that knows sequences, for all three streams: who sends standard error
/// elsewhere wants what is said about the link there.
fn manner(flags: &Flags) -> Manner {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    if flags.send.is_some() {
        Manner::Poster
    } else if !is_terminal {
        Manner::Pipe
    } else if io::stderr().is_terminal() && !is_dumb_terminal() {
        Manner::Seat
    } else {
        Manner::Terminal
    }
}

fn time_of_day() -> String {
    jiff::Zoned::now().strftime("%H:%M").to_string()
}

/// The name that the command line does not say.
fn find_name(keyboard: &mut dyn Keyboard, server: &Address) -> Result<String, End> {
    if io::stdin().is_terminal() {
        let otherwise = "for another server: chat-client HOST[:PORT]";
        let _ = writeln!(io::stderr(), "Chat on {server} ({otherwise})");
        return ask_name(keyboard);
    }
    let user = std::env::var("USER").unwrap_or_default();
    parse_name(&user).map_err(|_| {
        End::Usage(Clean::of(
            "who are you? Give a name behind the host, or set USER",
        ))
    })
}

fn ask_name(keyboard: &mut dyn Keyboard) -> Result<String, End> {
    loop {
        let _ = write!(io::stderr(), "Your name: ");
        match keyboard.next_line() {
            Typed::Line(line) => {
                if let Ok(name) = parse_name(line.trim()) {
                    return Ok(name);
                }
            }
            Typed::TooLong => {}
            Typed::End => {
                // Whatever comes next has a row of its own.
                let _ = writeln!(io::stderr());
                return Err(End::Left);
            }
        }
    }
}

/// The lines of a keyboard, which come only when they are asked for.
enum Lines {
    Unasked(Sender<()>),
    Asked(Sender<()>),
    /// There are none: a seat sees keys.
    Never,
}

/// What has become of standard output.
#[derive(Debug)]
enum Output {
    Open,
    /// Its reader has gone: nothing to complain about.
    Closed,
    Lost(Clean),
}

/// A connected link: where to write, and what of it is still on its way to the kernel.
struct Link {
    stream: Arc<TcpStream>,
    write: Sender<Vec<u8>>,
    unwritten_bytes: usize,
}

struct Client {
    session: Session,
    screen: Box<dyn Screen>,
    output: Output,
    keyboard: Lines,
    server: Address,
    link: Option<Link>,
    /// Of the newest link, up or not.
    link_number: u64,
    events: SyncSender<Event>,
}

impl Client {
    fn run(mut self, inbox: &Receiver<Event>) -> End {
        self.session.start();
        loop {
            self.settle();
            if let Some(end) = self.session.end() {
                let end = end.clone();
                let outcome = self.screen.close(&self.session);
                self.note_output(outcome);
                return match self.output {
                    Output::Lost(why) => End::OutputLost(why),
                    Output::Open | Output::Closed => end,
                };
            }
            self.ask_for_a_line();
            match self.wait(inbox) {
                Some(event) => self.take_all(event, inbox),
                None => self.session.tick(Instant::now()),
            }
        }
    }

    /// Takes this event and those that wait behind it, so that all of them are drawn at once.
    fn take_all(&mut self, first: Event, inbox: &Receiver<Event>) {
        let waiting = inbox.try_iter().take(EVENTS_MAX);
        for event in std::iter::once(first).chain(waiting) {
            self.take(event);
            self.do_effects();
        }
    }

    /// Does what the user wishes and what is to be done, until nothing is left; then it is drawn.
    fn settle(&mut self) {
        loop {
            self.do_effects();
            let now = Instant::now();
            match self.screen.next_wish(&self.session, now) {
                Some(Wish::Say(Line::Typed(line))) => self.session.say(&line, now),
                Some(Wish::Say(Line::Pasted(text))) => self.session.say_text(&text, now),
                Some(Wish::Leave) => self.session.interrupt(now),
                None => break,
            }
        }
        let outcome = self.screen.refresh(&self.session, Instant::now());
        self.note_output(outcome);
        // Without a screen we leave, which is something to do.
        self.do_effects();
    }

    /// The next event, or `None` when a deadline has come first. A deadline that has passed is
    /// told even while events never cease.
    fn wait(&self, inbox: &Receiver<Event>) -> Option<Event> {
        let now = Instant::now();
        let screen = self.screen.next_deadline(&self.session.standing(), now);
        let Some(deadline) = self.session.next_deadline().into_iter().chain(screen).min() else {
            return inbox.recv().ok();
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        inbox.recv_timeout(left).ok()
    }

    fn take(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Interrupted => self.session.interrupt(now),
            Event::Seat(event) => {
                let outcome = self.screen.take(event);
                self.note_output(outcome);
            }
            Event::Typed(typed) => {
                self.keyboard = match std::mem::replace(&mut self.keyboard, Lines::Never) {
                    Lines::Asked(lines) => Lines::Unasked(lines),
                    other => other,
                };
                match typed {
                    Typed::Line(line) => self.session.say(&line, now),
                    Typed::TooLong => self.session.say_endless_line(),
                    Typed::End => self.session.end_of_input(now),
                }
            }
            Event::Link(number, event) if number == self.link_number => self.take_link(event, now),
            // Of a link that was given up. If it has only now come about, dropping it closes it.
            Event::Link(..) => {}
        }
    }

    fn take_link(&mut self, event: LinkEvent, now: Instant) {
        match event {
            LinkEvent::Up(stream) => {
                let events = self.events.clone();
                self.link = Some(Link {
                    stream: Arc::clone(&stream),
                    write: link::write_in_thread(stream, self.link_number, events),
                    unwritten_bytes: 0,
                });
                self.session.link_up(now);
            }
            LinkEvent::Received(bytes, at) => self.session.receive(&bytes, at),
            LinkEvent::Written(count) => {
                if let Some(link) = &mut self.link {
                    link.unwritten_bytes -= count;
                }
            }
            LinkEvent::Down(end) => {
                self.link = None;
                self.session.link_down(end, now);
            }
        }
    }

    /// Does all that is to be done, what came out of showing it included.
    fn do_effects(&mut self) {
        while let Some(first) = self.session.next_effect() {
            let mut next = Some(first);
            while let Some(effect) = next {
                self.do_effect(effect);
                next = self.session.next_effect();
            }
            let outcome = self.screen.flush();
            self.note_output(outcome);
        }
    }

    fn do_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Connect => {
                self.link_number += 1;
                let events = self.events.clone();
                link::open(self.server.clone(), self.link_number, events);
            }
            Effect::Send(bytes) => {
                if let Some(link) = &mut self.link {
                    link.unwritten_bytes += bytes.len();
                    // A writer that is gone has met an error that the reader reports.
                    let _ = link.write.send(bytes);
                }
            }
            Effect::HangUp => {
                if let Some(link) = self.link.take() {
                    link::close(&link.stream);
                }
                self.link_number += 1;
            }
            Effect::Show(shown) => {
                let outcome = self.screen.show(&shown);
                self.note_output(outcome);
            }
        }
    }

    /// Without an output there is nothing left to do but to leave, in good manners.
    fn note_output(&mut self, outcome: io::Result<()>) {
        let (Err(error), Output::Open) = (outcome, &self.output) else {
            return;
        };
        self.output = match error.kind() {
            ErrorKind::BrokenPipe => Output::Closed,
            _ => Output::Lost(Clean::of(&format!("cannot write standard output: {error}"))),
        };
        self.session.interrupt(Instant::now());
    }

    fn ask_for_a_line(&mut self) {
        let unwritten_bytes = self.link.as_ref().map_or(0, |link| link.unwritten_bytes);
        if !self.session.wants_line() || unwritten_bytes >= UNWRITTEN_BYTES_MAX {
            return;
        }
        self.keyboard = match std::mem::replace(&mut self.keyboard, Lines::Never) {
            Lines::Unasked(lines) if lines.send(()).is_ok() => Lines::Asked(lines),
            other => other,
        };
    }
}
