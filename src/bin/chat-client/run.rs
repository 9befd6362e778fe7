//! The client at work: waits for input, the link and signals in one `poll`, and does what the
//! session asks for. Nothing is shared with other threads, of which there are two that do nothing
//! but wait: one connects, one takes signals.

use std::io::{self, ErrorKind, IsTerminal, Read, stdin, stdout};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use clap::ColorChoice;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::flags::{Address, Flags};
use crate::lines::{Kind, Shown};
use crate::link::Link;
use crate::log::Log;
use crate::operator;
use crate::password::Password;
use crate::screen::{Plain, Screen, Wish};
use crate::seat::terminal::Tty;
use crate::seat::{Habits, Seat};
use crate::session::{Code, Effect, End, LinkEnd, Manner, Session, Settings};
use crate::settings_file::SettingsFile;
use crate::signals::{self, Asked};
use crate::state;
use crate::style::{Colors, is_dumb_terminal};
use crate::tls::Trust;

/// Bytes that the kernel has not taken; above it no more input is taken.
const UNWRITTEN_BYTES_MAX: usize = 64 << 10;
const CHUNK_BYTES: usize = 16 << 10;

/// Runs the client as its command line says, until it has come to an end.
pub fn run(mut flags: Flags) -> End {
    let settings_file = SettingsFile::read();
    let completed = settings_file.and_then(|file| file.complete(&mut flags));
    let log = completed.and_then(|()| flags.log.as_deref().map(Log::open).transpose());
    let log = match log {
        Ok(log) => log,
        Err(why) => return End::because(Code::Usage, &why),
    };
    let manner = manner(&flags);
    if let Some(path) = &flags.operator {
        return operator::run(path, &flags, manner);
    }
    let name = flags.name.clone().or_else(|| user_name(manner));
    if name.is_none() && !manner.is_person() {
        let why = "who are you? Give a name behind the host, or set LOGNAME";
        return End::because(Code::Usage, why);
    }
    let password = match Password::given(flags.password_file.as_deref()) {
        Ok(password) => password,
        Err(why) => return End::because(Code::Usage, &why),
    };
    let ignored = match state::ignored() {
        Ok(ignored) => ignored,
        Err(why) => return End::because(Code::Usage, &why),
    };
    let settings = Settings {
        server: flags.address.to_string(),
        name,
        password,
        rooms: flags.room.clone(),
        manner,
        comes_back: !flags.no_reconnect,
        is_without_history: flags.no_history,
        ignored,
        is_quiet: flags.is_quiet,
    };
    let trust = match Trust::of(&flags) {
        Ok(trust) => trust,
        Err(why) => return End::because(Code::Usage, &why),
    };
    Client::new(flags, trust, log, settings).map_or_else(
        |error| End::because(Code::Lost, &format!("cannot set up: {error}")),
        Client::run,
    )
}

/// A seat needs a terminal that knows sequences, for all three streams: who sends standard error
/// elsewhere wants what is said about the link there.
fn manner(flags: &Flags) -> Manner {
    let is_terminal = stdin().is_terminal() && stdout().is_terminal();
    if flags.send.is_some() {
        Manner::Poster
    } else if flags.json {
        Manner::Json
    } else if !is_terminal && flags.commands {
        Manner::Commands
    } else if !is_terminal {
        Manner::Pipe
    } else if io::stderr().is_terminal() && !is_dumb_terminal() {
        Manner::Seat
    } else {
        Manner::Terminal
    }
}

/// The name that the command line does not say: a person is asked instead.
fn user_name(manner: Manner) -> Option<String> {
    let variables = ["LOGNAME", "USER"]
        .iter()
        .filter_map(|name| std::env::var(name).ok());
    let mut names = variables.filter(|name| !name.trim().is_empty() && !manner.is_person());
    names.next()
}

struct Client {
    session: Session,
    screen: Box<dyn Screen>,
    /// Whether there may be more input.
    is_input_open: bool,
    /// What has become of the output, if it is gone.
    output_end: Option<End>,
    server: Address,
    /// Whom to believe, where TLS is spoken.
    trust: Option<Trust>,
    link: Link,
    log: Option<Log>,
    /// Bytes of other threads: see [`Asked`]. The end for them is beside it.
    asked: UnixStream,
    wake: UnixStream,
    chunk: Vec<u8>,
}

/// What there is to do.
#[derive(Debug, Default)]
struct Ready {
    asked: bool,
    input: bool,
    link: bool,
}

impl Client {
    fn new(
        flags: Flags,
        trust: Option<Trust>,
        log: Option<Log>,
        settings: Settings,
    ) -> io::Result<Self> {
        let (asked, wake) = UnixStream::pair()?;
        // A stream that is full says enough: a second signal must get through.
        wake.set_nonblocking(true)?;
        signals::watch(settings.manner, wake.try_clone()?)?;
        let (colors, is_given) = (
            Colors::wanted(flags.color.unwrap_or(ColorChoice::Auto)),
            flags.send.is_some(),
        );
        let is_given = is_given && flags.send.as_deref() != Some("-");
        let screen: Box<dyn Screen> = if settings.manner == Manner::Seat {
            let habits = Habits {
                colors,
                shows_round_trips: flags.rtt,
                is_audible: !flags.no_bell,
                history: flags
                    .keeps_history
                    .then(|| state::file("history"))
                    .flatten(),
            };
            Box::new(Seat::new(Tty::enter()?, &habits))
        } else {
            let given = flags.send.filter(|_| is_given);
            Box::new(Plain::new(settings.manner, flags.rtt, colors, given))
        };
        Ok(Client {
            session: Session::new(settings, fastrand::Rng::new()),
            screen,
            is_input_open: !is_given,
            output_end: None,
            server: flags.address,
            trust,
            link: Link::Down,
            log,
            asked,
            wake,
            chunk: vec![0; CHUNK_BYTES],
        })
    }

    fn run(mut self) -> End {
        self.session.start();
        let end = loop {
            self.settle();
            match self.session.end() {
                Some(end) => break end.clone(),
                None => self.serve(),
            }
        };
        let outcome = self.screen.close(&self.session);
        self.note_output(outcome);
        self.output_end.unwrap_or(end)
    }

    /// Does what the user wishes and what is to be done, until nothing is left; then it is drawn.
    fn settle(&mut self) {
        loop {
            self.do_effects();
            let now = Instant::now();
            if self.link.unwritten_bytes() > UNWRITTEN_BYTES_MAX {
                break;
            }
            match self.screen.next_wish(&self.session, now) {
                Some(Wish::Line(line)) => self.session.say_line(&line, now),
                Some(Wish::Text(text)) => self.session.say_text(&text, now),
                Some(Wish::Pasted { room, text }) => self.session.say_in(&room, &text, now),
                Some(Wish::TooLong) => self.session.say_endless_line(),
                Some(Wish::Go(step)) => _ = self.session.go(&step),
                Some(Wish::End) => self.session.end_of_input(now),
                None => break,
            }
        }
        let outcome = self.screen.refresh(&self.session, Instant::now());
        self.note_output(outcome);
        // Without a screen we leave, which is something to do.
        self.do_effects();
        self.link.flush();
    }

    /// Waits until there is something to do, or until a deadline, and takes it.
    fn serve(&mut self) {
        let ready = self.wait();
        let now = Instant::now();
        if ready.asked {
            self.take_asked(now);
        }
        if ready.link {
            let mut said = Vec::new();
            let outcome = self.link.read(&mut self.chunk, &mut said);
            self.session.receive(&said, now);
            self.note_link(outcome, now);
        }
        // Behind what there is to read: who was stopped for a while is answered all the same.
        self.session.tick(now);
        if ready.input {
            self.take_input(now);
        }
    }

    fn wait(&self) -> Ready {
        let now = Instant::now();
        let screen = self.screen.next_deadline(&self.session, now);
        let deadline = self.session.next_deadline().into_iter().chain(screen).min();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let has_room = self.link.unwritten_bytes() <= UNWRITTEN_BYTES_MAX;
        let takes_input = self.is_input_open && self.session.wants_line() && has_room;
        let stdin = stdin();
        let mut wanted = vec![PollFd::new(&self.asked, PollFlags::IN)];
        wanted.extend(takes_input.then(|| PollFd::new(&stdin, PollFlags::IN)));
        wanted.extend(self.link.interest().map(|(stream, is_writing)| {
            let write = PollFlags::OUT.bits() * u16::from(is_writing);
            PollFd::new(stream, PollFlags::IN | PollFlags::from_bits_retain(write))
        }));
        if poll(&mut wanted, timeout.as_ref()).is_err() {
            return Ready::default();
        }
        let link_at = 1 + usize::from(takes_input);
        let is_ready = |at: usize| wanted.get(at).is_some_and(|one| !one.revents().is_empty());
        Ready {
            asked: is_ready(0),
            input: takes_input && is_ready(1),
            link: is_ready(link_at),
        }
    }

    fn take_asked(&mut self, now: Instant) {
        let mut bytes = [0; 64];
        let count = self.asked.read(&mut bytes).unwrap_or(0);
        for byte in &bytes[..count] {
            match Asked::of(*byte) {
                Asked::Look => {}
                Asked::Leave => self.session.interrupt(self.screen.untaken(), now),
                Asked::Notice(notice) => {
                    let outcome = self.screen.notice(notice);
                    self.note_output(outcome);
                }
            }
        }
        // Whatever was asked: where the stream was full, a byte is missing.
        match self.link.take_outcome() {
            Ok(true) => self.session.link_up(now),
            Ok(false) => {}
            Err(end) => self.note_link(Err(end), now),
        }
    }

    fn take_input(&mut self, now: Instant) {
        let count = match stdin().lock().read(&mut self.chunk) {
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) =>
            {
                return;
            }
            // There is nobody to tell of an error: it is the end.
            outcome => outcome.unwrap_or(0),
        };
        self.is_input_open = count > 0;
        self.screen.input(&self.chunk[..count], now);
    }

    fn do_effects(&mut self) {
        while let Some(effect) = self.session.next_effect() {
            match effect {
                Effect::Connect => {
                    let outcome = self.connect();
                    self.note_link(outcome, Instant::now());
                }
                Effect::Send(bytes) => self.link.send(&bytes),
                Effect::Trust(key) => {
                    let trust = self.trust.as_mut();
                    let outcome = trust.map_or(Ok(()), |trust| trust.remember(&key));
                    self.note_kept(outcome);
                }
                Effect::KeepIgnored(names) => self.note_kept(state::keep_ignored(&names)),
                Effect::HangUp => self.link.close(),
                Effect::Call => self.screen.call(),
                Effect::ClearScreen => self.screen.clear(),
                Effect::Show(shown) => self.show(&shown),
                Effect::Line(line) => {
                    let outcome = self.screen.line(&line);
                    self.note_output(outcome);
                }
            }
        }
    }

    fn connect(&mut self) -> Result<(), LinkEnd> {
        let tls = self.trust.as_ref().map(Trust::start).transpose()?;
        let wake = self.wake.try_clone();
        let wake = wake.map_err(|why| LinkEnd::Unreachable(format!("cannot connect: {why}")))?;
        self.link = Link::open(self.server.clone(), tls, wake);
        Ok(())
    }

    fn note_link(&mut self, outcome: Result<(), LinkEnd>, now: Instant) {
        if let Err(end) = outcome {
            self.link.close();
            self.session.link_down(end, now);
        }
    }

    fn show(&mut self, shown: &Shown) {
        let logged = self.log.as_mut().map(|log| log.write(shown));
        // Whoever reads the question may answer at once, and must not be seen to.
        self.screen.prepare_typing(&self.session);
        let outcome = self.screen.show(shown);
        self.note_output(outcome);
        if let Some(Err(why)) = logged {
            self.log = None;
            self.show(&Shown::of(
                Kind::Status,
                &format!("nothing is logged any more: {why}"),
            ));
        }
    }

    /// Something was to be remembered.
    fn note_kept(&mut self, outcome: Result<(), String>) {
        if let Err(why) = outcome {
            let words = format!("that cannot be remembered: {why}");
            let outcome = self.screen.show(&Shown::of(Kind::Status, &words));
            self.note_output(outcome);
        }
    }

    /// Without an output there is nothing left to do but to leave, in good manners.
    fn note_output(&mut self, outcome: io::Result<()>) {
        let Err(error) = outcome else {
            return;
        };
        // That its reader has gone is nothing to complain about.
        if error.kind() != ErrorKind::BrokenPipe && self.output_end.is_none() {
            let why = format!("cannot write standard output: {error}");
            self.output_end = Some(End::because(Code::Lost, &why));
        }
        self.session
            .interrupt(self.screen.untaken(), Instant::now());
    }
}
