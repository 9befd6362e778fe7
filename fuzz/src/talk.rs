//! `talk`: the real rules of chat, with people who say what the script makes them say. Everything
//! that happens and everything that is answered is handed to a target, as the hub would hand it to
//! a language; and beside it what the rules make of other texts than these. Owned by a target.

use std::time::Duration;

use chatd::bucket::Rate;
use chatd::chat::{
    Act, Answer, Cause, Command, Directory, Fact, Hears, Histories, Listen, Manner, MemberId,
    MessageId, PageOf, Place, Refusal as RulesRefusal, Request, RoomId, Rules, To, What,
};
use chatd::dialect::cleaning::clean;
use chatd::dialect::{Refusal, Reply, text};
use chatd::time::{Time, WallTime};

use crate::script::Script;

/// Something that is to be written in a language.
#[derive(Debug)]
pub enum Told<'a> {
    /// Something that happened.
    Fact(&'a Fact<'a>),
    /// What one connection is told alone.
    Reply(&'a Reply<'a>),
}

/// Who is told.
pub trait Hear {
    /// See [`Told`].
    fn hear(&mut self, told: &Told<'_>);
}

struct Ear<'h> {
    histories: Histories,
    hear: &'h mut dyn Hear,
}

impl Ear<'_> {
    fn reply(&mut self, reply: &Reply<'_>) {
        self.hear.hear(&Told::Reply(reply));
    }
}

impl Listen for Ear<'_> {
    fn hear(&mut self, to: To<'_>, fact: &Fact<'_>) {
        self.histories.hear(to, fact);
        self.hear.hear(&Told::Fact(fact));
        if let (What::Entered { .. }, Some(room)) = (fact.what, fact.room) {
            let messages = self.histories.newest(room.id, 20);
            self.hear.hear(&Told::Reply(&Reply::Past {
                room: room.name,
                messages,
                missed: Some(0),
            }));
        }
    }
}

/// Plays a script of limits and then lines, each of which begins with who speaks and how. `seen` is
/// shown every line, too.
pub fn talk(bytes: &[u8], hear: &mut dyn Hear, seen: fn(&[u8])) {
    let mut script = Script::new(bytes);
    let mut people = People {
        directory: Directory::new(rules(&mut script)),
        members: [None; 8],
        ear: Ear {
            histories: histories(&mut script),
            hear,
        },
        now: Time::START,
    };
    for line in script.rest().split(|&byte| byte == b'\n') {
        let mut line = Script::new(line);
        let choices = line.byte();
        let bytes = line.rest();
        seen(bytes);
        let mut scratch = String::new();
        people.speak(choices, clean(bytes, &mut scratch));
    }
}

fn rules(script: &mut Script<'_>) -> Rules {
    Rules {
        announce_members_max: script.below(5),
        announce_rate: Rate::new(5, script.choice(&[20, 1])),
        churn_interval: Duration::from_millis(script.choice(&[0, 2])),
        churn_hearers_per_turn_max: usize::MAX,
        rooms_max: script.choice(&[1000, 2]),
        resting_rooms_max: script.choice(&[0, 1, 3]),
        rooms_per_member_max: script.choice(&[32, 2, 1]),
        topic_bytes_max: script.choice(&[300, 3]),
        who_names_max: script.below(4),
        rooms_listed_max: script.below(4),
    }
}

fn histories(script: &mut Script<'_>) -> Histories {
    let (messages, bytes) = (script.below(5), script.choice(&[0, 60, 1000]));
    Histories::new(messages, bytes, script.choice(&[30, 300, 10_000]))
}

struct People<'h> {
    directory: Directory,
    members: [Option<MemberId>; 8],
    ear: Ear<'h>,
    now: Time,
}

impl People<'_> {
    fn speak(&mut self, choices: u8, text: &str) {
        self.now = self.now + Duration::from_millis(1);
        let millis = self.now.since(Time::START).as_millis() as u64;
        let wall = WallTime::from_millis(1_790_000_000_000 + millis);
        self.directory.set_time(self.now, wall);
        self.directory.handle_timeout(&mut self.ear);
        let who = usize::from(choices % 8);
        let Some(member) = self.members[who] else {
            return self.enter(who, text.trim());
        };
        if text.is_empty() {
            self.members[who] = None;
            return self.leave(member, choices / 8);
        }
        self.make(choices / 8, member, text);
        let request = match text::read(text) {
            Ok(request) => request,
            Err(refusal) => return self.ear.reply(&Reply::Refused(refusal)),
        };
        self.apply(member, &as_program(choices / 8, request, text));
    }

    fn enter(&mut self, who: usize, asked: &str) {
        let hears = Hears {
            echo: who.is_multiple_of(2),
            names_max: who as u16,
        };
        match self.directory.admit(asked, hears) {
            Ok(member) => {
                self.members[who] = Some(member);
                let welcome = Reply::Welcome {
                    name: self.directory.name_of(member),
                    resume: "5f",
                    motd: None,
                };
                self.ear.reply(&welcome);
                let joined = self.directory.join(member, "lobby", &mut self.ear);
                joined.expect("there is a lobby, and whoever is new may be in one room");
            }
            Err(refusal) => self.ear.reply(&Reply::Refused(refusal.into())),
        }
    }

    fn leave(&mut self, member: MemberId, choice: u8) {
        let causes = [
            Cause::Quit,
            Cause::Lost,
            Cause::TooSlow,
            Cause::Kicked,
            Cause::Stopped,
        ];
        let cause = causes[usize::from(choice) % causes.len()];
        self.directory.leave(member, cause, None, &mut self.ear);
    }

    /// Does with a request what the hub does.
    fn apply(&mut self, member: MemberId, request: &Request<'_>) {
        let People { directory, ear, .. } = self;
        let answer = match request.command {
            Command::Help => return ear.reply(&Reply::Help),
            Command::Prompt => return ear.reply(&Reply::Prompt),
            Command::Ping(token) => return ear.reply(&Reply::Pong(token)),
            Command::Search(_) => return ear.reply(&Reply::Refused(Refusal::NoSearch)),
            Command::History(page) => return self.tell_page(member, request.room, page),
            Command::Quit(reason) => {
                let place = self
                    .members
                    .iter_mut()
                    .find(|other| **other == Some(member));
                place.into_iter().for_each(|place| *place = None);
                return directory.leave(member, Cause::Quit, reason, ear);
            }
            Command::Enter(_) => return,
            Command::Post { name, text, .. } => {
                let room = request.room.unwrap_or("lobby");
                let posted = directory.post(room, name, text, ear);
                posted.map(|id| Answer::Done(Some(id)))
            }
            Command::Act(act) => directory.apply(member, request.room, act, ear),
        };
        match answer {
            Ok(answer) => ear.reply(&Reply::Answer(&answer)),
            Err(refusal) => ear.reply(&Reply::Refused(refusal.into())),
        }
    }

    fn tell_page(&mut self, member: MemberId, room: Option<&str>, page: PageOf) {
        match self.directory.room_of(member, room) {
            Ok(room) => {
                let found = self.ear.histories.page(room, page.end, page.limit);
                let (messages, more) = (found.messages, found.more);
                let room = self.directory.room_name(room);
                self.ear.hear.hear(&Told::Reply(&Reply::Page {
                    room,
                    messages,
                    more,
                }));
            }
            Err(refusal) => self.ear.reply(&Reply::Refused(refusal.into())),
        }
    }

    /// Something that the rules of chat do not make of this text, but of others.
    fn make(&mut self, choice: u8, member: MemberId, text: &str) {
        let refused = Refusal::Rules;
        let reply = match choice {
            0 => Reply::Refused(refused(RulesRefusal::NameInUse(text))),
            1 => Reply::Refused(refused(RulesRefusal::NoSuchName(text))),
            2 => Reply::Refused(refused(RulesRefusal::NoSuchRoom(text))),
            3 => Reply::Refused(refused(RulesRefusal::AlreadyHere(text))),
            4 => Reply::Refused(refused(RulesRefusal::NotInRoom(text))),
            5 => Reply::Refused(Refusal::UnknownCommand(text)),
            6 => Reply::Ended(Refusal::Kicked(Some(text))),
            7 => Reply::Pong(Some(text)),
            _ => return self.make_fact(choice, member, text),
        };
        self.ear.reply(&reply);
    }

    fn make_fact(&mut self, choice: u8, member: MemberId, text: &str) {
        let from = self.directory.name_of(member).to_owned();
        let (from, reason) = (from.as_str(), Some(text));
        let what = match choice {
            8 => What::Announcement { text },
            9 => What::Private { from, text },
            10 => What::Left {
                who: from,
                here: 3,
                cause: Cause::Quit,
                reason,
            },
            11 => What::Left {
                who: from,
                here: 3,
                cause: Cause::Kicked,
                reason,
            },
            12 => What::Topic { text, by: from },
            13 => What::Said {
                from,
                text,
                manner: Manner::Posted,
            },
            _ => return,
        };
        let is_in_room = !matches!(what, What::Announcement { .. } | What::Private { .. });
        let name = "lobby";
        let place = Place {
            id: RoomId(0),
            name,
        };
        let fact = Fact {
            room: is_in_room.then_some(place),
            id: MessageId::ZERO,
            what,
        };
        self.ear.hear.hear(&Told::Fact(&fact));
    }
}

/// What people cannot ask for in plain text.
fn as_program<'a>(choice: u8, request: Request<'a>, text: &'a str) -> Request<'a> {
    match (choice, request.command) {
        (20.., Command::Act(Act::Move)) => Request {
            command: Command::Act(Act::Join { since: None }),
            ..request
        },
        (24.., Command::Act(Act::Say { .. })) => Request {
            room: Some("lobby"),
            command: Command::Act(Act::Part),
        },
        (22.., Command::Act(Act::Msg { to, text })) => Request {
            room: Some("den"),
            command: Command::Post {
                name: to,
                text,
                password: None,
            },
        },
        (16..20, Command::Act(Act::Say { .. })) => Request {
            room: Some("den"),
            command: Command::Act(Act::Say {
                text,
                action: false,
            }),
        },
        _ => request,
    }
}
