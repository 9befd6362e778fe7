//! Names that nobody bears since the server or everybody would be meant by them, whatever their
//! disguise; and people whose names come near. The other rules of names: `names`.

use chatd::chat::name::{BadName, Name};

const WORDS: &str =
    "server chatd operator admin administrator moderator root system everyone all here";

/// Capitals, look-alikes (Cyrillic, Lisu, wide letters, small capitals), digits for letters.
const DISGUISES: &str = "\
    Server sErVeR OPERATOR Admin AdmIn Root All aLl ａｌｌ Ｒｏｏｔ \
    adrnin ADRNIN systern AIl aII һеге ЅУЅТЕМ ѕуѕтем ꓮꓡꓡ \
    ᴀᴅᴍɪɴ ᴀʟʟ ʀᴏᴏᴛ ʜᴇʀᴇ sʏsᴛᴇᴍ Oᴘᴇʀᴀᴛᴏʀ ᴄʜᴀᴛᴅ \
    a11 al1 4ll A1L 0perator OPERAT0R ADM1N adm1n 4dm1n R00T r00t r007 \
    5erver 5y5t3m cha7d 3very0ne h3r3 her3 m0d3r4t0r";

const PEOPLE: &str = "\
    serve servers admins Ali ali ALI ALI1 Ali2 allan alli allen 4llen hero hereford there rooted \
    roots Small Adminah sysadmin theoperator systems al al2 a-l-l ad.min seŕver all2gether \
    here2stay 2all root2x 411 x-411";

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split_whitespace()
}

#[track_caller]
fn assert_reserved(text: &str) {
    let refused = Name::parse(text).err();
    assert_eq!(refused, Some(BadName::Reserved), "{text}");
}

#[test]
fn the_words_are_nobody_in_whatever_disguise() {
    for word in words(WORDS) {
        assert_reserved(word);
        assert_reserved(&word.to_uppercase());
    }
    words(DISGUISES).for_each(assert_reserved);
}

#[test]
fn they_are_nobody_between_separators_and_before_digits() {
    for word in words(WORDS).chain(words(DISGUISES)) {
        for name in [
            format!("{word}_"),
            format!("{word}."),
            format!("{word}2"),
            format!("{word}007"),
            format!("{word}-2"),
            format!("7-{word}"),
            format!("7.{word}42_7"),
        ] {
            assert_reserved(&name);
        }
    }
    for name in [
        "the-operator",
        "Mr.Root",
        "all-of-us",
        "her35",
        "all1",
        "a111",
        "adm1n1strat0r",
        "ａｄｍｉｎ２",
        "ꓮꓡꓡꓸ",
        "ꓧꓧꓸꓮꓡꓡ",
    ] {
        assert_reserved(name);
    }
}

#[test]
fn names_that_only_hold_a_word_are_people() {
    for name in words(PEOPLE) {
        assert_eq!(Name::parse(name).err(), None, "{name}");
    }
}
