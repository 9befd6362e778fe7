//! The client at work: starts the threads, and does what the session asks for. One thread reads
//! the keyboard, one reads the socket, one writes it, one waits for signals; this one owns the
//! session and the screen and waits for [`Event`]s of the others. Nothing is shared but channels,
//! and each of them is bounded or holds only what the session let through.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::time::Instant;

use super::clean::Clean;
use super::end::End;
use super::flags::{Address, Flags, parse_name};
use super::keyboard::{self, Given, Keyboard, Stream, Typed};
use super::link::{self, LinkEvent};
use super::screen::{PlainScreen, RoundTrips, Screen, wants_colors};
use super::session::{Effect, Manner, Session, Settings, WhenLost};

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
    let name = match flags.name.map_or_else(|| find_name(keyboard.as_mut()), Ok) {
        Ok(name) => name,
        Err(end) => return end,
    };
    let settings = Settings {
        server: flags.server.to_string(),
        name,
        room: flags.room,
        manner,
        when_lost: match flags.no_reconnect {
            true => WhenLost::GiveUp,
            false => WhenLost::ComeBack,
        },
    };
    let round_trips = match flags.rtt {
        true => RoundTrips::Shown,
        false => RoundTrips::Hidden,
    };
    let output = BufWriter::new(io::stdout());
    let colors = wants_colors(flags.color);
    let screen = PlainScreen::new(output, io::stderr(), manner, round_trips, colors);
    let (events, inbox) = sync_channel(EVENTS_MAX);
    if let Err(error) = signals::watch(events.clone()) {
        return End::Usage(Clean::of(&format!("cannot wait for signals: {error}")));
    }
    Client {
        session: Session::new(settings, fastrand::Rng::new()),
        screen,
        output: Output::Open,
        keyboard: keyboard::run_in_thread(keyboard, events.clone()),
        asked: Asked::No,
        server: flags.server,
        link: None,
        link_number: 0,
        events,
    }
    .run(&inbox)
}

fn manner(flags: &Flags) -> Manner {
    if flags.send.is_some() {
        Manner::Poster
    } else if io::stdin().is_terminal() && io::stdout().is_terminal() {
        Manner::Terminal
    } else {
        Manner::Pipe
    }
}

/// The name that the command line does not say.
fn find_name(keyboard: &mut dyn Keyboard) -> Result<String, End> {
    if io::stdin().is_terminal() {
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
            Typed::End => return Err(End::Left),
        }
    }
}

/// Whether the keyboard owes us a line.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    No,
    Yes,
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

struct Client<S> {
    session: Session,
    screen: S,
    output: Output,
    keyboard: Sender<()>,
    asked: Asked,
    server: Address,
    link: Option<Link>,
    /// Of the newest link, up or not.
    link_number: u64,
    events: SyncSender<Event>,
}

impl<S: Screen> Client<S> {
    fn run(mut self, inbox: &Receiver<Event>) -> End {
        self.session.start();
        loop {
            self.do_effects();
            if let Some(end) = self.session.end() {
                return match self.output {
                    Output::Lost(why) => End::OutputLost(why),
                    Output::Open | Output::Closed => end.clone(),
                };
            }
            self.ask_for_a_line();
            match self.wait(inbox) {
                Some(event) => self.take(event),
                None => self.session.tick(Instant::now()),
            }
        }
    }

    /// The next event, or `None` when the session's deadline has come first. A deadline that has
    /// passed is told even while events never cease.
    fn wait(&self, inbox: &Receiver<Event>) -> Option<Event> {
        let Some(deadline) = self.session.next_deadline() else {
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
            Event::Typed(typed) => {
                self.asked = Asked::No;
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
        if self.asked == Asked::No
            && self.session.wants_line()
            && unwritten_bytes < UNWRITTEN_BYTES_MAX
            && self.keyboard.send(()).is_ok()
        {
            self.asked = Asked::Yes;
        }
    }
}
