//! `Directory`: who is called what, who is in which room, which rooms exist; and what each command
//! does. Everything that happens is handed to `tell` as an event with its audience, in order.
//! Not how it is written or delivered. Owned by the hub.

use slab::Slab;

use super::claims::Claims;
use super::name::Name;
use super::room::{Churn, Names, Room, RoomList};
use super::vocabulary::{Audience, Command, Event, MemberId, Refusal, RoomId};

/// The numbers that the rules of chat depend on.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Messages of a room that are kept.
    pub history_lines_max: usize,
    /// Messages of those kept that are shown to a member who joins.
    pub replay_messages_max: usize,
    /// Bytes of those messages.
    pub history_bytes_max: usize,
    /// Bytes of the messages of all rooms.
    pub history_total_bytes_max: usize,
    /// Members up to which each join and leave is told singly.
    pub announce_members_max: usize,
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
    pub(super) rules: Rules,
    pub(super) members: Vec<Option<Member>>,
    pub(super) names: Claims<MemberId>,
    pub(super) rooms: Slab<Room>,
    pub(super) room_names: Claims<RoomId>,
    pub(super) lobby: RoomId,
    /// All rooms, in alphabetical order.
    pub(super) rooms_by_name: Vec<RoomId>,
    /// Bytes of all histories.
    pub(super) history_bytes: usize,
    /// Messages that were said in any room.
    pub(super) messages: u64,
    /// Rooms whose churn began since the hub last asked.
    pub(super) churning: Vec<RoomId>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Name,
    pub(super) room: RoomId,
    pub(super) echo: bool,
    /// What its room had not been told when it came: its welcome has counted that.
    pub(super) churn: Churn,
}

/// Takes what happens, in the order in which it happens.
pub(super) type Tell<'t> = dyn FnMut(Audience<'_>, Event<'_>) + 't;

impl Directory {
    /// A directory with nobody in it, and the lobby, which is there even when it is empty: its
    /// history is what the next to come will find.
    pub fn new(rules: Rules) -> Directory {
        let lobby = Name::parse("lobby").expect("the word lobby is a good name");
        let mut directory = Directory {
            rules,
            members: Vec::new(),
            names: Claims::new(),
            rooms: Slab::new(),
            room_names: Claims::new(),
            lobby: RoomId(0),
            rooms_by_name: Vec::new(),
            history_bytes: 0,
            messages: 0,
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
                self.names.claim(&name, member);
                if self.members.len() <= member.slot() {
                    self.members.resize_with(member.slot() + 1, || None);
                }
                let room = self.lobby;
                self.members[member.slot()] = Some(Member {
                    name,
                    room,
                    echo: false,
                    churn: Churn::default(),
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
        self.names.release(&gone.name);
        self.remove_if_empty(gone.room);
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
        self.names.owner(&name)
    }

    /// How many have a name.
    pub fn members(&self) -> usize {
        self.names.len()
    }

    fn say(&mut self, member: MemberId, text: &str, tell: &mut Tell<'_>) {
        self.remember(member, text);
        let Some(speaker) = self.member(member) else {
            return;
        };
        let room = speaker.room;
        let audience = if speaker.echo {
            Audience::Room(room)
        } else {
            Audience::Others(room, &[member])
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
        let known = self.room_names.owner(&name);
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
        self.names.release(&old);
        let new = &self.members[member.slot()]
            .as_ref()
            .expect("it was renamed a line ago")
            .name;
        self.names.claim(new, member);
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

    fn free_name<'a>(&self, member: MemberId, asked: &'a str) -> Result<Name, Refusal<'a>> {
        let name = Name::parse(asked).map_err(Refusal::BadName)?;
        if self.names.is_free_for(member, &name) {
            Ok(name)
        } else {
            Err(Refusal::NameInUse(asked))
        }
    }

    pub(super) fn names(&self, room: RoomId, shown_max: usize) -> Names<'_> {
        let members = self.rooms[room.slot()].roster.by_name();
        Names {
            members,
            shown_max,
            directory: self,
        }
    }

    pub(super) fn member(&self, member: MemberId) -> Option<&Member> {
        self.members.get(member.slot())?.as_ref()
    }

    pub(super) fn member_mut(&mut self, member: MemberId) -> &mut Member {
        self.members[member.slot()]
            .as_mut()
            .expect("commands are only applied for members")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        history_lines_max: 0,
        replay_messages_max: 0,
        history_bytes_max: 0,
        history_total_bytes_max: 1 << 20,
        announce_members_max: 200,
        welcome_names_max: 20,
        who_names_max: 20,
        rooms_listed_max: 20,
    };

    /// Lets a member in; whether it got the name.
    fn enter(directory: &mut Directory, member: u32, name: &str) -> bool {
        directory.enter(MemberId(member), name, &mut |_, _| {})
    }

    /// Does what a member asks for; the codes of what was refused.
    fn refusals(directory: &mut Directory, member: u32, command: Command<'_>) -> Vec<&'static str> {
        let mut codes = Vec::new();
        directory.apply(MemberId(member), command, &mut |_, event| {
            if let Event::Refused(refusal) = event {
                codes.push(refusal.code());
            }
        });
        codes
    }

    fn leave(directory: &mut Directory, member: u32) {
        directory.leave(MemberId(member), None, &mut |_, _| {});
    }

    /// Nobody is here, and the lobby is the only room.
    fn assert_nothing_is_left(directory: &Directory) {
        assert_eq!(directory.members(), 0);
        assert_eq!(directory.names.keys_len(), 0, "{:?}", directory.names);
        assert_eq!(directory.room_names.len(), 1);
        assert_eq!(
            directory.room_names.keys_len(),
            1,
            "{:?}",
            directory.room_names
        );
        assert_eq!(directory.rooms.len(), 1);
    }

    #[test]
    fn a_name_takes_those_that_fold_or_look_like_it_and_frees_them() {
        let mut directory = Directory::new(RULES);
        assert!(enter(&mut directory, 1, "Ian"));
        for taken in ["ian", "IAN", "lan", "1an", "Ian"] {
            assert!(!enter(&mut directory, 2, taken), "{taken}");
            assert_eq!(directory.who_is(taken), Some(MemberId(1)), "{taken}");
        }
        assert_eq!(directory.members(), 1);
        leave(&mut directory, 1);
        assert_eq!(directory.who_is("Ian"), None);
        assert!(enter(&mut directory, 2, "lan"));
        assert!(!enter(&mut directory, 1, "Ian"), "it looks like lan");
        assert!(enter(&mut directory, 1, "ian"), "it is not lan");
        assert_eq!(directory.members(), 2);
        leave(&mut directory, 1);
        leave(&mut directory, 2);
        assert_nothing_is_left(&directory);
    }

    #[test]
    fn who_is_called_so_is_found_before_who_looks_so() {
        let mut directory = Directory::new(RULES);
        assert!(enter(&mut directory, 1, "lan"));
        assert_eq!(directory.who_is("Ian"), Some(MemberId(1)));
        assert!(enter(&mut directory, 2, "ian"));
        assert_eq!(directory.who_is("Ian"), Some(MemberId(2)));
        assert_eq!(directory.who_is("lan"), Some(MemberId(1)));
    }

    #[test]
    fn a_member_may_write_its_own_name_another_way() {
        let mut directory = Directory::new(RULES);
        assert!(enter(&mut directory, 1, "Ann"));
        assert!(enter(&mut directory, 2, "Ian"));
        for (member, name) in [(1, "ann"), (1, "ANN"), (2, "lan"), (2, "Ian"), (2, "ian")] {
            assert!(
                refusals(&mut directory, member, Command::Nick(name)).is_empty(),
                "{name}"
            );
            assert_eq!(directory.who_is(name), Some(MemberId(member)));
            let shown = directory.name_of(MemberId(member)).unwrap();
            assert_eq!(shown.as_str(), name);
        }
        assert_eq!(directory.members(), 2);
        // The keys that a rename gave up are free, those that it kept are not.
        assert!(enter(&mut directory, 3, "lan"));
        assert_eq!(
            refusals(&mut directory, 3, Command::Nick("Ian")),
            ["name-in-use"]
        );
        assert_eq!(
            refusals(&mut directory, 3, Command::Nick("Ann")),
            ["name-in-use"]
        );
        for member in 1..=3 {
            leave(&mut directory, member);
        }
        assert_nothing_is_left(&directory);
    }

    #[test]
    fn a_room_has_one_door_for_all_its_spellings() {
        let mut directory = Directory::new(RULES);
        assert!(enter(&mut directory, 1, "ann"));
        assert!(enter(&mut directory, 2, "ben"));
        assert!(refusals(&mut directory, 1, Command::Join("Ideas")).is_empty());
        let ideas = directory.room_of(MemberId(1));
        assert!(refusals(&mut directory, 2, Command::Join("ldeas")).is_empty());
        assert_eq!(directory.room_of(MemberId(2)), ideas);
        for spelling in ["ideas", "IDEAS", "1deas"] {
            assert_eq!(directory.find_room(spelling), ideas);
            assert_eq!(
                refusals(&mut directory, 2, Command::Join(spelling)),
                ["already-here"]
            );
        }
        assert!(refusals(&mut directory, 1, Command::Join("1obby")).is_empty());
        assert_eq!(directory.room_of(MemberId(1)), Some(directory.lobby));
        leave(&mut directory, 2);
        assert_eq!(directory.find_room("ldeas"), None);
        leave(&mut directory, 1);
        assert_nothing_is_left(&directory);
    }
}
