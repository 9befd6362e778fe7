//! `Directory`: who is called what, who is in which room, which rooms exist; and what each command
//! does. Everything that happens is handed to `tell` as an event with its audience, in order.
//! Not how it is written or delivered. Owned by the hub.

use std::collections::HashMap;

use slab::Slab;

use super::name::Name;
use super::room::{Churn, History, Names, Room, RoomList, Roster};
use super::vocabulary::{Audience, Command, Event, MemberId, Refusal, RoomId};

/// The numbers that the rules of chat depend on.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Messages of a room kept for those who join.
    pub history_lines_max: usize,
    /// Bytes of those messages.
    pub history_bytes_max: usize,
    /// Members up to which each join and leave is told singly.
    pub roster_members_max: usize,
    /// Names in a welcome.
    pub welcome_names_max: usize,
    /// Names in the answer to `/who`.
    pub who_names_max: usize,
    /// Rooms in the answer to `/rooms`.
    pub rooms_listed_max: usize,
}

/// Everybody who has a name, and every room.
#[derive(Debug)]
pub struct Directory {
    rules: Rules,
    members: Vec<Option<Member>>,
    names: HashMap<Box<str>, MemberId>,
    rooms: Slab<Room>,
    room_names: HashMap<Box<str>, RoomId>,
    lobby: RoomId,
    /// Rooms whose churn began since the hub last asked.
    churning: Vec<RoomId>,
}

#[derive(Debug)]
struct Member {
    name: Name,
    room: RoomId,
    echo: bool,
}

/// Takes what happens, in the order in which it happens.
pub(super) type Tell<'t> = dyn FnMut(Audience, Event<'_>) + 't;

impl Directory {
    /// A directory with nobody in it, and the lobby, which is there even when it is empty: its
    /// history is what the next to come will find.
    pub fn new(rules: Rules) -> Directory {
        let lobby = Name::parse("lobby").expect("the word lobby is a good name");
        let mut directory = Directory {
            rules,
            members: Vec::new(),
            names: HashMap::new(),
            rooms: Slab::new(),
            room_names: HashMap::new(),
            lobby: RoomId(0),
            churning: Vec::new(),
        };
        directory.lobby = directory.make_room(lobby);
        directory
    }

    /// Gives `member` the name it asks for and lets it into the lobby. When that is refused,
    /// the member has been told why, and `false` is returned.
    pub fn enter(&mut self, member: MemberId, asked: &str, tell: &mut Tell<'_>) -> bool {
        match self.free_name(member, asked) {
            Err(refusal) => {
                tell(Audience::One(member), Event::Refused(refusal));
                false
            }
            Ok(name) => {
                self.names.insert(name.key().into(), member);
                if self.members.len() <= member.slot() {
                    self.members.resize_with(member.slot() + 1, || None);
                }
                let room = self.lobby;
                self.members[member.slot()] = Some(Member {
                    name,
                    room,
                    echo: false,
                });
                self.arrive(member, room, tell);
                true
            }
        }
    }

    /// Does what a member asks for. `Quit` is not for here: see [`Directory::leave`].
    pub fn apply(&mut self, member: MemberId, command: Command<'_>, tell: &mut Tell<'_>) {
        let me = Audience::One(member);
        match command {
            Command::Say(text) => self.say(member, text, tell),
            Command::Help => tell(me, Event::Help),
            Command::Who(room) => self.who(member, room, tell),
            Command::Rooms => {
                let list = RoomList {
                    directory: self,
                    shown_max: self.rules.rooms_listed_max,
                };
                tell(me, Event::Rooms(list));
            }
            Command::Join(room) => self.join(member, room, tell),
            Command::Nick(name) => self.rename(member, name, tell),
            Command::Msg { to, text } => self.message(member, to, text, tell),
            Command::Echo(echo) => {
                self.member_mut(member).echo = echo;
                tell(me, Event::Echo(echo));
            }
            Command::Ping(token) => tell(me, Event::Pong(token)),
            Command::Quit(why) => self.leave(member, why, tell),
        }
    }

    /// Takes a member out of its room and frees its name. Does nothing for who has no name.
    pub fn leave(&mut self, member: MemberId, why: Option<&str>, tell: &mut Tell<'_>) {
        if self.name_of(member).is_none() {
            return;
        }
        self.depart(member, why, tell);
        let gone = self.members[member.slot()]
            .take()
            .expect("it had a name a line ago");
        self.names.remove(gone.name.key());
        self.remove_if_empty(gone.room);
    }

    /// Tells a room the joins and leaves it has not heard of yet, if there are any.
    pub fn tell_churn(&mut self, room: RoomId, tell: &mut Tell<'_>) {
        let Some(room_now) = self.rooms.get_mut(room.slot()) else {
            return;
        };
        let Churn { joined, left } = std::mem::take(&mut room_now.churn);
        if joined + left > 0 {
            let here = room_now.roster.len();
            tell(Audience::Room(room), Event::Churn { joined, left, here });
        }
    }

    /// A room that has begun to have joins and leaves to tell, each room once.
    pub fn take_churning(&mut self) -> Option<RoomId> {
        self.churning.pop()
    }

    /// The members of a room, in the order of their slots; none of a room that is gone.
    pub fn roster(&self, room: RoomId) -> &[MemberId] {
        self.rooms
            .get(room.slot())
            .map_or(&[], |room| room.roster.by_slot())
    }

    /// Where a member is.
    pub fn room_of(&self, member: MemberId) -> Option<RoomId> {
        self.member(member).map(|member| member.room)
    }

    /// What a member is called.
    pub fn name_of(&self, member: MemberId) -> Option<&Name> {
        self.member(member).map(|member| &member.name)
    }

    /// Who is called so, or so similarly that nobody else may be.
    pub fn who_is(&self, name: &str) -> Option<MemberId> {
        let name = Name::parse(name).ok()?;
        self.names.get(name.key()).copied()
    }

    /// What a room is called.
    pub fn room_name(&self, room: RoomId) -> Option<&Name> {
        self.rooms.get(room.slot()).map(|room| &room.name)
    }

    /// Whether the room is there.
    pub fn has_room(&self, room: RoomId) -> bool {
        self.rooms.contains(room.slot())
    }

    /// How many have a name.
    pub fn members(&self) -> usize {
        self.names.len()
    }

    /// Name and number of members of each room that has any, in no order.
    pub fn occupied_rooms(&self) -> impl Iterator<Item = (&Name, usize)> {
        let rooms = self
            .rooms
            .iter()
            .map(|(_, room)| (&room.name, room.roster.len()));
        rooms.filter(|&(_, here)| here > 0)
    }

    fn say(&mut self, member: MemberId, text: &str, tell: &mut Tell<'_>) {
        let Some(speaker) = self.members[member.slot()].as_ref() else {
            return;
        };
        let room = speaker.room;
        self.rooms[room.slot()].history.push(&speaker.name, text);
        let audience = if speaker.echo {
            Audience::Room(room)
        } else {
            Audience::Others(room, member)
        };
        tell(
            audience,
            Event::Message {
                from: &speaker.name,
                text,
            },
        );
    }

    fn who(&self, member: MemberId, room: Option<&str>, tell: &mut Tell<'_>) {
        let found = match room {
            None => self.room_of(member),
            Some(asked) => self.find_room(asked),
        };
        let event = match found {
            Some(room) => Event::Who(self.names(room, self.rules.who_names_max)),
            None => Event::Refused(Refusal::NoSuchRoom(room.unwrap_or_default())),
        };
        tell(Audience::One(member), event);
    }

    fn join(&mut self, member: MemberId, asked: &str, tell: &mut Tell<'_>) {
        let name = match Name::parse(asked) {
            Ok(name) => name,
            Err(bad) => return tell(Audience::One(member), Event::Refused(Refusal::BadName(bad))),
        };
        let known = self.room_names.get(name.key()).copied();
        let from = self.member_mut(member).room;
        if known == Some(from) {
            let room = self.rooms[from.slot()].name.as_str();
            return tell(
                Audience::One(member),
                Event::Refused(Refusal::AlreadyHere(room)),
            );
        }
        self.depart(member, None, tell);
        let to = known.unwrap_or_else(|| self.make_room(name));
        self.member_mut(member).room = to;
        self.arrive(member, to, tell);
        self.remove_if_empty(from);
    }

    fn rename(&mut self, member: MemberId, asked: &str, tell: &mut Tell<'_>) {
        let name = match self.free_name(member, asked) {
            Ok(name) => name,
            Err(refusal) => return tell(Audience::One(member), Event::Refused(refusal)),
        };
        let Some(now) = self.name_of(member) else {
            return;
        };
        if now.as_str() == name.as_str() {
            return tell(Audience::One(member), Event::SameName(now));
        }
        let room = self.member_mut(member).room;
        self.strike(member, room);
        let old = std::mem::replace(&mut self.member_mut(member).name, name);
        self.enroll(member, room);
        self.names.remove(old.key());
        let new = &self.members[member.slot()]
            .as_ref()
            .expect("it was renamed a line ago")
            .name;
        self.names.insert(new.key().into(), member);
        tell(
            Audience::Room(room),
            Event::Renamed {
                from: &old,
                to: new,
            },
        );
    }

    fn message(&mut self, member: MemberId, to: &str, text: &str, tell: &mut Tell<'_>) {
        let found = self
            .who_is(to)
            .and_then(|other| Some((other, self.name_of(other)?)));
        let (Some((other, to_name)), Some(from)) = (found, self.name_of(member)) else {
            return tell(
                Audience::One(member),
                Event::Refused(Refusal::NoSuchName(to)),
            );
        };
        tell(Audience::One(other), Event::Private { from, text });
        tell(Audience::One(member), Event::Sent { to: to_name });
    }

    /// The member, whose name and room are set, is added to the roster; everybody is told.
    fn arrive(&mut self, member: MemberId, room: RoomId, tell: &mut Tell<'_>) {
        self.enroll(member, room);
        let here = self.rooms[room.slot()].roster.len();
        if self.is_told_singly(room, here) {
            let who = &self.members[member.slot()]
                .as_ref()
                .expect("who arrives has a name")
                .name;
            tell(Audience::Others(room, member), Event::Joined { who, here });
        } else {
            self.count_churn(room, |churn| churn.joined += 1);
        }
        let (here, who) = (&self.rooms[room.slot()], self.name_of(member));
        let names = self.names(room, self.rules.welcome_names_max);
        if let Some(who) = who {
            tell(
                Audience::One(member),
                Event::Welcome {
                    room: &here.name,
                    who,
                    names,
                },
            );
        }
        if !here.history.is_empty() {
            tell(Audience::One(member), Event::History(&here.history));
        }
    }

    /// The member is taken out of its room's roster; those who stay are told.
    fn depart(&mut self, member: MemberId, why: Option<&str>, tell: &mut Tell<'_>) {
        let room = self.member_mut(member).room;
        let before = self.rooms[room.slot()].roster.len();
        self.strike(member, room);
        if self.is_told_singly(room, before) {
            let who = &self.members[member.slot()]
                .as_ref()
                .expect("who departs has a name")
                .name;
            tell(
                Audience::Others(room, member),
                Event::Left {
                    who,
                    here: before - 1,
                    why,
                },
            );
        } else {
            self.count_churn(room, |churn| churn.left += 1);
        }
    }

    /// Whether a join or leave that involves this many members is told by itself. Not while others
    /// wait to be told together: they came first.
    fn is_told_singly(&self, room: RoomId, members: usize) -> bool {
        members <= self.rules.roster_members_max && self.rooms[room.slot()].churn.is_empty()
    }

    fn count_churn(&mut self, room: RoomId, count: impl FnOnce(&mut Churn)) {
        let churn = &mut self.rooms[room.slot()].churn;
        if churn.is_empty() {
            self.churning.push(room);
        }
        count(churn);
    }

    fn free_name<'a>(&self, member: MemberId, asked: &'a str) -> Result<Name, Refusal<'a>> {
        let name = Name::parse(asked).map_err(Refusal::BadName)?;
        match self.names.get(name.key()) {
            Some(&owner) if owner != member => Err(Refusal::NameInUse(asked)),
            _ => Ok(name),
        }
    }

    fn find_room(&self, asked: &str) -> Option<RoomId> {
        let name = Name::parse(asked).ok()?;
        self.room_names.get(name.key()).copied()
    }

    fn make_room(&mut self, name: Name) -> RoomId {
        let key = name.key().into();
        let history = History::new(self.rules.history_lines_max, self.rules.history_bytes_max);
        let room = Room {
            name,
            roster: Roster::default(),
            history,
            churn: Churn::default(),
        };
        let id =
            RoomId(u32::try_from(self.rooms.insert(room)).expect("fewer rooms than u32 holds"));
        self.room_names.insert(key, id);
        id
    }

    fn remove_if_empty(&mut self, room: RoomId) {
        if room != self.lobby && self.rooms[room.slot()].roster.len() == 0 {
            let gone = self.rooms.remove(room.slot());
            self.room_names.remove(gone.name.key());
        }
    }

    fn enroll(&mut self, member: MemberId, room: RoomId) {
        let members = &self.members;
        self.rooms[room.slot()]
            .roster
            .insert(member, |id| name_in(members, id));
    }

    fn strike(&mut self, member: MemberId, room: RoomId) {
        let members = &self.members;
        self.rooms[room.slot()]
            .roster
            .remove(member, |id| name_in(members, id));
    }

    fn names(&self, room: RoomId, shown_max: usize) -> Names<'_> {
        let members = self.rooms[room.slot()].roster.by_name();
        Names {
            members,
            shown_max,
            directory: self,
        }
    }

    fn member(&self, member: MemberId) -> Option<&Member> {
        self.members.get(member.slot())?.as_ref()
    }

    fn member_mut(&mut self, member: MemberId) -> &mut Member {
        self.members[member.slot()]
            .as_mut()
            .expect("commands are only applied for members")
    }
}

fn name_in(members: &[Option<Member>], member: MemberId) -> &Name {
    &members[member.slot()]
        .as_ref()
        .expect("who is in a roster has a name")
        .name
}
